"""Writing the activity ledger and the sums that follow it. Every function expects the MemberTier to be locked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from django.db import connection

from common.clock import day_of
from membership.models import Activity, ActivitySeen, MemberTier

_DAYS_UP = """
INSERT INTO membership_bucket (member_id, day, metric, category, amount, quantity)
SELECT %s, * FROM unnest(%s::date[], %s::text[], %s::text[], %s::numeric[], %s::integer[])
ON CONFLICT (member_id, day, metric, category) DO UPDATE
SET amount = membership_bucket.amount + EXCLUDED.amount, quantity = membership_bucket.quantity + EXCLUDED.quantity
RETURNING metric, quantity, day
"""
# Taking back is an UPDATE: an INSERT of a negative sum would fail the CHECK before it met the row that it lowers.
_DAYS_DOWN = """
UPDATE membership_bucket AS bucket
SET amount = bucket.amount + change.amount, quantity = bucket.quantity + change.quantity
FROM unnest(%s::date[], %s::text[], %s::text[], %s::numeric[], %s::integer[])
    AS change (day, metric, category, amount, quantity)
WHERE bucket.member_id = %s AND bucket.day = change.day AND bucket.metric = change.metric
    AND bucket.category = change.category
RETURNING bucket.metric, bucket.quantity, bucket.day
"""
_TOTALS_UP = """
INSERT INTO membership_total (member_id, metric, category, amount, quantity)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::integer[])
ON CONFLICT (member_id, metric, category) DO UPDATE
SET amount = membership_total.amount + EXCLUDED.amount, quantity = membership_total.quantity + EXCLUDED.quantity
"""
_TOTALS_DOWN = """
UPDATE membership_total AS total
SET amount = total.amount + change.amount, quantity = total.quantity + change.quantity
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::integer[]) AS change (metric, category, amount, quantity)
WHERE total.member_id = %s AND total.metric = change.metric AND total.category = change.category
"""

Key = tuple
Change = tuple[Decimal, int]


def append(member: MemberTier, rows: Sequence[Activity]) -> list[Activity]:
    """Store the rows whose reference is new and count the valid ones; returns those stored.

    A reference that is known, from whatever time, is ignored.
    """
    fresh_refs = _claim([row.source_ref for row in rows])
    fresh = [row for row in rows if row.source_ref in fresh_refs]
    Activity.objects.bulk_create(fresh)
    _count(member, [row for row in fresh if row.valid])
    return fresh


def _claim(refs: list[str]) -> set[str]:
    if not refs:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ActivitySeen._meta.db_table} (ref) SELECT unnest(%s::text[])"  # noqa: S608 - our own name
            " ON CONFLICT (ref) DO NOTHING RETURNING ref",
            [refs],
        )
        return {row[0] for row in cursor.fetchall()}


def _count(member: MemberTier, rows: Iterable[Activity]) -> None:
    days: dict[Key, Change] = defaultdict(lambda: (Decimal(0), 0))
    for row in rows:
        _add(days, (day_of(row.occurred_at), row.metric, row.category), row.amount, row.quantity)
    left = _apply(_DAYS_UP, _DAYS_DOWN, member, days)
    totals: dict[Key, Change] = defaultdict(lambda: (Decimal(0), 0))
    for (_, metric, category), (amount, quantity) in days.items():
        _add(totals, (metric, category), amount, quantity)
    days_with_orders = _days_gained(days, left)
    if days_with_orders:
        _add(totals, ("buy_days", ""), Decimal(0), days_with_orders)
    _apply(_TOTALS_UP, _TOTALS_DOWN, member, totals)


def _add(sums: dict[Key, Change], key: Key, amount: Decimal, quantity: int) -> None:
    known_amount, known_quantity = sums[key]
    sums[key] = (known_amount + amount, known_quantity + quantity)


def _apply(up: str, down: str, member: MemberTier, sums: dict[Key, Change]) -> dict[tuple[str, date], int]:
    """Add the sums to their rows; returns the quantity that each row of a day now holds, by metric and day."""
    raised = {key: change for key, change in sums.items() if change[0] >= 0 and change[1] >= 0 and any(change)}
    lowered = {key: change for key, change in sums.items() if change[0] < 0 or change[1] < 0}
    found: list[tuple] = []
    with connection.cursor() as cursor:
        if raised:
            cursor.execute(up, [member.pk, *_columns(raised)])
            found += cursor.fetchall() if cursor.description else []
        if lowered:
            cursor.execute(down, [*_columns(lowered), member.pk])
            found += cursor.fetchall() if cursor.description else []
    return {(metric, day): quantity for metric, quantity, day in found}


def _columns(sums: dict[Key, Change]) -> list[list]:
    return [list(column) for column in zip(*[(*key, *change) for key, change in sums.items()], strict=True)]


def _days_gained(days: dict[Key, Change], left: dict[tuple[str, date], int]) -> int:
    """How many days got their first order, less those that lost their last."""
    gained = 0
    for (day, metric, _), (_, change) in days.items():
        if metric == "orders" and change:
            now = left[metric, day]
            gained += int(now > 0) - int(now - change > 0)
    return gained
