"""What would come of something for one member: computed by the engine that decides, and not stored. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from membership.engine.facts import Fact
from membership.engine.fold import Fold, compensation
from membership.engine.state import load_state
from membership.models import MemberTier, TierDecision
from membership.selectors.rules import published_versions
from membership.services.evaluation import columns_of, decision_row, folded_again, open_folds, world_of


@dataclass(frozen=True)
class Foreseen:
    """Where the member would stand, by the columns of MemberTier, and the decisions that would be made (unsaved rows)."""

    columns: dict[str, Any]
    decisions: tuple[TierDecision, ...]

    @property
    def rank(self) -> int:
        return self.columns["rank"]


def if_evaluated(*, member: MemberTier, at: datetime) -> Foreseen:
    """Let time pass until `at`, as the nightly pass would; a member that was never folded is folded from the start."""
    versions = published_versions(member.program_id)
    fold = open_folds([member], versions, at=at).get(member.pk)
    if fold is None:
        return _answered(member, folded_again(member, world_of(member, versions), at), at, reversal=False)
    fold.advance(at)
    return Foreseen(columns_of(fold, at=at), tuple(decision_row(member, one) for one in fold.decisions))


def if_marked(*, member: MemberTier, refs: Collection[str], reason: str, at: datetime) -> Foreseen:
    """Fold the whole life again as if these facts did not count for `reason`; empty: as if they counted again."""
    world = world_of(member, published_versions(member.program_id))
    fold = folded_again(member, world, at, dict.fromkeys(refs, reason))
    return _answered(member, fold, at, reversal=bool(reason))


def if_told(*, member: MemberTier, fact: Fact, at: datetime) -> Foreseen:
    """Fold the whole life again as if this fact were recorded too."""
    world = world_of(member, published_versions(member.program_id))
    return _answered(member, folded_again(member, world, at, news=[fact]), at, reversal=bool(fact.reverses))


def _answered(member: MemberTier, fold: Fold, at: datetime, *, reversal: bool) -> Foreseen:
    before = load_state(member.state) if member.state else fold.state
    shown = replace(before, shown=member.rank, shown_stage=member.stage) if before is not None else None
    answer = compensation(shown, fold, at=at, ref="", reversal=reversal) if shown is not None else None
    return Foreseen(columns_of(fold, at=at), (decision_row(member, answer),) if answer is not None else ())
