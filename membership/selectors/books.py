"""What is stored about members, read for the engine: sums by day, facts, overrides, mean stays."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Case, CharField, F, OuterRef, Q, Subquery, Value, When

from common.clock import start_of_day
from common.sql import fetch
from membership.engine.book import Book
from membership.engine.facts import Fact, History
from membership.engine.versions import Override as Held
from membership.models import ActivityMark, Bucket, Override

# Every event reads these, so they are plain statements: each is a few ranges of an index.
_SUMS = """
SELECT member_id, NULL::date AS day, metric, category, amount, quantity, 0 AS earned, first_day
FROM membership_total WHERE member_id = ANY(%(members)s)
UNION ALL
SELECT member_id, day, metric, category, amount, quantity, earned, NULL
FROM membership_bucket WHERE member_id = ANY(%(members)s) AND day BETWEEN %(first)s AND %(last)s
ORDER BY day NULLS FIRST
"""
# With why each was found not to count, by its latest mark; empty where it was cleared.
_FACTS = """
SELECT fact.source_ref, fact.metric, fact.occurred_at, fact.amount, fact.quantity, fact.value, fact.category, fact.subject,
    fact.reverses, CASE WHEN fact.reverses = '' THEN fact.invalid_reason ELSE '' END,
    (SELECT CASE WHEN mark.valid THEN '' ELSE mark.reason END FROM membership_activitymark AS mark
    WHERE mark.member_id = fact.member_id AND mark.ref = fact.source_ref ORDER BY mark.id DESC LIMIT 1)
"""
# Whether something takes it back.
_IS_BACK = """,
    EXISTS (SELECT 1 FROM membership_activity AS back WHERE back.member_id = fact.member_id
    AND back.reverses = fact.source_ref AND back.reverses <> '')
"""
_LIFE = _FACTS + "FROM membership_activity AS fact WHERE fact.member_id = %(member)s"
_DAY = (
    _FACTS
    + _IS_BACK
    + "FROM membership_activity AS fact WHERE fact.member_id = %(member)s AND fact.occurred_at >= %(begin)s"
)
_DAY += " AND fact.occurred_at < %(end)s"
_BACK = _LIFE + " AND fact.reverses = ANY(%(refs)s) AND fact.reverses <> ''"
_ORDER = _LIFE + " AND fact.subject = %(subject)s"
_OVERRIDES = """
SELECT id, member_id, ref, kind, rank, starts_at, expires_at, ended_at
FROM membership_override WHERE member_id = ANY(%s) AND status = %s ORDER BY id
"""
_STAYS = "SELECT rank, days FROM membership_tierstay WHERE program_id = %s AND day = %s"


@dataclass
class Sums:
    """A member's stored sums. `earned` is by metric and day what stood there before multipliers and caps."""

    book: Book = field(default_factory=Book)
    earned: dict[str, dict[date, int]] = field(default_factory=dict)


def load_sums(member_ids: Sequence[int], *, first: date, last: date) -> dict[int, Sums]:
    """The days from `first` to `last` and the totals of these members: one range of the primary key for each."""
    found = {member_id: Sums() for member_id in member_ids}
    rows = fetch(_SUMS, {"members": list(member_ids), "first": first, "last": last})
    for member_id, day, metric, category, amount, quantity, earned, first_day in rows:
        sums = found[member_id]
        if day is None:
            sums.book.load_total(metric, category, amount, quantity, first_day)
            continue
        sums.book.load_day(metric, day, category, amount, quantity)
        if earned:
            sums.earned.setdefault(metric, {})[day] = earned
    return found


def latest_mark() -> Subquery:
    """Why a fact was found not to count, by its latest mark; empty where it was cleared."""
    latest = ActivityMark.objects.filter(member=OuterRef("member"), ref=OuterRef("source_ref")).order_by("-id")
    reason = Case(When(valid=True, then=Value("")), default=F("reason"), output_field=CharField())
    return Subquery(latest.annotate(says=reason).values("says")[:1])


def _history(rows: Iterable[Sequence]) -> History:
    """Facts as the engine reads them. A reversal that was written down as not counted waits for its fact."""
    facts, marks = [], {}
    for *columns, mark in rows:
        fact = Fact(*columns)
        facts.append(fact)
        if mark:
            marks[fact.ref] = mark
    return History.of(facts, marks)


def load_history(member_id: int) -> History:
    """Everything that was ever recorded about a member."""
    return _history(fetch(_LIFE, {"member": member_id}))


def load_order(member_id: int, order_id: int) -> History:
    """What was recorded of one order of a member, and of its refunds."""
    return _history(fetch(_ORDER, {"member": member_id, "subject": f"order:{order_id}"}))


def load_day(member_id: int, day: date) -> History:
    """The facts of one Shanghai day, and what takes them back, whenever that was."""
    span = {"begin": start_of_day(day), "end": start_of_day(day + timedelta(days=1))}
    rows, taken_back = [], []
    for *row, is_taken_back in fetch(_DAY, {"member": member_id, **span}):
        rows.append(row)
        if is_taken_back:
            taken_back.append(row)
    # What takes them back, and what takes that back: mostly nothing, so that these are statements of their own.
    back = _taking_back(member_id, taken_back)
    return _history([*rows, *back, *_taking_back(member_id, back)])


def _taking_back(member_id: int, rows: Sequence[Sequence]) -> list[tuple]:
    refs = [ref for ref, *_ in rows]
    return fetch(_BACK, {"member": member_id, "refs": refs}) if refs else []


def load_overrides(member_ids: Iterable[int]) -> dict[int, tuple[Held, ...]]:
    """Every override that is, was or will be in force, by member."""
    found: dict[int, list[Held]] = defaultdict(list)
    rows = fetch(_OVERRIDES, [list(member_ids), Override.Status.APPROVED])
    for pk, member_id, ref, kind, rank, starts_at, expires_at, ended_at in rows:
        ends = min(filter(None, (expires_at, ended_at)))
        if starts_at is not None and starts_at < ends:
            gated = ref.startswith(Override.COUPON)
            found[member_id].append(Held(ref or f"override:{pk}", kind, rank, starts_at, ends, gated))
    return {member_id: tuple(held) for member_id, held in found.items()}


@dataclass
class StoredStays:
    """The mean stays of a program, as they were fixed on each day. A day is read when it is first asked for."""

    program_id: int
    _known: dict[date, dict[int, Decimal]] = field(default_factory=dict)

    def mean(self, day: date, rank: int) -> Decimal | None:
        if day not in self._known:
            self._known[day] = dict(fetch(_STAYS, [self.program_id, day]))
        return self._known[day].get(rank)


def latest_state(member_id: int, metric: str) -> tuple[Decimal, int]:
    """What was last said of a state, as a sum: amount 1 and the value, or nothing."""
    rows = Bucket.objects.filter(member_id=member_id, metric=metric, amount__gt=0).order_by("-day")
    return rows.values_list("amount", "quantity").first() or (Decimal(0), 0)


def first_counted_day(member_id: int, metric: str, category: str) -> date | None:
    rows = Bucket.objects.filter(member_id=member_id, metric=metric, category=category)
    return rows.filter(Q(amount__gt=0) | Q(quantity__gt=0)).order_by("day").values_list("day", flat=True).first()
