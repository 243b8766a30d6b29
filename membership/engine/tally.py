"""Facts to sums by day: what a day's facts come to, what multipliers and caps leave of it, what bundles grant.

Every day's sums follow from the day's facts and, where caps and bundles look further, from the sums of the week or month
around it. So they are the same in whatever order the facts arrive.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import prod

from membership.engine.book import ONE_DAY, Book, Sum
from membership.engine.facts import GOOD_STARS, Net
from membership.rules.catalogue import ACTION_METRICS, POINT_METRICS
from membership.rules.nodes import Bundle, RuleSet

# Limited by caps: what is earned and what counts of it are two figures.
CAPPED = POINT_METRICS | ACTION_METRICS
GRANTED = "bundle:"

RulesOn = Callable[[date], RuleSet]
Cell = tuple[str, date, str]


@dataclass
class DaySums:
    """What the facts of one day come to, before multipliers and caps. Facts are added by time."""

    cells: dict[tuple[str, str], tuple[Decimal, int]] = field(default_factory=dict)
    orders: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, nets: Iterable[Net]) -> "DaySums":
        sums = cls()
        for net in nets:
            sums.add(net)
        return sums

    def add(self, net: Net) -> None:
        fact = net.fact
        match fact.metric:
            case "spend" | "invitee_spend":
                self._plus(fact.metric, fact.category if fact.metric == "spend" else "", net.amount, 0)
                if fact.metric == "spend" and fact.subject and fact.subject not in self.orders:
                    self.orders.add(fact.subject)
                    self._plus("orders", "", Decimal(0), 1)
            case "dispute":
                if fact.value:
                    self._plus("disputes_upheld", "", Decimal(0), 1)
            case "review":
                self._plus("review", "", Decimal(0), net.quantity)
                if fact.value is not None:
                    self._plus("rated", "", Decimal(0), 1)
                    self._plus("positive", "", Decimal(0), int(fact.value >= GOOD_STARS))
            case "online_days":
                self.cells["online_days", ""] = (Decimal(0), 1)
            case "realname" | "credit":
                self.cells[fact.metric, ""] = (Decimal(1), fact.value or 0)
            case _:
                self._plus(fact.metric, "", Decimal(0), net.quantity)

    def _plus(self, metric: str, category: str, amount: Decimal, quantity: int) -> None:
        known_amount, known_quantity = self.cells.get((metric, category), (Decimal(0), 0))
        self.cells[metric, category] = (known_amount + amount, known_quantity + quantity)


@dataclass
class Tally:
    """Keeps a book in step with the facts. `changed` are the sums that moved, as they were before, for those who store them.

    `earned` is, by capped metric and day, what the facts say before multipliers and caps. `rules_on` tells the rules
    whose multipliers, caps and bundles hold on a day.
    """

    rules_on: RulesOn
    book: Book = field(default_factory=Book)
    earned: dict[str, dict[date, int]] = field(default_factory=dict)
    changed: dict[Cell, Sum] = field(default_factory=dict)

    def put_day(self, day: date, sums: DaySums) -> None:
        """Make a day's sums what its facts say, and whatever depends on them."""
        touched = set()
        for metric, category in self._cells(day, sums):
            amount, quantity = sums.cells.get((metric, category), (Decimal(0), 0))
            if metric in CAPPED:
                if self.earned.setdefault(metric, {}).get(day, 0) != quantity:
                    self.earned[metric][day] = quantity
                    self.changed.setdefault((metric, day, ""), self.book.get(metric, day))
                    touched.add(metric)
            else:
                self._put(metric, day, category, amount, quantity)
        if touched:
            self._settle(touched, day)

    def _cells(self, day: date, sums: DaySums) -> set[tuple[str, str]]:
        """What the facts say now, and what they said before."""
        before = {
            (metric, category)
            for metric, by_day in self.book.days.items()
            if metric not in CAPPED
            for category in by_day.get(day, ())
        }
        return before | set(sums.cells) | {(metric, "") for metric, by_day in self.earned.items() if day in by_day}

    def _put(self, metric: str, day: date, category: str, amount: Decimal, quantity: int) -> None:
        before = self.book.get(metric, day, category)
        if self.book.put(metric, day, category, amount, quantity):
            self.changed.setdefault((metric, day, category), before)

    def _settle(self, metrics: set[str], day: date) -> None:
        rules = self.rules_on(day)
        last = max((end_of_reach(rules, metric, day) for metric in metrics), default=day)
        for metric in metrics:
            for when, count in self._counted(metric, day, last):
                self._put(metric, when, "", Decimal(0), count)
        for bundle_window, first in self._bundle_windows(metrics, day, last):
            self._grant(bundle_window, first)

    def _counted(self, metric: str, first: date, last: date) -> list[tuple[date, int]]:
        """What counts on the days of a range, after multipliers and caps.

        Each cap lets a day have what it leaves of its period so far; the tightest decides.
        """
        earned = self.earned.get(metric, {})
        periods = [cap.per for cap in self.rules_on(first).caps if cap.m == metric]
        start = min((start_of(period, first) for period in periods), default=first)
        sums = {"week": 0, "month": 0}
        found: list[tuple[date, int]] = []
        before = start
        for when in (day for day in _range(start, last) if day in earned):
            for period in sums:
                if start_of(period, when) != start_of(period, before):
                    sums[period] = 0
            before = when
            rules = self.rules_on(when)
            points = _capped_by_day(rules, metric, _multiplied(rules, metric, when, earned[when]))
            count = points
            for cap in rules.caps:
                if cap.m == metric and cap.per in sums:
                    count = min(count, max(0, cap.max - sums[cap.per]))
            sums = {period: total + points for period, total in sums.items()}
            if when >= first:
                found.append((when, count))
        return found

    def _bundle_windows(self, metrics: set[str], first: date, last: date) -> set[tuple[str, date]]:
        found = set()
        for rules, days in self._spans(first, last):
            windows = {one.window for one in rules.bundles if any(name in metrics for name, _ in one.needs)}
            found |= {(window, start_of(window, when)) for window in windows for when in days}
        return found

    def _grant(self, window: str, first: date) -> None:
        """Grant the bundles of one window on the days on which their needs were complete, and take back others."""
        last = end_of(window, first)
        held = [
            ([bundle for bundle in rules.bundles if bundle.window == window], days)
            for rules, days in self._spans(first, last)
        ]
        sums = dict.fromkeys((name for bundles, _ in held for bundle in bundles for name, _ in bundle.needs), 0)
        busy = {when for name in sums for when, _, _ in self.book.between(name, first, last)}
        granted: dict[Cell, int] = {}
        done: set[str] = set()
        for bundles, days in held:
            # Rules that begin within the window find complete what was complete before.
            for when in (day for day in days if day in busy or day == days[0]):
                for name in sums:
                    sums[name] += self.book.day(name, when)
                for bundle in bundles:
                    if bundle.id not in done and _complete(bundle, sums):
                        done.add(bundle.id)
                        for metric, points in bundle.grants:
                            granted[metric, when, GRANTED + bundle.id] = points
        kinds = {GRANTED + bundle.id for bundles, _ in held for bundle in bundles}
        for metric in POINT_METRICS:
            for when, category, _ in self.book.between(metric, first, last):
                if category in kinds:
                    granted.setdefault((metric, when, category), 0)
        for (metric, when, category), points in granted.items():
            self._put(metric, when, category, Decimal(0), points)

    def _spans(self, first: date, last: date) -> list[tuple[RuleSet, list[date]]]:
        """The days of a range by the rules that hold on them."""
        days = _range(first, last)
        rules = self.rules_on(first)
        if self.rules_on(last) is rules:
            # Rules that are over do not come back.
            return [(rules, days)]
        found: list[tuple[RuleSet, list[date]]] = []
        for when in days:
            rules = self.rules_on(when)
            if not found or found[-1][0] is not rules:
                found.append((rules, []))
            found[-1][1].append(when)
        return found


