"""Writing the activity ledger and the sums that follow it. Every function expects the MemberTier to be locked.

The sums of a day follow from the day's facts by the engine's tally; what moved is written, once for the days and once
for the totals.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from common.clock import day_of
from common.sql import Statement, fetch, rows_of, run
from membership.engine.book import BUY_DAYS, STATES, Sum
from membership.engine.facts import History
from membership.engine.tally import CAPPED, DaySums, Tally, reach
from membership.engine.versions import Timeline
from membership.models import Activity, MemberTier
from membership.selectors.books import first_counted_day, latest_state, load_day, load_sums
from membership.selectors.rules import published_versions

# Rows whose reference nobody has used. Both at once: what is not new is not written.
_STORE = """
WITH fresh AS (
    INSERT INTO membership_activityseen (ref) VALUES {refs} ON CONFLICT (ref) DO NOTHING RETURNING ref
)
INSERT INTO membership_activity ({columns})
SELECT fact.* FROM (VALUES {facts}) AS fact ({columns}) JOIN fresh ON fresh.ref = fact.source_ref
RETURNING source_ref
"""
_FACT = {
    "source_ref": "text", "member_id": "bigint", "metric": "text", "subject": "text", "occurred_at": "timestamptz",
    "recorded_at": "timestamptz", "amount": "numeric", "quantity": "integer", "value": "smallint", "category": "text",
    "reverses": "text", "valid": "boolean", "invalid_reason": "text",
}  # fmt: skip
_DAYS = """
INSERT INTO membership_bucket (member_id, metric, day, category, amount, quantity, earned)
VALUES {rows}
ON CONFLICT (member_id, day, metric, category) DO UPDATE
SET amount = EXCLUDED.amount, quantity = EXCLUDED.quantity, earned = EXCLUDED.earned
"""
_TOTALS = """
INSERT INTO membership_total AS total (member_id, metric, category, amount, quantity, first_day)
VALUES {rows}
ON CONFLICT (member_id, metric, category) DO UPDATE
SET amount = total.amount + EXCLUDED.amount, quantity = total.quantity + EXCLUDED.quantity,
    first_day = least(total.first_day, EXCLUDED.first_day)
"""
# Taking back is an UPDATE: an INSERT of a negative sum would fail the CHECK before it met the row that it lowers.
_TOTALS_DOWN = """
UPDATE membership_total AS total
SET amount = total.amount + change.amount, quantity = total.quantity + change.quantity, first_day = change.first_day
FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::bigint[], %s::date[])
    AS change (metric, category, amount, quantity, first_day)
WHERE total.member_id = %s AND total.metric = change.metric AND total.category = change.category
"""
_STATE = """
INSERT INTO membership_total (member_id, metric, category, amount, quantity) VALUES (%s, %s, '', %s, %s)
ON CONFLICT (member_id, metric, category) DO UPDATE SET amount = EXCLUDED.amount, quantity = EXCLUDED.quantity
"""

Key = tuple[str, str]


def append(member: MemberTier, rows: Sequence[Activity], timeline: Timeline | None = None) -> list[Activity]:
    """Store the rows whose reference is new and bring the sums in line; returns those stored.

    A reference that is known, from whatever time, is ignored.
    """
    fresh = store(rows)
    if fresh:
        versions = timeline or Timeline(published_versions(member.program_id))
        settle(member, touched_days(member, fresh), versions)
    return fresh


def store(rows: Sequence[Activity]) -> list[Activity]:
    """Store the rows whose reference is new, and nothing else; returns them."""
    if not rows:
        return []
    once: dict[str, Activity] = {}
    for row in rows:
        once.setdefault(row.source_ref, row)
    statement = _STORE.format(
        refs=rows_of(len(once), "%s"),
        columns=", ".join(_FACT),
        facts=rows_of(len(once), ", ".join(f"%s::{kind}" for kind in _FACT.values())),
    )
    stored = {
        ref for (ref,) in fetch(statement, [*once, *(getattr(row, name) for row in once.values() for name in _FACT)])
    }
    return [row for ref, row in once.items() if ref in stored]


def touched_days(member: MemberTier, rows: Iterable[Activity]) -> set[date]:
    """The days whose sums the rows change: their own, and of reversals the days of what they take back in the end.

    A reversal that came before its fact is dated otherwise than the fact, so that whoever takes it back has to look further.
    """
    rows = list(rows)
    days = {day_of(row.occurred_at) for row in rows if not row.reverses}
    back = {row.reverses for row in rows if row.reverses}
    passed: set[str] = set()
    while back:
        passed |= back
        targets = Activity.objects.filter(member=member, source_ref__in=back).values_list("occurred_at", "reverses")
        days |= {day_of(at) for at, _ in targets}
        back = {reverses for _, reverses in targets if reverses} - passed
    return days


def settle(member: MemberTier, days: Iterable[date], timeline: Timeline) -> None:
    """Bring the sums of some days, and what caps and bundles make of them, in line with the ledger."""
    for day in sorted(days):
        first, last = reach(timeline.rules_on(day), day)
        sums = load_sums([member.pk], first=first, last=last)[member.pk]
        tally = Tally(timeline.rules_on, sums.book, sums.earned)
        settle_day(member, day, tally)


def settle_day(member: MemberTier, day: date, tally: Tally) -> History:
    """The same for one day and a tally whose book and earnings hold the days around it; returns the day's facts."""
    history = count_day(member, day, tally)
    write(member, tally)
    return history


