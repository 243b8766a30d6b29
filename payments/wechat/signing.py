"""Signatures and encryption of WeChat Pay v3. Source: pay.weixin.qq.com, minibear2021/wechatpayv3."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from payments import rsa
from payments.replies import Unreadable, read_object

SCHEME = "WECHATPAY2-SHA256-RSA2048"
# The platform's key: its signature, which key made it, and what it is over beside the body.
SIGNATURE, SERIAL = "wechatpay-signature", "wechatpay-serial"
TIMESTAMP, NONCE, SIGNATURE_TYPE = "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature-type"
HEADERS = (SIGNATURE, SERIAL, TIMESTAMP, NONCE, SIGNATURE_TYPE)
TOLERANCE = timedelta(minutes=5)
KEY_BYTES, NONCE_BYTES = 32, 12
BODY_ALGORITHM = "AEAD_AES_256_GCM"


class BadSignature(Exception):
    """Not from WeChat Pay, or too old; `code` says why in one word."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


def lines(*parts: str) -> bytes:
    """What is signed: every part on a line of its own, also the last and also an empty one."""
    return "".join(f"{part}\n" for part in parts).encode()


def authorization(
    *, method: str, path: str, body: str, merchant: str, serial: str, key: RSAPrivateKey, timestamp: int, nonce: str
) -> str:
    """The Authorization header of a request; `path` with its query."""
    signature = rsa.sign(lines(method, path, str(timestamp), nonce, body), key)
    return (
        f'{SCHEME} mchid="{merchant}",nonce_str="{nonce}",signature="{signature}",timestamp="{timestamp}",'
        f'serial_no="{serial}"'
    )


def bridge_signature(*, app_id: str, timestamp: int, nonce: str, package: str, key: RSAPrivateKey) -> str:
    """paySign of JSAPI, over a package such as prepay_id=wx01."""
    return rsa.sign(lines(app_id, str(timestamp), nonce, package), key)


def check_signed(headers: Mapping[str, str], body: bytes, keys: Mapping[str, RSAPublicKey], at: datetime) -> None:
    """Check what WeChat Pay sent: a callback or an answer, received at `at`. `keys` by serial number.

    Raises BadSignature. WeChat sends deliberately wrong signatures to see that they are refused.
    """
    if headers.get(SIGNATURE_TYPE, SCHEME) != SCHEME:
        raise BadSignature("algorithm")
    key = keys.get(headers.get(SERIAL, ""))
    if key is None:
        raise BadSignature("serial")
    timestamp, nonce = headers.get(TIMESTAMP, ""), headers.get(NONCE, "")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 11:
        raise BadSignature("timestamp")
    if not rsa.is_signed(lines(timestamp, nonce) + body + b"\n", headers.get(SIGNATURE, ""), key):
        raise BadSignature("signature")
    if abs(at.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise BadSignature("stale")


def unseal(resource: Mapping[str, object], api_key: str) -> dict:
    """The JSON object that an encrypted `resource` holds, its numbers as text. Raises BadSignature where the key opens none."""
    try:
        return read_object(unseal_text(resource, api_key).encode())
    except Unreadable:
        raise BadSignature("resource") from None


def unseal_text(resource: Mapping[str, object], api_key: str) -> str:
    """The text that an encrypted `resource` holds, such as a certificate. Raises BadSignature."""
    wanted = ("algorithm", "ciphertext", "nonce", "associated_data")
    texts = [text for name in wanted if isinstance(text := resource.get(name) or "", str)]
    if len(texts) != len(wanted):
        raise BadSignature("resource")
    algorithm, ciphertext, nonce, associated = texts
    if algorithm != BODY_ALGORITHM or len(nonce.encode()) != NONCE_BYTES:
        raise BadSignature("resource")
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
        return AESGCM(api_key.encode()).decrypt(nonce.encode(), sealed, associated.encode()).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise BadSignature("resource") from None
