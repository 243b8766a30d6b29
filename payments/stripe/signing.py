"""The signature of Stripe's webhooks. Source: Stripe's webhook documents.

`Stripe-Signature: t=<seconds>,v1=<hex>[,v1=…]`; v1 is HMAC-SHA256 over `<t>.<body>`. While a secret is rolled, there are
several v1; other schemes are not looked at.
"""

import hashlib
import hmac
from datetime import datetime, timedelta

HEADER = "stripe-signature"
TOLERANCE = timedelta(minutes=5)
MAX_SIGNATURES = 8


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The hex text of v1."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def why_not_signed(header: str, body: bytes, secret: str, at: datetime) -> str:
    """What is wrong with a webhook that was received at `at`, in one word; "" when nothing is."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    given = [value for name, _, value in pairs if name == "v1"][:MAX_SIGNATURES]
    if len(timestamps) != 1 or not timestamps[0].isascii() or not timestamps[0].isdecimal() or len(timestamps[0]) > 11:
        return "timestamp"
    timestamp = int(timestamps[0])
    right = sign(body, secret, timestamp)
    if not secret or not any(hmac.compare_digest(right.encode(), one.encode()) for one in given):
        return "signature"
    return "stale" if abs(at.timestamp() - timestamp) > TOLERANCE.total_seconds() else ""
