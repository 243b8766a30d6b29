"""易支付 / epay V1 (MD5), as public gateways and the ezpay compatibility document speak it."""

from sandbox.epay.gateway import Gateway
from sandbox.epay.merchants import Merchant, load_merchants
from sandbox.epay.routes import Routes

__all__ = ["Gateway", "Merchant", "Routes", "load_merchants"]
