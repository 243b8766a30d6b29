"""RSA with SHA-256 and PKCS#1 v1.5 padding, as 易支付 V2, Alipay and WeChat Pay sign.

Keys are text as gateways hand them out: PEM, or bare base64 of DER without any lines around it (PKCS#8 or PKCS#1 for a
private one, SubjectPublicKeyInfo, PKCS#1 or a certificate for a public one).
"""

import base64
import binascii
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

# Shorter keys are forged by whoever wants to.
MIN_BITS = 2048
# Loading checks the primes, which takes longer than signing. Keyed by the text: a changed key is another entry.
_KEPT = 32


class BadKey(ValueError):
    """The text is no RSA key that can be used. Says nothing of what it holds."""


@lru_cache(maxsize=_KEPT)
def private_key(text: str, *, min_bits: int = MIN_BITS) -> rsa.RSAPrivateKey:
    """Raises BadKey."""
    try:
        key = serialization.load_pem_private_key(text.strip().encode(), None) if _is_pem(text) else _from_bare(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("not a private key") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < min_bits:
        raise BadKey("not an RSA key, or too short")
    return key


def _from_bare(text: str) -> object:
    try:
        return serialization.load_der_private_key(_der(text), None)
    except ValueError:
        # PKCS#1 is read from PEM only.
        lines = (
            f"-----BEGIN RSA PRIVATE KEY-----\n{base64.b64encode(_der(text)).decode()}\n-----END RSA PRIVATE KEY-----"
        )
        return serialization.load_pem_private_key(lines.encode(), None)


@lru_cache(maxsize=_KEPT)
def public_key(text: str, *, min_bits: int = MIN_BITS) -> rsa.RSAPublicKey:
    """The key itself, or that of a certificate. Raises BadKey."""
    try:
        key = _public(text.strip())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey("not a public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < min_bits:
        raise BadKey("not an RSA key, or too short")
    return key


def _public(text: str) -> object:
    if "BEGIN CERTIFICATE" in text:
        return load_pem_x509_certificate(text.encode()).public_key()
    if _is_pem(text):
        return serialization.load_pem_public_key(text.encode())
    try:
        return serialization.load_der_public_key(_der(text))
    except ValueError:
        return load_der_x509_certificate(_der(text)).public_key()


def _is_pem(text: str) -> bool:
    return "-----BEGIN" in text


def _der(text: str) -> bytes:
    """Raises ValueError."""
    return base64.b64decode("".join(text.split()), validate=True)


def sign(message: bytes, key: rsa.RSAPrivateKey) -> str:
    """The signature in base64."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(message: bytes, signature: str, key: rsa.RSAPublicKey) -> bool:
    """Whether `signature` (base64) is that of the key's owner; False for what is no base64."""
    try:
        key.verify(base64.b64decode(signature, validate=True), message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
