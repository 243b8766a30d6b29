"""易支付 / epay V2 (RSA), as EpayCore's SDK speaks it."""

from sandbox.epay_v2.tongue import EpayV2Tongue

__all__ = ["EpayV2Tongue"]
