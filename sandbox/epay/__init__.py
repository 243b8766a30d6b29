"""易支付 / epay V1 (MD5), as public gateways and the ezpay compatibility document speak it."""

from sandbox.epay.merchants import Merchant, load_merchants
from sandbox.epay.tongue import EpayTongue

__all__ = ["EpayTongue", "Merchant", "load_merchants"]
