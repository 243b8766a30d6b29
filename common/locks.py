"""Row locks. The order in which rooms take them is written in docs/locking.md. And locks of a session, for work that only
one process may do at a time, however many transactions it takes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, connections, models
from django.db.models import QuerySet

M = TypeVar("M", bound=models.Model)


class LockOutsideTransaction(RuntimeError):
    """A lock taken outside a transaction ends at once and protects nothing."""


def lock(queryset: QuerySet[M]) -> list[M]:
    """Lock the rows (`FOR UPDATE`, own table only) in primary-key order and return them, read afresh.

    Evaluates at once: an aggregate over `select_for_update()` would silently take no lock.
    """
    _require_transaction(queryset.db, queryset.model)
    return list(queryset.order_by("pk").select_for_update(of=("self",)))


def lock_one(queryset: QuerySet[M]) -> M:
    """Like `lock`, for exactly one row. Raises the model's DoesNotExist or MultipleObjectsReturned."""
    rows = lock(queryset)
    if not rows:
        raise queryset.model.DoesNotExist
    if len(rows) > 1:
        raise queryset.model.MultipleObjectsReturned
    return rows[0]


def lock_by_statement(model: type[M], statement: str, params: Sequence[Any]) -> list[M]:
    """Like `lock`, for paths where building a query costs more than running it: the statement ends in FOR UPDATE."""
    found = model._default_manager.raw(statement, params)
    _require_transaction(found.db, model)
    return list(found)


def lock_name(name: str) -> None:
    """Wait for the advisory lock of this name and hold it until the transaction ends: for what has no row to lock yet."""
    if not connection.in_atomic_block:
        raise LockOutsideTransaction(f"the lock {name} needs a transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _require_transaction(database: str, model: type[models.Model]) -> None:
    if not connections[database].in_atomic_block:
        raise LockOutsideTransaction(f"lock() on {model.__name__} needs a transaction")


@contextmanager
def session_lock(name: int, key: int) -> Iterator[bool]:
    """Hold an advisory lock within the block if it is free; yields whether it is ours. Never waits.

    `name` is a number that nobody else uses, `key` says which of several; both fit 32 bits. A process that dies gives it
    back with its connection.
    """
    key &= 0x7FFFFFFF
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [name, key])
        mine = cursor.fetchone()[0]
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [name, key])


def is_held(name: int, key: int) -> bool:
    """Whether some session holds the lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s
AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))""",
            [name, key & 0x7FFFFFFF],
        )
        return cursor.fetchone()[0]
