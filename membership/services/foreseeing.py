"""What would come of something for one member: computed by the engine that decides, and not stored. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from accounts.models import User
from membership.engine.fold import Fold, compensation, refold
from membership.engine.state import load_state
from membership.engine.step import World
from membership.engine.versions import Timeline
from membership.models import MemberTier, TierDecision
from membership.selectors.books import StoredStays, load_history, load_overrides
from membership.selectors.rules import published_versions
from membership.services.evaluation import columns_of, decision_row, open_folds


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
    folds = open_folds([member], published_versions(member.program_id), at=at)
    fold = folds.get(member.pk)
    if fold is None:
        return _answered(member, _again(member, at, {}), at, reversal=False)
    fold.advance(at)
    return Foreseen(columns_of(fold, at=at), tuple(decision_row(member, one) for one in fold.decisions))


def if_marked(*, member: MemberTier, refs: Collection[str], reason: str, at: datetime) -> Foreseen:
    """Fold the whole life again as if these facts did not count for `reason`; empty: as if they counted again."""
    fold = _again(member, at, dict.fromkeys(refs, reason))
    return _answered(member, fold, at, reversal=bool(reason))


def _again(member: MemberTier, at: datetime, marks: dict[str, str]) -> Fold:
    history = load_history(member.pk)
    for ref, reason in marks.items():
        history.marks[ref] = reason
    joined = User.objects.values_list("date_joined", flat=True).get(pk=member.user_id)
    first = history.first_at()
    overrides = load_overrides([member.pk]).get(member.pk, ())
    world = World(Timeline(published_versions(member.program_id)), StoredStays(member.program_id), overrides)
    return refold(world, history, min(joined, first) if first is not None else joined, at)


def _answered(member: MemberTier, fold: Fold, at: datetime, *, reversal: bool) -> Foreseen:
    before = load_state(member.state) if member.state else fold.state
    shown = replace(before, shown=member.rank, shown_stage=member.stage) if before is not None else None
    answer = compensation(shown, fold, at=at, ref="", reversal=reversal) if shown is not None else None
    return Foreseen(columns_of(fold, at=at), (decision_row(member, answer),) if answer is not None else ())
