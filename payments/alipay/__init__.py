"""Alipay's open platform: precreate, page.pay, wap.pay, query, close, refund and the asynchronous notify."""
