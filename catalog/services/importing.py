"""Key imports: a file is received, checked, confirmed and imported in chunks; a killed import goes on where it stopped.

Each chunk is one transaction that inserts keys and moves `rows_done`, so a key is in stock exactly when its row is
counted. The unique fingerprint makes every repetition harmless, of a chunk as well as of a whole file.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO

from django.db import connection, transaction

from accounts.models import User
from audit.services import record
from catalog import keyfiles
from catalog.exceptions import BatchMoved, NotKeyGoods
from catalog.keyfiles import FileError, KeyRow, Layout
from catalog.models import KeyBatch, Product, Sku
from catalog.services.checking import check_rows
from catalog.services.figures import refresh_figures
from catalog.services.key_files import digest_of, forget_file, open_file, store_file
from catalog.services.keys import sale_position
from catalog.services.sealing import fingerprint, new_data_key, seal_key
from common import clock
from common.crypto import DecryptionFailed
from common.locks import lock_one
from common.queue import send
from events.contracts import StockArrived
from events.services import emit

State = KeyBatch.State
Progress = Callable[[int, int], None]

CHUNK = 2_000
# An import that has not moved for so long has lost its worker.
STALLED_AFTER = timedelta(minutes=2)
# A checked file that nobody confirms is forgotten.
UNCONFIRMED_FOR = timedelta(days=3)
CHECK_TASK = "catalog.tasks.check_key_batch"
IMPORT_TASK = "catalog.tasks.import_key_batch"

_INSERT = """
INSERT INTO catalog_key
    (id, sku_id, product_id, batch_id, data_key_id, seller_id, state, position, ciphertext, fingerprint, preview)
SELECT row.id, %s, %s, %s, %s, %s, 'available', row.position, row.ciphertext, row.fingerprint, row.preview
FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[], %s::text[])
    AS row (id, position, ciphertext, fingerprint, preview)
