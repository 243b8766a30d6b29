"""What is stored about members, read for the engine: sums by day, facts, overrides, mean stays."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Case, CharField, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from common.clock import start_of_day
from membership.engine.book import Book
from membership.engine.facts import Fact, History
from membership.engine.versions import Override as Held
from membership.models import Activity, ActivityMark, Bucket, Override, TierStay, Total

_DAYS = ("member_id", "day", "metric", "category", "amount", "quantity", "earned")
_TOTALS = ("member_id", "metric", "category", "amount", "quantity", "first_day")


@dataclass
class Sums:
    """A member's stored sums. `earned` is by metric and day what stood there before multipliers and caps."""

    book: Book = field(default_factory=Book)
    earned: dict[str, dict[date, int]] = field(default_factory=dict)


def load_sums(member_ids: Sequence[int], *, first: date, last: date) -> dict[int, Sums]:
    """The days from `first` to `last` and the totals of these members: one range of the primary key for each."""
    found = {member_id: Sums() for member_id in member_ids}
    totals = Total.objects.filter(member_id__in=member_ids).values_list(*_TOTALS)
    for member_id, metric, category, amount, quantity, first_day in totals:
        found[member_id].book.load_total(metric, category, amount, quantity, first_day)
    days = Bucket.objects.filter(member_id__in=member_ids, day__gte=first, day__lte=last).order_by("day")
    for member_id, day, metric, category, amount, quantity, earned in days.values_list(*_DAYS):
        sums = found[member_id]
        sums.book.load_day(metric, day, category, amount, quantity)
        if earned:
            sums.earned.setdefault(metric, {})[day] = earned
    return found


def latest_mark() -> Subquery:
    """Why a fact was found not to count, by its latest mark; empty where it was cleared."""
    latest = ActivityMark.objects.filter(member=OuterRef("member"), ref=OuterRef("source_ref")).order_by("-id")
    reason = Case(When(valid=True, then=Value("")), default=F("reason"), output_field=CharField())
    return Subquery(latest.annotate(says=reason).values("says")[:1])


def _history(rows: QuerySet[Activity]) -> History:
    facts, marks = [], {}
    for row in rows.annotate(mark=Coalesce(latest_mark(), Value(""))):
        facts.append(fact_of(row))
        if row.mark:
            marks[row.source_ref] = row.mark
    return History.of(facts, marks)


def fact_of(row: Activity) -> Fact:
    """A row of the ledger as the engine reads it. A reversal that was written down as not counted waits for its fact."""
    return Fact(
        ref=row.source_ref,
        metric=row.metric,
        at=row.occurred_at,
        amount=row.amount,
        quantity=row.quantity,
        value=row.value,
        category=row.category,
        subject=row.subject,
        reverses=row.reverses,
        reason="" if row.reverses else row.invalid_reason,
    )


def load_history(member_id: int) -> History:
    """Everything that was ever recorded about a member."""
    return _history(Activity.objects.filter(member=member_id))


def load_day(member_id: int, day: date) -> History:
    """The facts of one Shanghai day, and what takes them back, whenever that was."""
    of_day = Q(occurred_at__gte=start_of_day(day), occurred_at__lt=start_of_day(day + timedelta(days=1)))
    rows = Activity.objects.filter(member=member_id)
    refs = rows.filter(of_day, reverses="").values("source_ref")
    back = rows.filter(~Q(reverses=""), reverses__in=refs).values("source_ref")
    return _history(rows.filter(of_day | ~Q(reverses="") & (Q(reverses__in=refs) | Q(reverses__in=back))))


def load_overrides(member_ids: Iterable[int]) -> dict[int, tuple[Held, ...]]:
    """Every override that is, was or will be in force, by member."""
    found: dict[int, list[Held]] = defaultdict(list)
    rows = Override.objects.filter(member_id__in=list(member_ids), status=Override.Status.APPROVED)
    for row in rows.order_by("pk"):
        ends = min(filter(None, (row.expires_at, row.ended_at)))
        if row.starts_at is not None and row.starts_at < ends:
            held = Held(row.ref or f"override:{row.pk}", row.kind, row.rank, row.starts_at, ends)
            found[row.member_id].append(held)
    return {member_id: tuple(held) for member_id, held in found.items()}


@dataclass
class StoredStays:
    """The mean stays of a program, as they were fixed on each day. A day is read when it is first asked for."""

    program_id: int
    _known: dict[date, dict[int, Decimal]] = field(default_factory=dict)

    def mean(self, day: date, rank: int) -> Decimal | None:
        if day not in self._known:
            rows = TierStay.objects.filter(program=self.program_id, day=day).values_list("rank", "days")
            self._known[day] = dict(rows)
        return self._known[day].get(rank)


def latest_state(member_id: int, metric: str) -> tuple[Decimal, int]:
    """What was last said of a state, as a sum: amount 1 and the value, or nothing."""
    rows = Bucket.objects.filter(member_id=member_id, metric=metric, amount__gt=0).order_by("-day")
    return rows.values_list("amount", "quantity").first() or (Decimal(0), 0)


def first_counted_day(member_id: int, metric: str, category: str) -> date | None:
    rows = Bucket.objects.filter(member_id=member_id, metric=metric, category=category)
    return rows.filter(Q(amount__gt=0) | Q(quantity__gt=0)).order_by("day").values_list("day", flat=True).first()
