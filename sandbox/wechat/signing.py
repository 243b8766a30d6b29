"""What WeChat Pay v3 signs and seals, written here a second time on purpose: see `sandbox/__init__.py`."""

import base64
import json
import re
import secrets

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox import rsa

SCHEME = "WECHATPAY2-SHA256-RSA2048"
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')


def signed_text(*parts: str) -> str:
    return "\n".join(parts) + "\n"


def read_authorization(header: str) -> dict[str, str]:
    """The parts of an Authorization header; {} for another scheme."""
    scheme, _, rest = header.partition(" ")
    return dict(_AUTHORIZATION.findall(rest)) if scheme == SCHEME else {}


def is_request_signed(*, method: str, target: str, body: str, told: dict[str, str], key: RSAPublicKey) -> bool:
    """Whether a merchant signed a request; `target` is its path with the query."""
    text = signed_text(method, target, told.get("timestamp", ""), told.get("nonce_str", ""), body)
    return rsa.is_signature(text, told.get("signature", ""), key)


def response_headers(body: str, *, at: float, serial: str, key: RSAPrivateKey) -> dict[str, str]:
    """Of answers and callbacks alike."""
    timestamp, nonce = str(int(at)), secrets.token_hex(16).upper()
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": rsa.signature(signed_text(timestamp, nonce, body), key),
        "Wechatpay-Signature-Type": SCHEME,
    }


def sealed(text: str, *, api_key: str, about: str) -> dict[str, str]:
    """`text` encrypted by the merchant's APIv3 key, as `resource` and `encrypt_certificate` hold it."""
    nonce = secrets.token_hex(6)
    cipher = AESGCM(api_key.encode()).encrypt(nonce.encode(), text.encode(), about.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(cipher).decode(),
        "associated_data": about,
        "nonce": nonce,
    }


def unsealed(resource: dict[str, str], api_key: str) -> dict:
    """What `sealed` holds, read again."""
    cipher, about = base64.b64decode(resource["ciphertext"]), resource["associated_data"].encode()
    return json.loads(AESGCM(api_key.encode()).decrypt(resource["nonce"].encode(), cipher, about))


def as_body(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