ORDER BY row.fingerprint, row.id
ON CONFLICT (product_id, fingerprint) DO NOTHING
"""


def receive_file(
    *,
    sku: Sku,
    file: BinaryIO,
    filename: str,
    actor: User | None = None,
    sheet: str = "",
    columns: tuple[int, ...] | None = None,
    note: str = "",
) -> KeyBatch:
    """Take in a key file for a SKU, to be checked next. `columns` are 0-based.

    Raises FileError for what cannot be read at all, NotKeyGoods for a SKU whose goods are not keys.
    """
    if sku.product.kind != Product.Kind.KEY:
        raise NotKeyGoods
    layout = keyfiles.inspect(file, filename, sheet_title=sheet, chosen=columns)
    with transaction.atomic():
        at = clock.now()
        batch = KeyBatch.objects.create(
            sku=sku,
            seller_id=sku.product.seller_id,
            data_key=new_data_key(at=at),
            filename=filename[-200:],
            layout=layout.as_json(),
            note=note,
            created_by_id=actor.pk if actor else None,
            created_at=at,
            progress_at=at,
        )
        batch.digest = store_file(batch=batch, file=file)
        batch.save(update_fields=["digest"])
        record(action="keys.receive", at=at, actor=actor, target=batch, detail={"sku": sku.code, "file": filename})
    return batch


def hand_to_worker(*, batch: KeyBatch) -> None:
    """Have a worker do the next step of a batch, after the current transaction; a lost task is found by the sweep."""
    task = {State.CHECKING: CHECK_TASK, State.IMPORTING: IMPORT_TASK}[batch.state]
    transaction.on_commit(lambda: send(task, batch.pk))


def unfinished_batch(*, sku: Sku, file: BinaryIO) -> KeyBatch | None:
    """An import of the very same file into this SKU that was started and not finished."""
    return KeyBatch.objects.filter(
        sku=sku, digest=digest_of(file), state__in=[State.CHECKING, State.READY, State.IMPORTING]
    ).first()


def check_batch(*, batch_id: int) -> KeyBatch:
    """Read a received file and note what importing it would do: rows, errors, duplicates, the first previews.

    Moves the batch to READY, or to FAILED where the file turns out unreadable. Does nothing to one that was checked.
    """
    batch = _batch(batch_id)
    if batch.state != State.CHECKING:
        return batch
    with transaction.atomic():
        at = clock.now()
        try:
            report, state = (
                check_rows(batch, keyfiles.read_rows(open_file(batch), Layout.from_json(batch.layout))),
                State.READY,
            )
        except (FileError, DecryptionFailed) as error:
            report, state = _failure(error), State.FAILED
        moved = KeyBatch.objects.filter(pk=batch_id, state=State.CHECKING).update(
            state=state,
            report=report,
            rows_total=report.get("rows", 0),
            errors=report.get("errors", 0),
            duplicates=report.get("file_duplicates", 0) + report.get("stock_duplicates", 0),
            progress_at=at,
        )
        if moved and state == State.FAILED:
            forget_file(batch)
    return _batch(batch_id)


def confirm_batch(*, batch_id: int, actor: User | None = None) -> KeyBatch:
    """Let a checked batch be imported. Locks the batch. Raises BatchMoved when it is not waiting for that."""
    with transaction.atomic():
        at = clock.now()
        batch = lock_one(KeyBatch.objects.filter(pk=batch_id))
        if batch.state != State.READY:
            raise BatchMoved
        KeyBatch.objects.filter(pk=batch_id).update(
            state=State.IMPORTING, rows_done=0, imported=0, duplicates=0, errors=0, progress_at=at
        )
        record(action="keys.import", at=at, actor=actor, target=batch, detail={"rows": {"total": batch.rows_total}})
    return _batch(batch_id)


def cancel_batch(*, batch_id: int, actor: User | None = None) -> KeyBatch:
    """Drop a batch that was not imported yet, with its file. Locks the batch. Raises BatchMoved."""
    with transaction.atomic():
        at = clock.now()
        batch = lock_one(KeyBatch.objects.filter(pk=batch_id))
        if batch.state not in {State.CHECKING, State.READY}:
            raise BatchMoved
        KeyBatch.objects.filter(pk=batch_id).update(state=State.CANCELLED, finished_at=at)
        forget_file(batch)
        record(action="keys.cancel", at=at, actor=actor, target=batch)
    return _batch(batch_id)


def import_batch(*, batch_id: int, progress: Progress | None = None) -> KeyBatch:
    """Import a confirmed batch, from where an earlier attempt stopped. Several workers at once do no harm.

    Locks the batch for each chunk. `progress` is told (rows done, of how many).
    """
    batch = _batch(batch_id)
    if batch.state != State.IMPORTING:
        return batch
    try:
        for start, rows in _chunks(batch):
            done = _import_chunk(batch, start, rows)
            if done is None:
                return _batch(batch_id)
            if progress is not None:
                progress(done, batch.rows_total)
    except (FileError, DecryptionFailed) as error:
        return _finish(batch, State.FAILED, _failure(error))
    return _finish(batch, State.DONE, batch.report)


def _chunks(batch: KeyBatch) -> Iterator[tuple[int, list[KeyRow]]]:
    """(number of rows before, rows) for every chunk that is left."""
    rows = keyfiles.read_rows(open_file(batch), Layout.from_json(batch.layout))
    start = batch.rows_done
    rows = itertools.islice(rows, start, None)
    while chunk := list(itertools.islice(rows, CHUNK)):
        yield start, chunk
        start += len(chunk)


def _import_chunk(batch: KeyBatch, start: int, rows: Sequence[KeyRow]) -> int | None:
    """Import the rows that nobody else has imported meanwhile; the rows done then, None when the batch moved on."""
    with transaction.atomic():
        at = clock.now()
        locked = lock_one(KeyBatch.objects.filter(pk=batch.pk))
        if locked.state != State.IMPORTING:
            return None
        rows = rows[max(0, locked.rows_done - start) :]
        good = [row for row in rows if not row.error]
        imported = _insert(batch, good)
        locked.rows_done += len(rows)
        locked.imported += imported
        locked.duplicates += len(good) - imported
        locked.errors += len(rows) - len(good)
        locked.progress_at = at
        locked.save(update_fields=["rows_done", "imported", "duplicates", "errors", "progress_at"])
        return locked.rows_done


def _insert(batch: KeyBatch, rows: Sequence[KeyRow]) -> int:
    """Seal and store keys; returns how many were new. Ids come first, because each ciphertext is bound to its id.

    Inserting in the order of fingerprints keeps two imports of the same keys from waiting for each other in a circle.
    """
    sku = batch.sku
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('catalog_key', 'id')) FROM generate_series(1, %s)", [len(rows)]
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            _INSERT,
            [
                sku.pk,
                sku.product_id,
                batch.pk,
                batch.data_key_id,
                batch.seller_id,
                ids,
                [sale_position(sku.sale_order, key_id) for key_id in ids],
                [
                    seal_key(row.text, key_id=key_id, seller_id=batch.seller_id, data_key=batch.data_key)
                    for key_id, row in zip(ids, rows, strict=True)
                ],
                [fingerprint(row.normal, product_id=sku.product_id) for row in rows],
                [row.preview for row in rows],
            ],
        )
        return cursor.rowcount


def _finish(batch: KeyBatch, state: str, report: dict) -> KeyBatch:
    with transaction.atomic():
        at = clock.now()
        locked = lock_one(KeyBatch.objects.filter(pk=batch.pk))
        if locked.state != State.IMPORTING:
            return locked
        KeyBatch.objects.filter(pk=batch.pk).update(state=state, report=report, finished_at=at, progress_at=at)
        forget_file(batch)
        detail = {"rows": {name: getattr(locked, name) for name in ("imported", "duplicates", "errors")}}
        record(action=f"keys.{state}", at=at, target=locked, detail=detail)
        if locked.imported:
            emit(StockArrived(sku_id=locked.sku_id, added=locked.imported, arrived_at=at), at=at)
        refresh_figures(sku_ids=[locked.sku_id])
    return _batch(batch.pk)


def add_keys(*, sku: Sku, texts: Sequence[str], note: str, actor: User | None, at: datetime) -> KeyBatch:
    """Put keys that the shop made itself on the shelf, as a batch of their own, in the caller's transaction.

    Raises NotKeyGoods for a SKU whose goods are not keys.
    """
    if sku.product.kind != Product.Kind.KEY:
        raise NotKeyGoods
    batch = KeyBatch.objects.create(
        sku=sku,
        seller_id=sku.product.seller_id,
        data_key=new_data_key(at=at),
        state=State.DONE,
        rows_total=len(texts),
        rows_done=len(texts),
        note=note[:200],
        created_by_id=actor.pk if actor else None,
        created_at=at,
        progress_at=at,
        finished_at=at,
    )
    rows = [keyfiles.make_row(number, text) for number, text in enumerate(texts, 1)]
    for start in range(0, len(rows), CHUNK):
        batch.imported += _insert(batch, rows[start : start + CHUNK])
    batch.duplicates = len(rows) - batch.imported
    batch.save(update_fields=["imported", "duplicates"])
    emit(StockArrived(sku_id=sku.pk, added=batch.imported, arrived_at=at), at=at)
    refresh_figures(sku_ids=[sku.pk])
    return batch


def resume_stalled() -> int:
    """Queue checks and imports again whose worker was lost; returns how many."""
    stalled = KeyBatch.objects.filter(progress_at__lt=clock.now() - STALLED_AFTER)
    tasks = [(CHECK_TASK, pk) for pk in stalled.filter(state=State.CHECKING).values_list("pk", flat=True)]
    tasks += [(IMPORT_TASK, pk) for pk in stalled.filter(state=State.IMPORTING).values_list("pk", flat=True)]
    for task, pk in tasks:
        send(task, pk)
    return len(tasks)


def drop_unconfirmed() -> int:
    """Cancel checked batches that nobody confirmed for days, so that their files go; returns how many."""
    old = KeyBatch.objects.filter(state=State.READY, progress_at__lt=clock.now() - UNCONFIRMED_FOR)
    dropped = 0
    for pk in list(old.values_list("pk", flat=True)):
        try:
            cancel_batch(batch_id=pk)
            dropped += 1
        except BatchMoved:
            continue
    return dropped


def _batch(batch_id: int) -> KeyBatch:
    return KeyBatch.objects.select_related("sku__product", "data_key").get(pk=batch_id)


def _failure(error: Exception) -> dict:
    if isinstance(error, FileError):
        return {"error": {"code": error.code, "params": error.params}}
    return {"error": {"code": "unreadable", "params": {}}}
