"""Conditions against a member's metrics. Every leaf is looked at, also when the answer is already known.

A trace is what the progress bar, nudges and "why am I here" read later, so it says all that they need.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from membership.rules.catalogue import Missing, Window
from membership.rules.dump import dump_value
from membership.rules.nodes import Condition, Leaf, RuleSet, Tier, Value


class Metrics(Protocol):
    def value(self, metric: str, window: Window, weights: str | None) -> Value | None:
        """The metric over the window, weighted by the named table; None when nothing is known of it."""


@dataclass(frozen=True, slots=True)
class LeafTrace:
    leaf: Leaf
    value: Value | None  # None: undefined
    effective: Value  # the threshold for this member
    passed: bool
    gap: Decimal | None  # what is missing, in the metric's unit; None when passed or undefined
    since: date | None = None  # the days whose buckets contributed, both included
    until: date | None = None
    formula: Mapping[str, Any] | None = None  # how a personal threshold came about, in JSON values


@dataclass(frozen=True, slots=True)
class GroupTrace:
    kind: str
    children: tuple["Trace", ...]
    passed: bool


Trace = LeafTrace | GroupTrace


@dataclass(frozen=True, slots=True)
class TierTrace:
    """One tier against one member. `enter` is None for a tier that no rule leads into."""

    rank: int
    enter: Trace | None
    gates: tuple[Trace, ...]
    passed: bool
    # What keeps a member in the tier; only where the member holds it.
    keep: Trace | None = None


@dataclass(frozen=True, slots=True)
class JumpTrace:
    id: str
    up: int
    when: Trace
    # A jump is made once; `when` may hold on long after.
    used: bool


# The threshold of a leaf for this member, and how it came about; None where it is the leaf's own.
Personal = Callable[[Leaf], tuple[Value, Mapping[str, Any]] | None]


def evaluate(condition: Condition, metrics: Metrics, today: date, personal: Personal | None = None) -> Trace:
    """The condition as of a Shanghai day. Groups do not stop early."""
    if isinstance(condition, Leaf):
        return _leaf(condition, metrics, today, personal)
    children = tuple(evaluate(child, metrics, today, personal) for child in condition.children)
    results = [child.passed for child in children]
    return GroupTrace(condition.kind, children, all(results) if condition.kind == "all" else any(results))


def holds(condition: Condition, metrics: Metrics, personal: Personal | None = None) -> bool:
    """Whether the condition holds: the answer of `evaluate` without its trace, and no longer than it takes to know."""
    if not isinstance(condition, Leaf):
        settles = condition.kind == "any"
        for child in condition.children:
            if holds(child, metrics, personal) is settles:
                return settles
        return not settles
    found = personal(condition) if personal is not None and condition.dyn else None
    return compare(_read(condition, metrics), condition.op, condition.v if found is None else found[0])


def evaluate_tier(tier: Tier, metrics: Metrics, today: date, personal: Personal | None = None) -> TierTrace:
    enter = evaluate(tier.enter, metrics, today, personal) if tier.enter is not None else None
    gates = tuple(evaluate(gate, metrics, today) for gate in tier.gates)
    passed = enter is not None and enter.passed and all(gate.passed for gate in gates)
    return TierTrace(tier.rank, enter, gates, passed)


def evaluate_tiers(rules: RuleSet, metrics: Metrics, today: date) -> tuple[TierTrace, ...]:
    """Every tier above the default one, by rank."""
    return tuple(evaluate_tier(tier, metrics, today) for tier in rules.tiers[1:])


def reached(rules: RuleSet, traces: tuple[TierTrace, ...]) -> int:
    """The highest rank whose conditions hold; a tier may be reached without those between."""
    return max((trace.rank for trace in traces if trace.passed), default=rules.default_tier.rank)


def compare(value: Value | None, op: str, threshold: Value) -> bool:
    """Any comparison with an undefined value is false."""
    if value is None:
        return False
    match op:
        case ">=":
            return value >= threshold
        case ">":
            return value > threshold
        case "<=":
            return value <= threshold
        case "<":
            return value < threshold
        case "==":
            return value == threshold
        case "!=":
            return value != threshold
    raise ValueError(op)


def gap_of(value: Value | None, op: str, threshold: Value, step: Decimal) -> Decimal | None:
    """By how much the value has to move for the comparison to hold: None when it holds, or when nothing is known."""
    if value is None or compare(value, op, threshold):
        return None
    if isinstance(value, bool) or op == "!=":
        return step
    distance = abs(Decimal(threshold) - Decimal(value))
    return distance + step if op in (">", "<") else distance


def _leaf(leaf: Leaf, metrics: Metrics, today: date, personal: Personal | None) -> LeafTrace:
    value = _read(leaf, metrics)
    found = personal(leaf) if personal is not None and leaf.dyn else None
    threshold, formula = (leaf.v, None) if found is None else found
    passed = compare(value, leaf.op, threshold)
    gap = gap_of(value, leaf.op, threshold, leaf.metric.step)
    since = leaf.win.first_day(today)
    return LeafTrace(leaf, value, threshold, passed, gap, since, today if since else None, formula)


def _read(leaf: Leaf, metrics: Metrics) -> Value | None:
    value = metrics.value(leaf.m, leaf.win, leaf.w)
    return _MISSING[leaf.metric.missing] if value is None else value


_MISSING: dict[Missing, Value | None] = {Missing.ZERO: Decimal(0), Missing.FALSE: False, Missing.UNDEFINED: None}


def leaf_traces(trace: Trace) -> Iterator[LeafTrace]:
    if isinstance(trace, LeafTrace):
        yield trace
        return
    for child in trace.children:
        yield from leaf_traces(child)


def unmet(trace: Trace) -> Iterator[LeafTrace]:
    """The leaves that still have to be met; of an `any` that holds, none."""
    if trace.passed:
        return
    if isinstance(trace, LeafTrace):
        yield trace
        return
    for child in trace.children:
        yield from unmet(child)


def progress(trace: Trace) -> Decimal:
    """How far along, from 0 to 1: of `all` the mean, of `any` the best."""
    if trace.passed:
        return Decimal(1)
    if isinstance(trace, GroupTrace):
        parts = [progress(child) for child in trace.children]
        return max(parts) if trace.kind == "any" else sum(parts, Decimal(0)) / len(parts)
    if trace.leaf.op not in (">=", ">") or trace.value is None or not trace.effective:
        return Decimal(0)
    return min(Decimal(trace.value) / Decimal(trace.effective), Decimal("0.99"))


def gaps(trace: TierTrace) -> dict[str, Any]:
    """What is missing, by leaf key, as JSON; null where the value is undefined. Of two thresholds, the nearer."""
    found: dict[str, LeafTrace] = {}
    for part in (*((trace.enter,) if trace.enter else ()), *trace.gates):
        for leaf in unmet(part):
            known = found.get(leaf.leaf.key)
            if known is None or (leaf.gap or 0) < (known.gap or 0):
                found[leaf.leaf.key] = leaf
    return {key: dump_value(leaf.gap, leaf.leaf.metric.kind) for key, leaf in found.items()}
