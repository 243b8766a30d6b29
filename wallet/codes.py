"""Codes of cards: twenty characters of Crockford's base 32 (no I, L, O, U), 100 random bits, read aloud in groups of four."""

import secrets
import unicodedata

from common.crypto import fingerprint

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, GROUP = 20, 4
MOST_TYPED = 80
# What people type for what looks alike.
_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code() -> str:
    """A code in its normal form, without dashes."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def grouped(code: str) -> str:
    """As it is printed: 7Q2M-…"""
    return "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def normal(typed: str) -> str:
    """The normal form of what somebody typed or pasted; "" where it cannot be a code."""
    text = unicodedata.normalize("NFKC", typed[:MOST_TYPED]).upper()
    code = "".join(one for one in text if one.isalnum()).translate(_ALIKE)
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def digest(code: str) -> bytes:
    """What is stored of a code in its normal form: its HMAC."""
    return fingerprint(code, "wallet.card")
