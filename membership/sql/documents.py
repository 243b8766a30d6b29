"""What is stored of members whom SQL judges: their figures in short (membership.engine.compact), and what is missing."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from membership.engine.compact import MARK, measured
from membership.rules.catalogue import Kind
from membership.rules.dump import dump_value
from membership.rules.nodes import Condition, Leaf, Tier
from membership.selectors.rules import Published
from membership.sql.conditions import Ladder, all_of, any_of, holds, passes, read
from membership.sql.fragments import NULL, Sql, fill, join


def figures_array(ladder: Ladder) -> Sql:
    """A JSON array of what the rules measure."""
    found = (_written(read(leaf, ladder.rules, ladder.figures), leaf.metric.kind) for leaf in measured(ladder.rules))
    return fill("jsonb_build_array({found})", found=join(", ", found))


def evaluation_document(figures: Sql, version: Published, day: date) -> Sql:
    return _in_short(figures, {"day": day.isoformat(), "rules": version.sha256[:MARK]})


def trace_document(figures: Sql, version: Published) -> Sql:
    """The trace of a decision, whose row says the day."""
    return _in_short(figures, {"rules": version.sha256[:MARK]})


def _in_short(figures: Sql, known: dict[str, str]) -> Sql:
    return fill("({known} || jsonb_build_object('figures', {figures}))", known=_constant(known), figures=figures)


def gap_document(ladder: Ladder, rank: Sql) -> Sql:
    """What is missing for the tier after `rank`, as membership.rules.evaluate.gaps says it: {leaf key: gap}."""
    cases = [
        fill("WHEN {rank} < {above} THEN {gaps}", rank=rank, above=tier.rank, gaps=_gaps(ladder, tier))
        for tier in ladder.rules.tiers[1:]
    ]
    return fill("(CASE {cases} ELSE '{{}}'::jsonb END)", cases=join(" ", cases))


def _gaps(ladder: Ladder, tier: Tier) -> Sql:
    unmet: dict[str, list[tuple[Leaf, Sql]]] = {}
    for part in (*((tier.enter,) if tier.enter is not None else ()), *tier.gates):
        for leaf, missing in _unmet(ladder, part, []):
            unmet.setdefault(leaf.key, []).append((leaf, missing))
    if not unmet:
        return Sql("'{}'::jsonb")
    return join(" || ", (_nearest(ladder, key, found) for key, found in unmet.items()))


def _unmet(ladder: Ladder, condition: Condition, above: list[Sql]) -> Iterator[tuple[Leaf, Sql]]:
    """Leaves, with whether each still has to be met: not where something above it holds."""
    if isinstance(condition, Leaf):
        failed = [*above, ladder.figures.flag(passes(condition, ladder.rules, ladder.figures))]
        yield condition, all_of(fill("NOT {flag}", flag=flag) for flag in failed)
        return
    held = ladder.figures.flag(holds(condition, ladder.rules, ladder.figures))
    for child in condition.children:
        yield from _unmet(ladder, child, [*above, held])


def _nearest(ladder: Ladder, key: str, found: list[tuple[Leaf, Sql]]) -> Sql:
    """Of several thresholds of one key, the nearest that is not met."""
    leaf = found[0][0]
    if leaf.metric.kind is Kind.FLAG:
        gap = _constant(dump_value(leaf.metric.step, Kind.FLAG))
    else:
        gaps = (fill("CASE WHEN {unmet} THEN {gap} END", unmet=unmet, gap=_gap(ladder, one)) for one, unmet in found)
        gap = _written(fill("LEAST({gaps})", gaps=join(", ", gaps)), leaf.metric.kind)
    return fill(
        "CASE WHEN {unmet} THEN jsonb_build_object({key}, {gap}) ELSE '{{}}'::jsonb END",
        unmet=any_of(unmet for _, unmet in found),
        key=key,
        gap=gap,
    )


def _gap(ladder: Ladder, leaf: Leaf) -> Sql:
    """By how much the value has to move, as membership.rules.evaluate.gap_of; NULL where it is undefined."""
    value, step = read(leaf, ladder.rules, ladder.figures), leaf.metric.step
    if leaf.op == "!=":
        return fill("CASE WHEN {value} IS NOT NULL THEN {step} ELSE {null} END", value=value, step=step, null=NULL)
    distance = fill("abs({v} - {value})", v=leaf.v, value=value)
    return fill("({distance} + {step})", distance=distance, step=step) if leaf.op in (">", "<") else distance


def _written(value: Sql, kind: Kind) -> Sql:
    """A value as JSON: money and ratios as text, so that no float comes near them."""
    if kind is Kind.FLAG:
        return value
    if kind is Kind.MONEY:
        return fill("round({value}, 2)::text", value=value)
    if kind is Kind.RATIO:
        return fill("trim_scale(({value})::numeric)::text", value=value)
    return fill("({value})::bigint", value=value)


def _constant(value: Any) -> Sql:
    return Sql("%s::jsonb", (json.dumps(value, ensure_ascii=False),))
