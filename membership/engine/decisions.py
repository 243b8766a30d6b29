"""Decisions: what changed, why, on what figures."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from membership.engine.judge import Judge
from membership.rules.evaluate import JumpTrace, LeafTrace, TierTrace, gaps


class Cause(StrEnum):
    DEFAULT = "default"
    ENTER = "enter"
    JUMP = "jump"
    GATE = "gate"
    WARN = "warn"
    GRACE = "grace"
    DOWN = "down"
    OVERRIDE = "override"
    OVERRIDE_EXPIRED = "override_expired"
    REVERSAL = "reversal"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Decision:
    """`leaves` are the comparisons that decided; `tiers` and `jumps` everything that was looked at.

    `day` is the moment whose figures decided: earlier than `at` where a fact came late. `gap` is what is missing for the
    tier after `to_rank`.
    """

    at: datetime
    from_rank: int | None
    to_rank: int
    stage: str
    cause: Cause
    ref: str
    version: int
    moment: datetime
    leaves: tuple[LeafTrace, ...]
    tiers: tuple[TierTrace, ...]
    jumps: tuple[JumpTrace, ...]
    gap: Mapping[str, Any]


def decide(
    judge: Judge,
    *,
    at: datetime,
    from_rank: int | None,
    to_rank: int,
    stage: str,
    cause: Cause,
    ref: str,
    jump: str = "",
    earlier: Judge | None = None,
) -> Decision:
    """Write down a change with everything that led to it. `judge` knows the state after the change, `earlier` before.

    `jump` is the jump that was made, or the one that a reversal took back.
    """
    above = judge.next_above(to_rank)
    return Decision(
        at=at,
        from_rank=from_rank,
        to_rank=to_rank,
        stage=stage,
        cause=cause,
        ref=ref,
        version=judge.version.pk,
        moment=at,
        leaves=_deciding(judge, earlier or judge, from_rank, to_rank, cause, jump),
        tiers=judge.tier_traces(),
        jumps=judge.jump_traces(),
        gap=gaps(above) if above is not None else {},
    )


def _deciding(
    judge: Judge, earlier: Judge, from_rank: int | None, to_rank: int, cause: Cause, jump: str
) -> tuple[LeafTrace, ...]:
    before = to_rank if from_rank is None else from_rank
    # Of whoever falls, every tier that was passed says why it does not hold.
    passed = judge.between(to_rank, before)
    match cause:
        case Cause.DEFAULT:
            above = judge.rules.tier_after(to_rank)
            return judge.entry_leaves(above.rank) if above is not None else ()
        case Cause.JUMP:
            return (*judge.jump_leaves(jump), *judge.gate_leaves(to_rank))
        case Cause.GATE:
            return _of_each(earlier.gate_leaves, passed)
        case Cause.WARN | Cause.GRACE:
            return earlier.keep_leaves(before)
        case Cause.DOWN:
            return (*earlier.keep_leaves(before), *_of_each(earlier.loss_leaves, passed[1:]))
        case Cause.OVERRIDE:
            return judge.entry_leaves(to_rank)
    lost = judge.jump_leaves(jump) if jump else ()
    return (*lost, *_of_each(judge.entry_leaves, passed or [to_rank]))


def _of_each(leaves: Callable[[int], tuple[LeafTrace, ...]], ranks: Iterable[int]) -> tuple[LeafTrace, ...]:
    return tuple(leaf for rank in ranks for leaf in leaves(rank))
