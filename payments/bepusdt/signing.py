"""The MD5 signature of BEpusdt. Source: v03413/BEpusdt, its API document and utils.

Numbers are signed as the server writes them: 100, 28.88, never 100.00. From a million on it writes them as 1e+06, so that
such amounts are not asked for.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal

from payments.canonical import canonical

UNSIGNED = frozenset({"signature"})
MOST = Decimal(1_000_000)


def sign(fields: Mapping[str, str], token: str) -> str:
    """Lowercase MD5 over the canonical text and the token. Raises ValueError for an empty token."""
    if not token:
        raise ValueError("an empty token signs nothing")
    text = canonical(fields, without=UNSIGNED) + token
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def is_signed(fields: Mapping[str, str], token: str) -> bool:
    if not token:
        return False
    return hmac.compare_digest(sign(fields, token).encode(), fields.get("signature", "").encode())


def number_text(amount: Decimal) -> str:
    """The shortest text of an amount. Raises ValueError for one that the server would write in another way."""
    if not 0 < amount < MOST:
        raise ValueError("an amount below a million")
    return f"{amount.normalize():f}"


def signed_json(fields: Mapping[str, str], numbers: Mapping[str, str], token: str) -> bytes:
    """A signed JSON object; `numbers` are written as numbers, byte for byte as they were signed."""
    signature = sign({**fields, **numbers}, token)
    pairs = [
        (name, json.dumps(value, ensure_ascii=False)) for name, value in {**fields, "signature": signature}.items()
    ]
    return ("{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in [*pairs, *numbers.items()]) + "}").encode()
