"""Alipay's open platform, as its SDKs speak it: precreate, page.pay, wap.pay, query, close, refund and their notifies."""

from sandbox.alipay.tongue import AlipayTongue

__all__ = ["AlipayTongue"]