def count_day(member: MemberTier, day: date, tally: Tally) -> History:
    """The same without storing it: `write` or `writing` has yet to come."""
    history = load_day(member.pk, day)
    tally.put_day(day, DaySums.of(net for _, group in history.moments() for net in group))
    return history


def write(member: MemberTier, tally: Tally) -> None:
    """Store the sums that a tally moved."""
    if not tally.changed:
        return
    run(*_day_rows(member, tally))
    _write_totals(member, tally)
    tally.changed.clear()


def writing(member: MemberTier, tally: Tally) -> list[Statement]:
    """As statements that may run together what stores the sums that a tally moved.

    None where they do not merely grow: then they are stored already, because what is left is read from what was stored.
    """
    changes = _changes(tally)
    if (
        not tally.changed
        or any(one.emptied for one in changes.values())
        or any(cell[0] in STATES for cell in tally.changed)
    ):
        write(member, tally)
        return []
    statements = [_day_rows(member, tally), _rows_of(_TOTALS, _raised(member, changes))]
    tally.changed.clear()
    return statements


def _day_rows(member: MemberTier, tally: Tally) -> Statement:
    return _rows_of(
        _DAYS,
        [
            (
                member.pk,
                metric,
                day,
                category,
                *tally.book.get(metric, day, category),
                _earned(tally, metric, day, category),
            )
            for metric, day, category in tally.changed
        ],
    )


def _earned(tally: Tally, metric: str, day: date, category: str) -> int:
    return tally.earned.get(metric, {}).get(day, 0) if metric in CAPPED and not category else 0


def _write_totals(member: MemberTier, tally: Tally) -> None:
    changes = _changes(tally)
    up = _raised(member, changes)
    down = [(*key, *change.sums, _first_left(member, *key)) for key, change in changes.items() if change.emptied]
    if up:
        run(*_rows_of(_TOTALS, up))
    if down:
        run(_TOTALS_DOWN, [*_columns(down), member.pk])
    for metric in {metric for metric, _, _ in tally.changed if metric in STATES}:
        run(_STATE, [member.pk, metric, *latest_state(member.pk, metric)])


def _changes(tally: Tally) -> dict[Key, "_Change"]:
    """How the totals move with the days."""
    changes: dict[Key, _Change] = defaultdict(_Change)
    for (metric, day, category), before in tally.changed.items():
        if metric not in STATES:
            now = tally.book.get(metric, day, category)
            changes[metric, category].add(day, before, now)
            if metric == "orders":
                days = Sum(Decimal(0), int(before.quantity > 0)), Sum(Decimal(0), int(now.quantity > 0))
                changes[BUY_DAYS, ""].add(day, *days)
    return changes


def _raised(member: MemberTier, changes: Mapping[Key, "_Change"]) -> list[tuple]:
    return [
        (member.pk, *key, *change.sums, change.first if key[0] != BUY_DAYS else None)
        for key, change in changes.items()
        if not change.emptied
    ]


@dataclass
class _Change:
    """How a total moves: by how much, from what day on at the latest, and whether any day holds less than before."""

    amount: Decimal = Decimal(0)
    quantity: int = 0
    first: date | None = None
    emptied: bool = False

    def add(self, day: date, before: Sum, now: Sum) -> None:
        self.amount += now.amount - before.amount
        self.quantity += now.quantity - before.quantity
        self.emptied |= now.amount < before.amount or now.quantity < before.quantity
        if now.amount or now.quantity:
            self.first = min(day, self.first or day)

    @property
    def sums(self) -> tuple[Decimal, int]:
        return self.amount, self.quantity


def _first_left(member: MemberTier, metric: str, category: str) -> date | None:
    return None if metric == BUY_DAYS else first_counted_day(member.pk, metric, category)


def _rows_of(statement: str, rows: Sequence[tuple]) -> Statement:
    places = ", ".join(["%s"] * len(rows[0]))
    return statement.format(rows=rows_of(len(rows), places)), [value for row in rows for value in row]


def _columns(rows: Iterable[tuple]) -> list[list]:
    return [list(column) for column in zip(*rows, strict=True)]
