"""Row locks. The order in which rooms take them is written in docs/locking.md."""

from typing import TypeVar

from django.db import connections, models
from django.db.models import QuerySet

M = TypeVar("M", bound=models.Model)


class LockOutsideTransaction(RuntimeError):
    """A lock taken outside a transaction ends at once and protects nothing."""


def lock(queryset: QuerySet[M]) -> list[M]:
    """Lock the rows (`FOR UPDATE`, own table only) in primary-key order and return them, read afresh.

    Evaluates at once: an aggregate over `select_for_update()` would silently take no lock.
    """
    if not connections[queryset.db].in_atomic_block:
        raise LockOutsideTransaction(f"lock() on {queryset.model.__name__} needs a transaction")
    return list(queryset.order_by("pk").select_for_update(of=("self",)))


def lock_one(queryset: QuerySet[M]) -> M:
    """Like `lock`, for exactly one row. Raises the model's DoesNotExist or MultipleObjectsReturned."""
    rows = lock(queryset)
    if not rows:
        raise queryset.model.DoesNotExist
    if len(rows) > 1:
        raise queryset.model.MultipleObjectsReturned
    return rows[0]
