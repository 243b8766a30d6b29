"""A member's sums by day, and their figures at a moment: what conditions ask and nothing else."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from common.money import round_money
from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.nodes import Leaf, RuleSet, Value

ONE_DAY = timedelta(days=1)
# What is read from the sums of another metric.
SOURCES = {
    "buy_days": ("orders",),
    "streak": ("orders",),
    "dispute_rate": ("orders", "disputes_upheld"),
    "positive_rate": ("rated", "positive"),
}
# Not sums: the last that was said holds. `amount` 1 means that something was said, `quantity` is it.
STATES = frozenset({"realname", "credit"})
MONEY = frozenset(name for name, metric in METRICS.items() if metric.kind is Kind.MONEY)
# Days with orders are counted beside the orders.
BUY_DAYS = "buy_days"
RATE_STEP = Decimal("0.0001")


class Sum(NamedTuple):
    amount: Decimal
    quantity: int


NONE = Sum(Decimal(0), 0)
# A figure that nobody asked for yet; None is a figure.
UNREAD: Any = object()


@dataclass
class Book:
    """Sums by metric, day and category, and over the whole life by metric and category.

    A book may hold only the days that windows can reach, with the totals of the whole life beside them. `first_days` is
    the first day that counts by metric.
    """

    days: dict[str, dict[date, dict[str, Sum]]] = field(default_factory=dict)
    totals: dict[str, dict[str, Sum]] = field(default_factory=dict)
    first_days: dict[str, date] = field(default_factory=dict)
    _sorted: dict[str, list[date]] = field(default_factory=dict)

    def load_day(self, metric: str, day: date, category: str, amount: Decimal, quantity: int) -> None:
        """A stored sum of a day; its total is loaded apart."""
        by_day = self.days.setdefault(metric, {})
        if day not in by_day:
            insort(self._sorted.setdefault(metric, []), day)
            by_day[day] = {}
        by_day[day][category] = Sum(amount, quantity)

    def load_total(self, metric: str, category: str, amount: Decimal, quantity: int, first_day: date | None) -> None:
        self.totals.setdefault(metric, {})[category] = Sum(amount, quantity)
        if first_day is not None:
            self.first_days[metric] = min(first_day, self.first_days.get(metric, first_day))

    def get(self, metric: str, day: date, category: str = "") -> Sum:
        return self.days.get(metric, {}).get(day, {}).get(category, NONE)

    def put(self, metric: str, day: date, category: str, amount: Decimal, quantity: int) -> bool:
        """Make a day's sum what it is, and the total with it; False when it was that already."""
        before = self.get(metric, day, category)
        after = Sum(amount, quantity)
        if before == after:
            return False
        counted = self.counts(metric, day)
        self.load_day(metric, day, category, amount, quantity)
        if metric in STATES:
            self._put_state(metric)
        else:
            self._move(metric, category, amount - before.amount, quantity - before.quantity)
        if metric == "orders":
            self._move(BUY_DAYS, "", Decimal(0), int(self.counts(metric, day)) - int(counted))
        if self.counts(metric, day):
            self.first_days[metric] = min(day, self.first_days.get(metric, day))
        elif self.first_days.get(metric) == day:
            self._find_first(metric)
        return True

    def day(self, metric: str, day: date) -> int:
        """The quantity of one day, all categories together."""
        return sum(entry.quantity for entry in self.days.get(metric, {}).get(day, {}).values())

    def counts(self, metric: str, day: date) -> bool:
        by_day = self.days.get(metric)
        if by_day is None or day not in by_day:
            return False
        return any(entry.amount or entry.quantity for entry in by_day[day].values())

    def between(self, metric: str, first: date, last: date) -> Iterator[tuple[date, str, Sum]]:
        by_day = self.days.get(metric, {})
        order = self._sorted.get(metric, [])
        for day in order[bisect_left(order, first) : bisect_right(order, last)]:
            for category, entry in by_day[day].items():
                yield day, category, entry

    def entries(self, metric: str, first: date, last: date) -> list[dict[str, Sum]]:
        """The sums of each day of a range, by category."""
        order = self._sorted.get(metric)
        if not order or order[-1] < first:
            return []
        by_day = self.days[metric]
        return [by_day[day] for day in order[bisect_left(order, first) : bisect_right(order, last)]]

    def earliest(self, metric: str, first: date, last: date) -> date | None:
        """The first day of a range on which something counts."""
        order = self._sorted.get(metric)
        if not order or order[-1] < first:
            return None
        for index in range(bisect_left(order, first), len(order)):
            if order[index] > last:
                return None
            if self.counts(metric, order[index]):
                return order[index]
        return None

    def state(self, metric: str) -> int | None:
        """What was last said of a state; None when nothing was."""
        entry = self.totals.get(metric, {}).get("")
        return entry.quantity if entry is not None and entry.amount else None

    def _move(self, metric: str, category: str, amount: Decimal, quantity: int) -> None:
        totals = self.totals.setdefault(metric, {})
        before = totals.get(category, NONE)
        totals[category] = Sum(before.amount + amount, before.quantity + quantity)

    def _put_state(self, metric: str) -> None:
        said = (self.get(metric, day) for day in reversed(self._sorted[metric]))
        self.totals.setdefault(metric, {})[""] = next((entry for entry in said if entry.amount), NONE)

    def _find_first(self, metric: str) -> None:
        found = self.earliest(metric, date.min, date.max)
        if found is None:
            self.first_days.pop(metric, None)
        else:
            self.first_days[metric] = found


