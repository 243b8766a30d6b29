"""Taking keys out of stock and putting them back. The hot path: each service is one set-based statement.

Candidates are picked with SKIP LOCKED by `position` over the partial index `key_available`; the state is written as a
constant, because under a generic plan a parameter could not use a partial index. When too few rows come, somebody else
may hold rows that they give back, so one bounded blocking retry goes before "out of stock".
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import OperationalError, connection, transaction

from catalog.exceptions import KeysMoved, OutOfStock
from catalog.models import Key, ReusableSecret, Sku
from common.locks import LockOutsideTransaction, lock

RETRY_WAIT = "300ms"

_PICK = """
SELECT id FROM catalog_key WHERE sku_id = %s AND state = 'available'
ORDER BY position LIMIT %s FOR UPDATE {skip}
"""
_RESERVE = (
    """
WITH picked AS ("""
    + _PICK
    + """)
UPDATE catalog_key SET state = 'reserved', line_id = %s FROM picked WHERE catalog_key.id = picked.id
RETURNING catalog_key.id
"""
)
_SELL = (
    """
WITH picked AS ("""
    + _PICK
    + """)
UPDATE catalog_key SET state = 'sold', line_id = %s, sold_at = %s FROM picked WHERE catalog_key.id = picked.id
RETURNING catalog_key.id
"""
)


def reserve_keys(*, sku: Sku, quantity: int, line_id: int) -> list[int]:
    """Reserve exactly `quantity` keys for a line, in the caller's transaction; returns their ids.

    Locks the keys. Raises OutOfStock, leaving the caller to roll back.
    """
    return _claim(_RESERVE, sku, quantity, [line_id])


def sell_keys(*, sku: Sku, quantity: int, line_id: int, at: datetime) -> list[int]:
    """Sell exactly `quantity` keys to a line straight from stock. Locks the keys. Raises OutOfStock."""
    return _claim(_SELL, sku, quantity, [line_id, at])


def sell_available(*, sku: Sku, quantity: int, line_id: int, at: datetime) -> list[int]:
    """Sell up to `quantity` keys to a line that is already paid: what is there, without raising."""
    _require_transaction()
    return _run(_SELL, "SKIP LOCKED", sku, quantity, [line_id, at])


def sell_reserved(*, line_ids: list[int], at: datetime) -> dict[int, int]:
    """Turn the reservations of these lines into sales; returns how many keys by line."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH sold AS (UPDATE catalog_key SET state = 'sold', sold_at = %s"
            " WHERE line_id = ANY(%s) AND state = 'reserved' RETURNING line_id)"
            " SELECT line_id, count(*) FROM sold GROUP BY line_id",
            [at, line_ids],
        )
        return dict(cursor.fetchall())


def release_keys(*, line_ids: list[int]) -> int:
    """Put the reserved keys of these lines back on sale, at their old position; returns how many."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE catalog_key SET state = 'available', line_id = NULL WHERE line_id = ANY(%s) AND state = 'reserved'",
            [line_ids],
        )
        return cursor.rowcount


def replace_keys(*, key_ids: Sequence[int], line_id: int, at: datetime) -> dict[int, int]:
    """Give a line a fresh key of the same SKU for each of these that it holds; returns the fresh one's id by the old one's.

    All or none, in the caller's transaction: the old ones are `replaced` and never sold again. Locks the keys. Raises
    KeysMoved when the line does not hold one of them any more, OutOfStock.
    """
    _require_transaction()
    old = lock(Key.objects.filter(pk__in=key_ids, line_id=line_id, state=Key.State.SOLD).select_related("sku"))
    if len(old) != len(set(key_ids)):
        raise KeysMoved
    by_sku: dict[Sku, list[int]] = {}
    for key in sorted(old, key=lambda key: (key.sku_id, key.pk)):
        by_sku.setdefault(key.sku, []).append(key.pk)
    given: dict[int, int] = {}
    for sku, ids in by_sku.items():
        fresh = _claim(_SELL, sku, len(ids), [line_id, at])
        given |= dict(zip(ids, fresh, strict=True))
    Key.objects.filter(pk__in=given).update(state=Key.State.REPLACED)
    return given


def current_reusable(sku: Sku) -> ReusableSecret | None:
    """The secret that every buyer of this SKU gets now."""
    return ReusableSecret.objects.filter(sku=sku, replaced_at=None).first()


def _claim(statement: str, sku: Sku, quantity: int, values: list) -> list[int]:
    _require_transaction()
    savepoint = transaction.savepoint()
    found = _run(statement, "SKIP LOCKED", sku, quantity, values)
    if len(found) < quantity:
        transaction.savepoint_rollback(savepoint)
        savepoint = transaction.savepoint()
        found = _run_blocking(statement, sku, quantity, values)
    if len(found) < quantity:
        transaction.savepoint_rollback(savepoint)
        raise OutOfStock(available=len(found))
    transaction.savepoint_commit(savepoint)
    return found


def _run(statement: str, skip: str, sku: Sku, quantity: int, values: list) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(skip=skip), [sku.pk, quantity, *values])
        return [row[0] for row in cursor.fetchall()]


def _run_blocking(statement: str, sku: Sku, quantity: int, values: list) -> list[int]:
    """The same pick, waiting a moment for rows in other hands; what it finds when the wait is over."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{RETRY_WAIT}'")
            found = _run(statement, "", sku, quantity, values)
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
            return found
    except OperationalError:
        return _run(statement, "SKIP LOCKED", sku, quantity, values)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("keys are claimed in the transaction that needs them")


def keys_of_lines(line_ids: Collection[int], *, most: int | None = None) -> list[Key]:
    """Sold keys of these lines with their data keys, in a stable order; all of them, or the first `most`."""
    held = Key.objects.filter(line_id__in=line_ids, state=Key.State.SOLD).select_related("data_key")
    return list(held.order_by("line_id", "id")[:most])


def count_by_sku(line_id: int) -> dict[int, int]:
    """How many sold keys a line holds, by SKU id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sku_id, count(*) FROM catalog_key WHERE line_id = %s AND state = 'sold' GROUP BY sku_id", [line_id]
        )
        return dict(cursor.fetchall())
