"""Uploaded key files at rest: sealed pieces in the database, so that every worker can read them and no disk has them."""

import hashlib
import io
from collections.abc import Iterable
from functools import lru_cache
from typing import BinaryIO

from catalog.keyfiles import MAX_FILE_BYTES, FileError
from catalog.models import KeyBatch, KeyFilePart
from catalog.services.sealing import plain_data_key
from common import crypto

PART_TABLE = "catalog_keyfilepart"
PART_BYTES = 512 * 1024


def store_file(*, batch: KeyBatch, file: BinaryIO) -> str:
    """Seal the file under the batch's data key, in the caller's transaction; returns its SHA-256 in hex.

    Raises FileError when it is too large.
    """
    digest, number, total = hashlib.sha256(), 0, 0
    file.seek(0)
    while piece := file.read(PART_BYTES):
        total += len(piece)
        if total > MAX_FILE_BYTES:
            raise FileError("too_large", limit=MAX_FILE_BYTES // 1024 // 1024)
        digest.update(piece)
        sealed = crypto.seal(plain_data_key(batch.data_key), piece, _bound(batch.pk, number))
        KeyFilePart.objects.create(batch=batch, number=number, size=len(piece), sealed=sealed)
        number += 1
    return digest.hexdigest()


def digest_of(file: BinaryIO) -> str:
    """The SHA-256 of a file in hex, as `store_file` returns it."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


def open_file(batch: KeyBatch) -> BinaryIO:
    """The file of a batch for reading and seeking; holds a few pieces in memory at a time."""
    sizes = batch.parts.order_by("number").values_list("size", flat=True)
    return io.BufferedReader(_SealedReader(batch, sizes), PART_BYTES)


def forget_file(batch: KeyBatch) -> None:
    KeyFilePart.objects.filter(batch=batch).delete()


def _bound(batch_id: int, number: int) -> bytes:
    return f"{PART_TABLE}:{batch_id}:{number}".encode()


class _SealedReader(io.RawIOBase):
    def __init__(self, batch: KeyBatch, sizes: Iterable[int]) -> None:
        self._batch = batch
        self._size = sum(sizes)
        self._position = 0
        self._part = lru_cache(maxsize=3)(self._read_part)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._position = start + offset
        return self._position

    def readinto(self, buffer) -> int:
        if self._position >= self._size:
            return 0
        number, offset = divmod(self._position, PART_BYTES)
        piece = self._part(number)[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _read_part(self, number: int) -> bytes:
        part = KeyFilePart.objects.get(batch=self._batch, number=number)
        return crypto.unseal(plain_data_key(self._batch.data_key), bytes(part.sealed), _bound(self._batch.pk, number))