class Snapshot:
    """The figures of a member on a Shanghai day, under the weights of a rule set."""

    def __init__(self, book: Book, rules: RuleSet, today: date) -> None:
        self.book, self.rules, self.today = book, rules, today
        self._known: dict[tuple, Value | None] = {}

    def value(self, metric: str, window: Window, weights: str | None) -> Value | None:
        key = (metric, window, weights)
        found = self._known.get(key, UNREAD)
        if found is UNREAD:
            found = self._known[key] = self._value(metric, window, weights)
        return found

    def _value(self, metric: str, window: Window, weights: str | None) -> Value | None:
        if metric == "streak":
            return Decimal(self._streak())
        if metric == BUY_DAYS:
            return Decimal(self._buy_days(window))
        if metric in STATES:
            said = self.book.state(metric)
            if said is None:
                return None
            return bool(said) if METRICS[metric].kind is Kind.FLAG else Decimal(said)
        if metric == "dispute_rate":
            return self._dispute_rate(window)
        if metric == "positive_rate":
            return _ratio(self._quantity("positive", window), self._quantity("rated", window))
        if metric in MONEY:
            return self._money(metric, window, weights)
        return Decimal(self._quantity(metric, window))

    def _entries(self, metric: str, window: Window) -> list[dict[str, Sum]]:
        """By category: of the whole life, or of each day of the window."""
        first = window.first_day(self.today)
        if first is None:
            return [self.book.totals.get(metric, {})]
        return self.book.entries(metric, first, self.today)

    def _quantity(self, metric: str, window: Window) -> int:
        return sum([entry.quantity for sums in self._entries(metric, window) for entry in sums.values()])

    def _money(self, metric: str, window: Window, weights: str | None) -> Decimal:
        weight_of = self.rules.weight_of
        parts = [
            entry.amount * weight_of(weights, category)
            for sums in self._entries(metric, window)
            for category, entry in sums.items()
        ]
        return round_money(sum(parts, Decimal(0)))

    def _buy_days(self, window: Window) -> int:
        if window.first_day(self.today) is None:
            return self._quantity(BUY_DAYS, window)
        return sum([entry.quantity > 0 for sums in self._entries("orders", window) for entry in sums.values()])

    def _dispute_rate(self, window: Window) -> Decimal | None:
        """Undefined without orders in the window, and until so many days have passed since the first order counted.

        Ninety days without a dispute are said of somebody who has bought for ninety days.
        """
        since, began = window.first_day(self.today), self.book.first_days.get("orders")
        if since is None or began is None or began > since:
            return None
        return _ratio(self._quantity("disputes_upheld", window), self._quantity("orders", window))

    def _streak(self) -> int:
        """Consecutive days with an order up to today; yesterday's streak lives until today is over."""
        has_order = self.book.counts
        day = self.today if has_order("orders", self.today) else self.today - ONE_DAY
        length = 0
        while has_order("orders", day):
            length += 1
            day -= ONE_DAY
        return length


def _ratio(part: int, whole: int) -> Decimal | None:
    return min(Decimal(1), (Decimal(part) / whole).quantize(RATE_STEP, ROUND_HALF_UP)) if whole else None


def days_needed(rules: RuleSet, today: date) -> date:
    """The first day that some condition can read; today where only whole lives are asked for."""
    first = min((_first_day(leaf, today) for leaf in rules.leaves()), default=today)
    rising = max((formula.rising_days for formula in rules.dynamic.values()), default=0)
    return min(first, today - timedelta(days=rising))


def _first_day(leaf: Leaf, today: date) -> date:
    if leaf.m == "streak":
        # One day more than the threshold tells "reached" from "exceeded".
        return today - timedelta(days=int(leaf.v) + 1)
    return leaf.win.first_day(today) or today


def next_change(rules: RuleSet, book: Book, today: date) -> date | None:
    """The first day on which some figure reads something else although nothing happens; None when time changes nothing.

    Windows decay without events: a day that leaves a window lowers what the window holds.
    """
    changes = [_change(metric, window, book, today) for metric, window in rules.asked]
    return min((change for change in changes if change is not None), default=None)


def _change(metric: str, window: Window, book: Book, today: date) -> date | None:
    if metric == "streak":
        recent = next((day for day in (today, today - ONE_DAY) if book.counts("orders", day)), None)
        return recent + 2 * ONE_DAY if recent else None
    first = window.first_day(today)
    if first is None:
        return None
    sources = SOURCES.get(metric)
    if sources is None:
        oldest = book.earliest(metric, first, today)
        return _leaving(oldest, window, first) if oldest is not None else None
    found = [book.earliest(source, first, today) for source in sources]
    leaves = [_leaving(day, window, first) for day in found if day is not None]
    if metric == "dispute_rate" and (began := book.first_days.get("orders")) is not None and began > first:
        # The day on which the window is first full.
        leaves.append(began + (window.days - 1) * ONE_DAY)
    return min(leaves, default=None)


def _leaving(day: date, window: Window, first: date) -> date:
    return first + 7 * ONE_DAY if window.span is Span.WEEK else day + window.days * ONE_DAY
