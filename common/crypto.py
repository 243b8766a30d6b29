"""Envelope encryption: secrets are sealed under data keys, data keys are wrapped by a master key kept outside the database.

AES-256-GCM throughout. `KEY_RING` is "name:base64 of 32 bytes,…"; the first wraps, all unwrap, so that a master key can
be replaced while the old one still reads. Fingerprints are HMAC-SHA-256 under a key of their own.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from common.strength import key_weakness

NONCE_BYTES = 12
KEY_BYTES = 32
DEVELOPMENT_RING = "development:" + base64.b64encode(b"kameng-development-master-key-32").decode()


class DecryptionFailed(Exception):
    """The ciphertext, its associated data or the key does not fit. Says nothing about the content."""


@lru_cache(maxsize=4)
def _parse_ring(text: str) -> dict[str, bytes]:
    ring: dict[str, bytes] = {}
    parts = filter(None, (part.strip() for part in text.split(",")))
    for number, part in enumerate(parts, start=1):
        name, _, encoded = part.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not name or len(key) != KEY_BYTES:
            # Shows nothing of the part itself: with its name forgotten, the part is the key.
            raise ImproperlyConfigured(
                f"KEY_RING: part {number} must be a name, a colon and {KEY_BYTES} bytes in base64"
            )
        if name in ring or key in ring.values():
            raise ImproperlyConfigured(f"KEY_RING: part {number} repeats a name or a key")
        ring[name] = key
    return ring


def master_keys() -> dict[str, bytes]:
    """Name → key, the wrapping one first. Raises ImproperlyConfigured where the ring is missing or, in production, a known one."""
    text = settings.KEY_RING or ("" if settings.PRODUCTION else DEVELOPMENT_RING)
    ring = _parse_ring(text)
    if not ring:
        raise ImproperlyConfigured("KEY_RING must hold at least one master key")
    if settings.PRODUCTION:
        _refuse_weak(text)
    return ring


@lru_cache(maxsize=4)
def _refuse_weak(text: str) -> None:
    """Raises ImproperlyConfigured for a master key that others know or could guess."""
    for number, key in enumerate(_parse_ring(text).values(), start=1):
        if key in _parse_ring(DEVELOPMENT_RING).values():
            raise ImproperlyConfigured("KEY_RING holds the development key: make one of your own")
        if fault := key_weakness(key):
            raise ImproperlyConfigured(f"KEY_RING: key {number} {fault}; make one of your own")


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """nonce ‖ ciphertext ‖ tag. The associated data is not stored: whoever opens must know it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The plaintext. Raises DecryptionFailed."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError) as error:
        raise DecryptionFailed("cannot decrypt") from error


def wrap_new_data_key(label: str) -> tuple[str, bytes]:
    """A fresh data key, wrapped: (master key's name, wrapped bytes). `label` binds it to its row."""
    name, master = next(iter(master_keys().items()))
    return name, seal(master, secrets.token_bytes(KEY_BYTES), label.encode())


def unwrap_data_key(master_name: str, wrapped: bytes, label: str) -> bytes:
    """The data key. Raises DecryptionFailed, also when the ring no longer holds the master key."""
    master = master_keys().get(master_name)
    if master is None:
        raise DecryptionFailed(f"the key ring has no master key named {master_name!r}")
    return unseal(master, wrapped, label.encode())


def wrapping_name() -> str:
    """The name of the master key that wraps what is new."""
    return next(iter(master_keys()))


def rewrap_data_key(master_name: str, wrapped: bytes, label: str) -> tuple[str, bytes]:
    """The same data key under the wrapping master key: (its name, wrapped bytes). Raises DecryptionFailed."""
    plain = unwrap_data_key(master_name, wrapped, label)
    name, master = next(iter(master_keys().items()))
    return name, seal(master, plain, label.encode())


def fingerprint(text: str, scope: str) -> bytes:
    """32 bytes that tell equal texts within one scope, and tell nothing else without the fingerprint key."""
    return hmac.new(settings.FINGERPRINT_KEY.encode(), f"{scope}\0{text}".encode(), hashlib.sha256).digest()


def seal_settings(values: dict, label: str) -> str:
    """A small dictionary of credentials, sealed under a data key of its own, as text for one column."""
    master_name, wrapped = wrap_new_data_key(label)
    data_key = unwrap_data_key(master_name, wrapped, label)
    sealed = seal(data_key, json.dumps(values).encode(), label.encode())
    return ".".join([master_name, base64.b64encode(wrapped).decode(), base64.b64encode(sealed).decode()])


def rewrap_settings(text: str, label: str) -> str:
    """What `seal_settings` made, with its data key under the wrapping master key. Raises DecryptionFailed."""
    try:
        master_name, wrapped, sealed = text.rsplit(".", 2)
        name, again = rewrap_data_key(master_name, base64.b64decode(wrapped), label)
    except ValueError as error:
        raise DecryptionFailed("cannot read") from error
    return ".".join([name, base64.b64encode(again).decode(), sealed])


def unseal_settings(text: str, label: str) -> dict:
    """The dictionary that `seal_settings` took; {} for an empty text. Raises DecryptionFailed."""
    if not text:
        return {}
    try:
        master_name, wrapped, sealed = text.rsplit(".", 2)
        data_key = unwrap_data_key(master_name, base64.b64decode(wrapped), label)
        return json.loads(unseal(data_key, base64.b64decode(sealed), label.encode()))
    except ValueError as error:
        raise DecryptionFailed("cannot read") from error
