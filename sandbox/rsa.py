"""RSA as gateways use it (SHA-256, PKCS#1 v1.5), written here a second time on purpose: see `sandbox/__init__.py`."""

import base64
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)


class Pair(NamedTuple):
    """Bare base64 of DER, as gateways hand keys out."""

    private: str
    public: str


def new_pair() -> Pair:
    key = generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Pair(base64.b64encode(private).decode(), base64.b64encode(public).decode())


def private(text: str) -> RSAPrivateKey:
    key = load_der_private_key(base64.b64decode(text), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def public(text: str) -> RSAPublicKey:
    key = load_der_public_key(base64.b64decode(text))
    assert isinstance(key, RSAPublicKey)
    return key


def signature(text: str, key: RSAPrivateKey) -> str:
    return base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def is_signature(text: str, given: str, key: RSAPublicKey) -> bool:
    try:
        key.verify(base64.b64decode(given, validate=True), text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
