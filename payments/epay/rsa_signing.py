"""The RSA signature of epay V2. Source: EpayCore's SDK.

Values of nothing but whitespace count as empty, values that are no text are not signed.
"""

from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from payments import rsa
from payments.canonical import canonical
from payments.epay.signing import UNSIGNED

SIGN_TYPE = "RSA"
TOLERANCE = 300


def signed_text(fields: Mapping[str, str]) -> bytes:
    return canonical({name: value for name, value in fields.items() if value.strip()}, without=UNSIGNED).encode()


def sign(fields: Mapping[str, str], key: RSAPrivateKey) -> str:
    return rsa.sign(signed_text(fields), key)


def why_not_signed(fields: Mapping[str, str], key: RSAPublicKey, at: datetime) -> str:
    """What is wrong with fields that came in at `at`, in one word; "" when nothing is."""
    if fields.get("sign_type", SIGN_TYPE) != SIGN_TYPE:
        return "algorithm"
    if not rsa.is_signed(signed_text(fields), fields.get("sign", ""), key):
        return "signature"
    timestamp = fields.get("timestamp", "")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 11:
        return "timestamp"
    return "stale" if abs(at.timestamp() - int(timestamp)) > TOLERANCE else ""
