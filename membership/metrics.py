"""A member's metrics on one day, from sums by day: what the evaluator asks and nothing else. No database here."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from common.money import round_money
from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.nodes import Leaf, RuleSet, Value

# What this shop records. A rule set that asks for another metric is not published: it would always read nothing.
RECORDED = frozenset(
    {
        "spend",
        "orders",
        "buy_days",
        "streak",
        "checkin",
        "review",
        "online_days",
        "activity",
        "contrib",
        "invitee_active",
        "invitee_spend",
    }
)
# Metrics that are read from the sums of another.
SOURCES = {"buy_days": "orders", "streak": "orders"}

ONE_DAY = timedelta(days=1)


class Sum(NamedTuple):
    category: str
    amount: Decimal
    quantity: int


@dataclass
class Book:
    """What counted for one member, by metric and day; `totals` by metric over the whole life.

    Without totals, `days` holds the whole life and totals are counted from it: so a past day can be read.
    """

    days: dict[str, dict[date, list[Sum]]] = field(default_factory=lambda: defaultdict(dict))
    totals: dict[str, list[Sum]] | None = None

    def add(self, metric: str, day: date, entry: Sum) -> None:
        self.days[metric].setdefault(day, []).append(entry)

    def first_day(self) -> date | None:
        return min((day for by_day in self.days.values() for day in by_day), default=None)

    def between(self, metric: str, first: date, last: date) -> Iterator[tuple[date, Sum]]:
        for day, entries in self.days.get(metric, {}).items():
            if first <= day <= last:
                for entry in entries:
                    yield day, entry

    def life(self, metric: str, last: date) -> Iterable[Sum]:
        if self.totals is not None:
            return self.totals.get(metric, [])
        return [entry for _, entry in self.between(metric, date.min, last)]


@dataclass(frozen=True)
class Snapshot:
    """The metrics of a member on a Shanghai day, under the weights of a rule set."""

    book: Book
    rules: RuleSet
    today: date

    def value(self, metric: str, window: Window, weights: str | None) -> Value | None:
        if metric == "streak":
            return Decimal(self._streak())
        if metric == "buy_days":
            return Decimal(self._buy_days(window))
        entries = list(self._entries(metric, window))
        if METRICS[metric].kind is Kind.MONEY:
            weighted = [entry.amount * self.rules.weight_of(weights, entry.category) for entry in entries]
            return round_money(sum(weighted, Decimal(0)))
        return Decimal(sum(entry.quantity for entry in entries)) if metric in RECORDED else None

    def _entries(self, metric: str, window: Window) -> Iterable[Sum]:
        first = window.first_day(self.today)
        if first is None:
            return self.book.life(metric, self.today)
        return [entry for _, entry in self.book.between(metric, first, self.today)]

    def _buy_days(self, window: Window) -> int:
        first = window.first_day(self.today)
        if first is None and self.book.totals is not None:
            return sum(entry.quantity for entry in self.book.totals.get("buy_days", []))
        return len(self._order_days(first or date.min))

    def _order_days(self, first: date) -> set[date]:
        return {day for day, entry in self.book.between("orders", first, self.today) if entry.quantity > 0}

    def _streak(self) -> int:
        """Consecutive days with an order up to today; yesterday's streak lives until today is over."""
        days = self._order_days(date.min)
        day = self.today if self.today in days else self.today - ONE_DAY
        length = 0
        while day in days:
            length += 1
            day -= ONE_DAY
        return length


def days_needed(rules: RuleSet, today: date) -> date:
    """The first day that some condition can read; today where only whole lives are asked for."""
    return min((_first_day(leaf, today) for leaf in rules.leaves()), default=today)


def _first_day(leaf: Leaf, today: date) -> date:
    if leaf.m == "streak":
        # One day more than the threshold tells "reached" from "exceeded".
        return today - timedelta(days=int(leaf.v) + 1)
    return leaf.win.first_day(today) or today


def next_change(rules: RuleSet, book: Book, today: date) -> date | None:
    """The first day on which some condition reads something else although nothing happens; None when time changes nothing.

    Windows decay without events: a day that leaves a window lowers what the window holds.
    """
    changes = [change for leaf in rules.leaves() if (change := _change(leaf, book, today)) is not None]
    return min(changes, default=None)


def _change(leaf: Leaf, book: Book, today: date) -> date | None:
    days = [day for day, entries in _by_day(book, leaf.m).items() if any(_counts(entry) for entry in entries)]
    if leaf.m == "streak":
        recent = max((day for day in days if today - ONE_DAY <= day <= today), default=None)
        return recent + 2 * ONE_DAY if recent else None
    first = leaf.win.first_day(today)
    if first is None:
        return None
    earliest = min((day for day in days if first <= day <= today), default=None)
    if earliest is None:
        return None
    if leaf.win.span is Span.WEEK:
        return first + 7 * ONE_DAY
    return earliest + leaf.win.days * ONE_DAY


def _by_day(book: Book, metric: str) -> Mapping[date, list[Sum]]:
    return book.days.get(SOURCES.get(metric, metric), {})


def _counts(entry: Sum) -> bool:
    return bool(entry.amount or entry.quantity)
