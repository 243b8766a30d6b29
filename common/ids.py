"""Identifiers: random public ids for addresses, numbers of orders and cases for reading aloud."""

import secrets
from datetime import datetime

from common.clock import day_of

PUBLIC_ID_LENGTH = 22


def public_id() -> str:
    """128 random bits, 22 characters, safe in an address."""
    return secrets.token_urlsafe(16)


def order_number(at: datetime) -> str:
    """Day and ten random digits, such as K202611221234567890. Opens nothing by itself; a UNIQUE constraint guards it."""
    return f"K{day_of(at):%Y%m%d}{secrets.randbelow(10**10):010d}"


def refund_number(at: datetime) -> str:
    """Like a payment's number, with an R."""
    return f"R{day_of(at):%Y%m%d}{secrets.randbelow(10**12):012d}"


def dispute_number(at: datetime) -> str:
    """Day and eight random digits, such as S2026112212345678; as an order's number, it opens nothing."""
    return f"S{day_of(at):%Y%m%d}{secrets.randbelow(10**8):08d}"


def payment_number(at: datetime) -> str:
    """Day and twelve random digits, such as P20261122123456789012: letters and digits, as every gateway takes them."""
    return f"P{day_of(at):%Y%m%d}{secrets.randbelow(10**12):012d}"


def withdrawal_number(at: datetime) -> str:
    """Day and twelve random digits, such as W20261122123456789012. Opens nothing by itself."""
    return f"W{day_of(at):%Y%m%d}{secrets.randbelow(10**12):012d}"
