"""Evaluations in short: the figures alone. With the rules and the rank they say all that a trace says.

A pass over a million members stores these; what the engine judges one by one it stores in full. Who reads expands them.
Nothing is looked up again: the figures are those of the day on which they were stored, and a version never changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from membership.engine.judge import keep_condition
from membership.rules.catalogue import METRICS, Kind, Window
from membership.rules.evaluate import JumpTrace, TierTrace, evaluate, evaluate_tier
from membership.rules.nodes import Leaf, RuleSet, Value
from membership.rules.traces import load_jump_traces, load_tier_traces

# How much of the fingerprint of the rules stands beside the figures.
MARK = 16

# The rules of a version by its number and the beginning of its fingerprint.
Rules = Callable[[int, str], RuleSet]
# What stands in a column: figures in short, or {"tiers", "jumps"}; of a decision also a list of both.
Stored = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Traces = tuple[list[TierTrace], list[JumpTrace]]


def measured(rules: RuleSet) -> list[Leaf]:
    """What is measured, each once, in the order in which the figures stand: a leaf for every key."""
    return list({leaf.key: leaf for leaf in rules.leaves()}.values())


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """Metrics that were stored: {leaf key: value}."""

    values: Mapping[str, Value | None]

    def value(self, metric: str, window: Window, weights: str | None) -> Value | None:
        return self.values[Leaf(metric, window, "==", Decimal(0), weights).key]


def read_figures(rules: RuleSet, stored: Sequence[Any]) -> StoredFigures:
    """Raises ValueError for figures of other rules."""
    return StoredFigures(
        {leaf.key: _value(leaf, found) for leaf, found in zip(measured(rules), stored, strict=True)},
    )


def _value(leaf: Leaf, stored: Any) -> Value | None:
    if stored is None or METRICS[leaf.m].kind is Kind.FLAG:
        return stored
    return Decimal(str(stored))


def traces_of(rules: RuleSet, figures: StoredFigures, day: date, rank: int) -> Traces:
    """Every tier above the default one, and every jump, for a member of `rank` without offers and jumps."""
    tiers = []
    for tier in rules.tiers[1:]:
        trace = evaluate_tier(tier, figures, day)
        keep = keep_condition(tier) if tier.rank == rank else None
        tiers.append(replace(trace, keep=evaluate(keep, figures, day)) if keep is not None else trace)
    jumps = [JumpTrace(jump.id, jump.up, evaluate(jump.when, figures, day), False) for jump in rules.jumps]
    return tiers, jumps


def stored_traces(stored: Stored, *, version_id: int, rank: int, day: date, rules: Rules) -> Traces:
    """The traces of an evaluation or a decision, however they are stored."""
    if not isinstance(stored, Mapping):
        return load_tier_traces(list(stored)), load_jump_traces(list(stored))
    if "figures" in stored:
        version = rules(version_id, stored["rules"])
        return traces_of(version, read_figures(version, stored["figures"]), day, rank)
    return load_tier_traces(stored["tiers"]), load_jump_traces(stored.get("jumps", []))
