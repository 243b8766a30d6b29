"""Conditions as bars: figures for machines, texts for people, from a stored trace. Computes no metric."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.utils.translation import gettext as _

from membership.rules.dump import dump_value
from membership.rules.evaluate import GroupTrace, LeafTrace, TierTrace, Trace, progress
from membership.rules.render import gap_text, subject_text, value_text
from membership.selectors.prices import plain_number
from membership.selectors.rules import Published


@dataclass(frozen=True)
class Leaving:
    """What a window holds and will not hold from `day` on."""

    day: date
    text: str


@dataclass(frozen=True)
class Bar:
    """One condition of a tier: figures for machines, texts for people. `since` and `until` are the days that count."""

    key: str
    metric: str
    window: str
    value: Any
    target: Any
    gap: Any
    passed: bool
    percent: int
    label: str
    value_text: str
    target_text: str
    todo: str
    since: date | None
    until: date | None
    # How a personal threshold came about; empty where the threshold is everybody's.
    formula: str = ""
    # What leaves the window next.
    leaving: "Leaving | None" = None


@dataclass(frozen=True)
class Part:
    """A condition as it is nested: a bar, or `all` or `any` of further parts."""

    kind: str
    passed: bool
    bar: Bar | None = None
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class TierFindings:
    """What was found for one tier; `keep` for the tier that was held."""

    name: str
    passed: bool
    parts: tuple[Part, ...]
    keep: tuple[Part, ...] = ()


def tier_parts(trace: TierTrace) -> tuple[Part, ...]:
    return tuple(part_of(part) for part in (trace.enter, *trace.gates) if part is not None)


def part_of(trace: Trace) -> Part:
    if isinstance(trace, GroupTrace):
        return Part(trace.kind, trace.passed, parts=tuple(part_of(child) for child in trace.children))
    return Part("bar", trace.passed, bar=bar_of(trace))


def bar_of(trace: LeafTrace) -> Bar:
    leaf, metric = trace.leaf, trace.leaf.metric
    return Bar(
        key=leaf.key,
        metric=leaf.m,
        window=str(leaf.win),
        value=dump_value(trace.value, metric.kind),
        target=dump_value(trace.effective, metric.kind),
        gap=dump_value(trace.gap, metric.kind),
        passed=trace.passed,
        percent=percent_of(trace),
        label=subject_text(leaf),
        value_text=value_text(trace.value, metric),
        target_text=value_text(trace.effective, metric),
        todo=gap_text(trace),
        since=trace.since,
        until=trace.until,
        formula=formula_text(trace),
    )


def formula_text(trace: LeafTrace) -> str:
    """`base × factor` and why this member was offered it; empty without a personal threshold."""
    formula = trace.formula
    if formula is None:
        return ""
    metric = trace.leaf.metric
    # Translators: such as "动态门槛：1,000 点 × 0.8；停留 31 天，平均 30 天，活跃度上升".
    return _("动态门槛：%(base)s × %(factor)s；停留 %(stay)s 天，平均 %(mean)s 天，活跃度上升；%(until)s 前有效") % {
        "base": value_text(trace.leaf.v, metric),
        "factor": formula["factor"],
        "stay": formula["stay_days"],
        "mean": plain_number(Decimal(formula["mean_stay_days"])),
        "until": formula["until"],
    }


def percent_of(trace: Trace) -> int:
    """Rounded down: a bar is full only when the condition holds."""
    return int((progress(trace) * 100).quantize(Decimal(1), rounding=ROUND_DOWN))


def tier_called(version: Published, rank: int) -> str:
    tier = version.tiers.get(rank)
    return str(tier) if tier is not None else _("等级 %(rank)s") % {"rank": rank}


def findings_of(trace: TierTrace, version: Published) -> TierFindings:
    keep = (part_of(trace.keep),) if trace.keep is not None else ()
    return TierFindings(tier_called(version, trace.rank), trace.passed, tier_parts(trace), keep)