def start_of(period: str, day: date) -> date:
    """The first day of the day, week (Monday) or month in which `day` lies."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def end_of(period: str, day: date) -> date:
    """The last day of the day, week (Sunday) or month in which `day` lies."""
    if period == "week":
        return day + timedelta(days=6 - day.weekday())
    if period == "month":
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - ONE_DAY
    return day


def reach(rules: RuleSet, day: date) -> tuple[date, date]:
    """The days that anything derived from the facts of a day is computed from, or may change on."""
    periods = {cap.per for cap in rules.caps} | {bundle.window for bundle in rules.bundles}
    first = last = day
    # Twice: a cap on what a bundle needs moves a bundle of the window in which the capped period ends.
    for _ in range(2):
        first = min((start_of(period, first) for period in periods), default=first)
        last = max((end_of(period, last) for period in periods), default=last)
    return first, last


def end_of_reach(rules: RuleSet, metric: str, day: date) -> date:
    """The last day on which a cap lets the facts of `day` change what counts."""
    return max((end_of(cap.per, day) for cap in rules.caps if cap.m == metric), default=day)


def _multiplied(rules: RuleSet, metric: str, day: date, points: int) -> int:
    factors = [item.factor for item in rules.multipliers if item.m == metric and item.first <= day <= item.last]
    if not factors:
        return points
    factor = prod(factors, start=Decimal(1))
    return int((points * factor).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _capped_by_day(rules: RuleSet, metric: str, points: int) -> int:
    return min([points, *(cap.max for cap in rules.caps if cap.m == metric and cap.per == "day")])


def _complete(bundle: Bundle, sums: Mapping[str, int]) -> bool:
    return all(sums.get(name, 0) >= count for name, count in bundle.needs)


def _range(first: date, last: date) -> list[date]:
    return [date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1)]
