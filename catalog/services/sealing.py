"""Sealing and opening what is sold. The associated data binds a ciphertext to its row."""

import uuid
from datetime import datetime
from functools import lru_cache

from catalog.models import DataKey, Key, ReusableSecret
from common import crypto
from common.wrapped import WrappedKey, register

KEY_TABLE = "catalog_key"
REUSABLE_TABLE = "catalog_reusablesecret"


def new_data_key(*, at: datetime) -> DataKey:
    """A fresh data key, wrapped and saved."""
    label = uuid.uuid4().hex
    master_name, wrapped = crypto.wrap_new_data_key(label)
    return DataKey.objects.create(label=label, master_name=master_name, wrapped=wrapped, created_at=at)


@lru_cache(maxsize=512)
def _plain_key(master_name: str, wrapped: bytes, label: str) -> bytes:
    return crypto.unwrap_data_key(master_name, wrapped, label)


def plain_data_key(data_key: DataKey) -> bytes:
    """The 32 bytes behind a data key; unwrapped once per process. Raises DecryptionFailed."""
    return _plain_key(data_key.master_name, bytes(data_key.wrapped), data_key.label)


def associated_data(table: str, row_id: int, seller_id: int | None, data_key_id: int) -> bytes:
    return f"{table}:{row_id}:{seller_id or 0}:{data_key_id}".encode()


def fingerprint(normal: str, *, product_id: int) -> bytes:
    """What tells equal keys of one product: the HMAC of a key's normal form (see catalog.keyfiles.normal)."""
    return crypto.fingerprint(normal, f"product:{product_id}")


def seal_key(text: str, *, key_id: int, seller_id: int | None, data_key: DataKey) -> bytes:
    """The ciphertext of a key whose id is already known."""
    return crypto.seal(
        plain_data_key(data_key), text.encode(), associated_data(KEY_TABLE, key_id, seller_id, data_key.pk)
    )


def open_key(key: Key) -> str:
    """The key itself. `key.data_key` should be selected with it. Raises DecryptionFailed when the row was tampered with."""
    bound = associated_data(KEY_TABLE, key.pk, key.seller_id, key.data_key_id)
    return crypto.unseal(plain_data_key(key.data_key), bytes(key.ciphertext), bound).decode()


def seal_reusable(text: str, *, secret_id: int, data_key: DataKey) -> bytes:
    return crypto.seal(
        plain_data_key(data_key), text.encode(), associated_data(REUSABLE_TABLE, secret_id, None, data_key.pk)
    )


def open_reusable(secret: ReusableSecret) -> str:
    bound = associated_data(REUSABLE_TABLE, secret.pk, None, secret.data_key_id)
    return crypto.unseal(plain_data_key(secret.data_key), bytes(secret.ciphertext), bound).decode()


register(
    WrappedKey(
        model=DataKey,
        column="wrapped",
        label=lambda data_key: data_key.label,
        sealed_by=("catalog.services.sealing",),
    )
)
