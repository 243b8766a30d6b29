"""Identifiers: random public ids for addresses, numbers of orders and cases for reading aloud."""

import re
import secrets
from datetime import datetime

from common.clock import day_of
from common.crypto import fingerprint

PUBLIC_ID_LENGTH = 22
PAYMENT_NUMBER = re.compile(r"P\d{24}", re.ASCII)


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
    """Day, twelve random digits and four that follow from them, such as P202611221234567890123456: letters and digits, as
    every gateway takes them."""
    number = f"P{day_of(at):%Y%m%d}{secrets.randbelow(10**12):012d}"
    return number + _check_digits(number)


def is_payment_number(number: str) -> bool:
    """Whether `payment_number` of this very shop made it, as far as anybody can tell from the text alone.

    A merchant account may be shared with another shop, whose payments carry numbers of their own.
    """
    return bool(PAYMENT_NUMBER.fullmatch(number)) and number[-4:] == _check_digits(number[:-4])


def _check_digits(text: str) -> str:
    return f"{int.from_bytes(fingerprint(text, 'payment-number')[:8]) % 10**4:04d}"


def withdrawal_number(at: datetime) -> str:
    """Day and twelve random digits, such as W20261122123456789012. Opens nothing by itself."""
    return f"W{day_of(at):%Y%m%d}{secrets.randbelow(10**12):012d}"
