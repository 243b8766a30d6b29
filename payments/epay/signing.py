"""The MD5 signature of epay V1, and the names that it accepts.

Source: the ezpay compatibility document and Blokura/Epay; `&key=` is a variant of some clones.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from payments.canonical import canonical

UNSIGNED = frozenset({"sign", "sign_type"})
NAME_BYTES = 127
# & splits the signed text, quotes and backslashes are escaped by old PHP, both after signing.
_BROKEN_BY_GATEWAYS = frozenset("&'\"`\\")


class SignMode(StrEnum):
    PLAIN = "plain"
    KEY_PARAMETER = "key"


def sign(fields: Mapping[str, str], key: str, mode: SignMode = SignMode.PLAIN) -> str:
    """Lowercase MD5 over the canonical text and the key. Raises ValueError for an empty key: it would sign anything."""
    if not key:
        raise ValueError("an empty key signs nothing")
    joint = "&key=" if mode == SignMode.KEY_PARAMETER else ""
    return hashlib.md5((canonical(fields, without=UNSIGNED) + joint + key).encode(), usedforsecurity=False).hexdigest()


def is_signed(fields: Mapping[str, str], key: str, mode: SignMode = SignMode.PLAIN) -> bool:
    """Whether all the received fields carry the right signature. False for another algorithm and for an empty key."""
    if not key or fields.get("sign_type", "MD5") != "MD5":
        return False
    return hmac.compare_digest(sign(fields, key, mode).encode(), fields.get("sign", "").encode())


def safe_name(name: str, fallback: str = "order") -> str:
    """A product name that gateways sign and store unchanged: at most 127 bytes of UTF-8, none of their trouble makers.

    Characters beyond the basic plane go too: gateways keep them in three-byte MySQL columns.
    """
    kept = [
        " " if character.isspace() else character
        for character in name
        if character not in _BROKEN_BY_GATEWAYS
        and ord(character) <= 0xFFFF
        and (character.isspace() or unicodedata.category(character)[0] != "C")
    ]
    words = " ".join("".join(kept).split())
    return words.encode()[:NAME_BYTES].decode("utf-8", "ignore").strip() or fallback
