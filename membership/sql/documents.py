"""The stored form of traces, written by SQL: what `membership.rules.traces` dumps, for members without offers and jumps.

The night stores it for members whose figures changed and whose tier did not; decisions and their traces are the engine's.
"""

import json
from collections.abc import Iterable
from typing import Any

from membership.engine.judge import keep_condition
from membership.rules.catalogue import Kind
from membership.rules.dump import dump_value
from membership.rules.nodes import Condition, Jump, Leaf, Tier
from membership.sql.conditions import Ladder, holds, passes, read
from membership.sql.fragments import Sql, fill, join


def tiers_document(ladder: Ladder, rank: Sql) -> Sql:
    """A JSON array: every tier above the default one by rank; what keeps stands with the tier of `rank`."""
    return _array(_tier(ladder, tier, rank) for tier in ladder.rules.tiers[1:])


def jumps_document(ladder: Ladder) -> Sql:
    """A JSON array: every jump, not made."""
    return _array(_jump(ladder, jump) for jump in ladder.rules.jumps)


def _tier(ladder: Ladder, tier: Tier, rank: Sql) -> Sql:
    document = _object(
        rank=_constant(tier.rank),
        **{"pass": ladder.goes_in(tier)},
        enter=_trace(ladder, tier.enter) if tier.enter is not None else _constant(None),
        gates=_array(_trace(ladder, gate) for gate in tier.gates),
    )
    keep = keep_condition(tier)
    if keep is None:
        return document
    return fill(
        "({document} || CASE WHEN {rank} = {one} THEN {keep} ELSE '{{}}'::jsonb END)",
        document=document,
        rank=rank,
        one=tier.rank,
        keep=_object(keep=_trace(ladder, keep)),
    )


def _jump(ladder: Ladder, jump: Jump) -> Sql:
    return fill(
        "({known} || {when})",
        known=_constant({"jump": jump.id, "up": jump.up, "used": False}),
        when=_object(when=_trace(ladder, jump.when)),
    )


def _trace(ladder: Ladder, condition: Condition) -> Sql:
    if isinstance(condition, Leaf):
        return _leaf(ladder, condition)
    passed = ladder.figures.flag(holds(condition, ladder.rules, ladder.figures))
    return _object(**{condition.kind: _array(_trace(ladder, child) for child in condition.children), "pass": passed})


def _leaf(ladder: Ladder, leaf: Leaf) -> Sql:
    value = read(leaf, ladder.rules, ladder.figures)
    passed = ladder.figures.flag(passes(leaf, ladder.rules, ladder.figures))
    return fill(
        "({known} || {found} || CASE WHEN NOT {passed} AND {value} IS NOT NULL THEN {gap} ELSE '{{}}'::jsonb END)",
        known=_constant(_known(ladder, leaf)),
        found=_object(**{"value": _written(value, leaf.metric.kind), "pass": passed}),
        passed=passed,
        value=value,
        gap=_object(gap=_gap(leaf, value)),
    )


def _known(ladder: Ladder, leaf: Leaf) -> dict[str, Any]:
    """What the trace says of every member."""
    threshold = dump_value(leaf.v, leaf.metric.kind)
    known = {"m": leaf.m, "win": str(leaf.win), "w": leaf.w, "op": leaf.op, "dyn": leaf.dyn, "v": threshold}
    known["effective"] = threshold
    since = leaf.win.first_day(ladder.figures.today)
    if since is not None:
        known |= {"since": since.isoformat(), "until": ladder.figures.today.isoformat()}
    return {key: value for key, value in known.items() if value is not None}


def _gap(leaf: Leaf, value: Sql) -> Sql:
    """By how much the value has to move, as membership.rules.evaluate.gap_of."""
    kind, step = leaf.metric.kind, leaf.metric.step
    if kind is Kind.FLAG or leaf.op == "!=":
        return _constant(dump_value(step, kind))
    distance = fill("abs({v} - {value})", v=leaf.v, value=value)
    if leaf.op in (">", "<"):
        distance = fill("({distance} + {step})", distance=distance, step=step)
    return _written(distance, kind)


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


def _object(**members: Sql) -> Sql:
    pairs = (fill("{key}, {value}", key=key, value=value) for key, value in members.items())
    return fill("jsonb_build_object({pairs})", pairs=join(", ", pairs))


def _array(parts: Iterable[Sql]) -> Sql:
    return fill("jsonb_build_array({parts})", parts=join(", ", parts))
