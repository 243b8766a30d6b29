"""What the windows of a member's conditions hold and will lose next, and what never counted. Reads sums and facts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from catalog.models import Category
from common.money import ZERO, round_money
from common.texts import in_language
from membership.engine.book import ONE_DAY, SOURCES, Book
from membership.models import Activity
from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.describe import exclusion_text
from membership.rules.nodes import RuleSet
from membership.rules.render import value_text
from membership.selectors.bars import Bar, Leaving, Part
from membership.selectors.books import latest_mark, load_sums
from membership.selectors.settling import without_settled_waits
from membership.selectors.standing import Standing

# A ratio or a streak does not lose a sum.
SUMS = frozenset(name for name, metric in METRICS.items() if metric.accumulates and name != "streak")


def with_leaving(standing: Standing) -> Standing:
    """The standing with what leaves its windows next, said at each bar. Two statements; none where no window is asked."""
    bars = [bar for part in _shown(standing) for bar in _bars(part) if _window(bar) is not None]
    if standing.member is None or not bars:
        return standing
    first = min(bar.since for bar in bars if bar.since is not None)
    book = load_sums([standing.member.pk], first=first, last=standing.day)[standing.member.pk].book
    rules = standing.version.rules

    def said(part: Part) -> Part:
        bar = replace(part.bar, leaving=_leaving(part.bar, book, rules)) if part.bar is not None else None
        return replace(part, bar=bar, parts=tuple(said(child) for child in part.parts))

    def told(shown: Any) -> Any:
        return replace(shown, parts=tuple(said(part) for part in shown.parts)) if shown is not None else None

    return replace(standing, next=told(standing.next), keeping=told(standing.keeping), earning=told(standing.earning))


def _shown(standing: Standing) -> Iterator[Part]:
    for shown in (standing.next, standing.keeping, standing.earning):
        yield from shown.parts if shown is not None else ()


def _bars(part: Part) -> Iterator[Bar]:
    if part.bar is not None:
        yield part.bar
    for child in part.parts:
        yield from _bars(child)


def _window(bar: Bar) -> Window | None:
    """The window of a bar that loses a day at a time."""
    window = Window.parse(bar.window)
    return window if window.span is Span.DAYS and bar.metric in SUMS and bar.since is not None else None


def _leaving(bar: Bar, book: Book, rules: RuleSet) -> Leaving | None:
    window = _window(bar)
    if window is None or bar.since is None or bar.until is None:
        return None
    source = SOURCES.get(bar.metric, (bar.metric,))[0]
    day = book.earliest(source, bar.since, bar.until)
    if day is None:
        return None
    return Leaving(day + window.days * ONE_DAY, value_text(_of_day(bar, book, rules, source, day), METRICS[bar.metric]))


def _of_day(bar: Bar, book: Book, rules: RuleSet, source: str, day: date) -> Decimal:
    if bar.metric == "buy_days":
        return Decimal(1)
    if METRICS[bar.metric].kind is not Kind.MONEY:
        return Decimal(book.day(source, day))
    table = bar.key.removeprefix(f"{bar.metric}:{bar.window}").removeprefix(":") or None
    entries = book.between(source, day, day)
    return round_money(sum((entry.amount * rules.weight_of(table, category) for _, category, entry in entries), ZERO))


@dataclass(frozen=True)
class Spent:
    """A purchase as it counts. `reason` says why it does not, `refunded` how much of it was taken back.

    `subject` names the order, such as order:12.
    """

    at: datetime
    amount: Decimal
    category: str
    subject: str
    reason: str
    refunded: Decimal

    @property
    def order_id(self) -> int | None:
        what, _, number = self.subject.partition(":")
        return int(number) if what == "order" and number.isdecimal() else None


def spend_of(standing: Standing, *, excluded: bool = False) -> QuerySet[Activity]:
    """The member's purchases, newest first. `mark` says why one was found not to count later on, `back` what was taken
    back of it, `named` and `named_en` are its category.

    `excluded`: only those that do not count.
    """
    rows = without_settled_waits(Activity.objects.filter(member=standing.member, metric="spend", reverses=""))
    back = Activity.objects.filter(member=OuterRef("member"), reverses=OuterRef("counts_as")).order_by()
    named = Category.objects.filter(code=OuterRef("category"))
    rows = rows.annotate(
        mark=Coalesce(latest_mark(), Value("")),
        back=Subquery(back.values("member").annotate(sum=Sum("amount")).values("sum")),
        named=Subquery(named.values("name")[:1]),
        named_en=Subquery(named.values("name_en")[:1]),
    ).order_by("-occurred_at", "-id")
    return rows.filter(Q(valid=False) | ~Q(mark="")) if excluded else rows


def spent(rows: Iterable[Any]) -> list[Spent]:
    """Rows of `spend_of` in words."""
    return [
        Spent(
            at=row.occurred_at,
            amount=row.amount,
            category=in_language(row.named, row.named_en) if row.named else row.category,
            subject=row.subject,
            reason=exclusion_text(row.mark or row.invalid_reason) if row.mark or row.invalid_reason else "",
            refunded=-(row.back or ZERO),
        )
        for row in rows
    ]
