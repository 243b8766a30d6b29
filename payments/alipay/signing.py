"""RSA2 signatures of Alipay. Source: Alipay's SDKs (alipay-sdk-python, fzlee/alipay).

A request signs everything but `sign`; a notify everything but `sign` and `sign_type`, empty values included; an answer the
raw text of its `*_response` value, so that it has to be cut out before anything is parsed.
"""

import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from payments import rsa
from payments.canonical import canonical

SIGN_TYPE = "RSA2"


def sign_request(fields: Mapping[str, str], key: RSAPrivateKey) -> str:
    return rsa.sign(canonical(fields, without={"sign"}).encode(), key)


def is_notify_signed(fields: Mapping[str, str], key: RSAPublicKey) -> bool:
    """False also for another algorithm than RSA2."""
    if fields.get("sign_type", SIGN_TYPE) != SIGN_TYPE:
        return False
    signed = canonical(fields, without={"sign", "sign_type"}, keep_empty=True)
    return rsa.is_signed(signed.encode(), fields.get("sign", ""), key)


def signed_part(body: str, name: str) -> tuple[str, str]:
    """The raw text of the value `name` at the top of a JSON object, and the object's `sign` ("" where there is none).

    Raises ValueError for anything else, and for a name that stands there twice.
    """
    decoder = json.JSONDecoder()
    parts: dict[str, str] = {}
    position = _after(body, 0, "{")
    while True:
        key, position = decoder.raw_decode(body, _skip(body, position))
        position = _skip(body, _after(body, position, ":"))
        end = decoder.raw_decode(body, position)[1]
        if not isinstance(key, str) or key in parts:
            raise ValueError("double field")
        parts[key], position = body[position:end], _skip(body, end)
        if body[position : position + 1] == "}":
            break
        position = _after(body, position, ",")
    if body[position + 1 :].strip() or name not in parts:
        raise ValueError("not an answer")
    sign = json.loads(parts.get("sign", '""'))
    return parts[name], sign if isinstance(sign, str) else ""


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def _after(text: str, position: int, mark: str) -> int:
    """The position after `mark`, which stands next. Raises ValueError."""
    position = _skip(text, position)
    if text[position : position + 1] != mark:
        raise ValueError("not an object")
    return position + 1
