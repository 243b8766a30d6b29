"""A member as they are heard of: facts in any order, each answered by the decisions that it leads to."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from membership.engine.decisions import Decision
from membership.engine.facts import Fact, History
from membership.engine.fold import Fold, compensation, refold, refold_since
from membership.engine.step import World


@dataclass
class Member:
    """All of it in memory. `decisions` collects what was decided, as it was decided."""

    world: World
    history: History = field(default_factory=History)
    decisions: list[Decision] = field(default_factory=list)
    started: datetime | None = None

    def __post_init__(self) -> None:
        # How long others stay is known better by and by: what it once offered is looked at again from the beginning.
        self.trailing = not any(version.rules.dynamic for version in self.world.timeline.versions)
        self.fold = Fold.fresh(self.world, trailing=self.trailing)

    def begin(self, at: datetime, ref: str = "") -> None:
        self.started = at
        self.fold.begin(at, ref)
        self._take()

    def advance(self, to: datetime) -> None:
        if self.fold.state is not None:
            self.fold.advance(to)
            self._take()

    def hear(self, facts: Sequence[Fact], at: datetime, ref: str = "") -> None:
        """Hear facts at one moment. Those that are dated earlier, and reversals, fold the member again.

        So do those of a moment of which something was heard already: what happens at one moment is one step.
        """
        self.advance(at)
        again = self.history.knows(at)
        fresh = [fact for fact in facts if self.history.add(fact)]
        if not fresh:
            return
        now = [fact for fact in fresh if fact.at == at and not fact.reverses and not again]
        late = [fact for fact in fresh if fact not in now]
        if now or self.fold.state is None:
            by_ref = sorted(now, key=lambda fact: fact.ref)
            nets = [net for fact in by_ref if (net := self.history.net(fact.ref)) is not None]
            self.fold.hear(at, nets, ref or (now or late)[-1].ref)
            self.started = self.started or at
            self._take()
        moved = [target.at for fact in late if (target := self.history.target(fact)) is not None]
        if moved:
            self.refold(
                at,
                ref or late[-1].ref,
                reversal=any(fact.reverses for fact in late),
                since=min(moved),
                news={fact.ref for fact in late},
            )

    def refold(
        self, at: datetime, ref: str, *, reversal: bool, since: datetime | None = None, news: Collection[str] = ()
    ) -> None:
        """Fold the member again: from `since` on, where nothing that happened before is known otherwise than it was."""
        before, started = self.fold.state, self.started
        if before is None or started is None:
            raise ValueError("a member begins before they are folded again")
        again = refold_since(self.fold, self.history, since, at) if since is not None else None
        if again is None:
            again = refold(self.world, self.history, started, at, trailing=self.trailing)
        answer = compensation(before, again, at=at, ref=ref, reversal=reversal, news=news)
        self.fold = again
        self.fold.decisions.clear()
        if answer is not None:
            self.decisions.append(answer)

    def _take(self) -> None:
        self.decisions += self.fold.decisions
        self.fold.decisions.clear()
