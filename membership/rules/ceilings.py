"""The most that a member can ever reach of what a rule set measures, by nature and by what its own caps and weights leave."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from math import ceil

from membership.rules.catalogue import Span, Window
from membership.rules.nodes import Condition, Group, Leaf, RuleSet, rounded_up

_ONE_DAY = timedelta(days=1)
# Four years hold every length that months in a row can have.
_MONTHS = [date(year, month, 1) for year in range(2025, 2029) for month in range(1, 13)]


def most(rules: RuleSet, leaf: Leaf) -> Decimal | None:
    """The most that a leaf can read, as far as the rules alone say it; None where they set no end.

    Never less than a member can reach: several caps together may leave less. Days before the rules took effect, whose
    caps were others, are not looked at.
    """
    if leaf.w is not None and not _weighs(rules, leaf.w):
        return Decimal(0)
    limits = [*_by_caps(rules, leaf)]
    natural = leaf.metric.most(leaf.win)
    if natural is not None:
        limits.append(natural)
    return min(limits) + _bundled(rules, leaf) if limits else None


def lowered(rules: RuleSet, condition: Condition) -> Condition:
    """The condition for a member to whom its thresholds were lowered as far as the rules allow."""
    if isinstance(condition, Group):
        return Group(condition.kind, tuple(lowered(rules, child) for child in condition.children))
    if condition.dyn is None:
        return condition
    return replace(condition, v=rounded_up(condition, Decimal(condition.v) * rules.dynamic[condition.dyn].factor))


def _weighs(rules: RuleSet, table: str) -> bool:
    """Whether spend in any category that counts has a weight."""
    excluded = {rule.category for rule in rules.exclude}
    known = rules.weights[table].keys() - excluded
    return any(rules.weight_of(table, category) for category in (*known, "default"))


def _by_caps(rules: RuleSet, leaf: Leaf) -> Iterator[Decimal]:
    """What each cap leaves of the window. Multiplied points are capped like others."""
    for cap in rules.caps:
        if cap.m == leaf.m and leaf.win.length is not None:
            yield Decimal(cap.max * touched(cap.per, leaf.win))


def _bundled(rules: RuleSet, leaf: Leaf) -> int:
    """What bundles grant at most within the window: beside the caps, each once in each of its periods."""
    return sum(
        points * touched(bundle.window, leaf.win)
        for bundle in rules.bundles
        for metric, points in bundle.grants
        if metric == leaf.m
    )


def touched(period: str, window: Window) -> int:
    """Into how many days, weeks or months a window that has a beginning can reach at most."""
    days = window.length or 0
    if period == "day":
        return days
    if period == "week":
        return 1 if window.span is Span.WEEK else ceil((days - 1) / 7) + 1
    # A window reaches furthest when it begins on the last day of a month.
    ends = [(first - _ONE_DAY, first + (days - 2) * _ONE_DAY) for first in _MONTHS]
    return max((last.year - first.year) * 12 + last.month - first.month + 1 for first, last in ends)
