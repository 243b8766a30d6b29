"""A member's life as the fold of steps over days and the events within them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise

from common.clock import day_of, start_of_day
from membership.engine.decisions import Cause, Decision, decide
from membership.engine.facts import History, Net
from membership.engine.judge import Judge
from membership.engine.state import ACTIVE, GRACE, State
from membership.engine.step import World, begin, next_check, show_overrides, step
from membership.engine.tally import DaySums, Tally


@dataclass(frozen=True, slots=True)
class Spell:
    """A completed stay in a tier, in days."""

    rank: int
    days: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where a step led, and what it decided."""

    state: State
    decisions: tuple[Decision, ...]
    moved: bool


@dataclass
class Fold:
    """Walks forward through time. What is heard must not be dated before what was heard."""

    world: World
    tally: Tally
    state: State | None = None
    decisions: list[Decision] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    # Every step, where somebody means to come back to one of them; None where nobody does.
    trail: list[Footprint] | None = None
    _day: date | None = None
    _sums: DaySums = field(default_factory=DaySums)
    _nets: list[Net] = field(default_factory=list)
    _due: datetime | None = None
    _due_known: bool = False
    _moved: bool = True

    @classmethod
    def fresh(cls, world: World, *, trailing: bool = False) -> "Fold":
        return cls(world, Tally(world.timeline.rules_on), trail=[] if trailing else None)

    @classmethod
    def resumed(cls, world: World, tally: Tally, state: State, due: datetime | None) -> "Fold":
        """A fold as it was left, `due` then. Overrides and versions that came since may be due earlier."""
        changes = [moment for one in world.overrides for moment in (one.since, one.until)]
        moments = [due, world.timeline.next_after(state.at), *changes]
        fold = cls(world, tally, state)
        fold._due = min((moment for moment in moments if moment is not None and moment > state.at), default=None)
        fold._due_known = True
        return fold

    def begin(self, at: datetime, ref: str = "") -> None:
        self.state, decision = begin(self.world, self.tally.book, at, ref)
        self.decisions.append(decision)
        self.state, made = show_overrides(self.world, self.state, self.tally.book, at)
        self.decisions += made
        if self.trail is not None:
            self.trail.append(Footprint(self.state, (decision, *made), moved=True))

    def due(self) -> datetime | None:
        """The next moment at which time alone may change something."""
        if not self._due_known and self.state is not None:
            self._due = next_check(self.world, self.state, self.tally.book, self.state.at, moved=self._moved)
            self._due_known = True
        return self._due

    def advance(self, to: datetime) -> None:
        """Take every step that time alone brings, up to and including `to`."""
        while (due := self.due()) is not None and due <= to:
            self._step(due, midnight=due == start_of_day(day_of(due)))

    def hear(self, at: datetime, nets: Sequence[Net], ref: str) -> None:
        """Take what happened at one moment, by reference; a member begins with `ref`.

        What does not count is no step: folded again, nobody would see it.
        """
        if self.state is not None:
            self.advance(at)
        earlier = self._nets if day_of(at) == self._day else []
        self.count(at, nets)
        if self.state is None:
            self.begin(at, ref)
        if nets:
            self._step(at, nets, earlier)

    def go_on(self, at: datetime, nets: Sequence[Net], earlier: Iterable[Net]) -> None:
        """Take a step on sums that were moved already by `nets`, which came after `earlier` of that day."""
        self._step(at, nets, earlier)

    def count(self, at: datetime, nets: Sequence[Net]) -> None:
        """Add to the sums without a step."""
        day = day_of(at)
        if day != self._day:
            self._day, self._sums, self._nets = day, DaySums(), []
        for net in nets:
            self._sums.add(net)
        if nets:
            self._nets = [*self._nets, *nets]
            self.tally.put_day(day, self._sums)

    def run(self, history: History, to: datetime, since: datetime | None = None) -> None:
        """Hear all of a history up to a moment, or what is dated from `since` on, and let time pass until then."""
        for at, nets in history.moments():
            if at > to:
                break
            if since is None or at >= since:
                self.hear(at, nets, nets[-1].fact.ref)
        self.advance(to)

    def return_to(self, trail: Sequence[Footprint], history: History, moment: datetime) -> None:
        """Make a fresh fold what another was before a moment, after these of its steps, without taking them again."""
        for at, nets in history.moments():
            if at >= moment:
                break
            self.count(at, nets)
        self.trail = list(trail)
        self.state, self._moved = trail[-1].state, trail[-1].moved
        self.decisions = [decision for one in trail for decision in one.decisions]
        states = [one.state for one in trail]
        self.spells = [_spell(left, came) for left, came in pairwise(states) if left.rank != came.rank]

    def _step(
        self, at: datetime, nets: Sequence[Net] = (), earlier: Iterable[Net] = (), *, midnight: bool = False
    ) -> None:
        before = self.state
        if before is None:
            raise ValueError("a fold begins before it steps")
        # Facts from before the beginning count from the beginning on.
        at = max(at, before.at)
        ref = nets[-1].fact.ref if nets else ""
        self.state, made = step(self.world, before, self.tally.book, at, ref=ref, midnight=midnight)
        if made and len(nets) > 1:
            decider = self._decider(before, at, nets, list(earlier), made)
            made = [replace(one, ref=decider) if one.ref == ref else one for one in made]
        self.decisions += made
        self._due_known = False
        self._moved = not self.state.stands_like(before)
        if self.trail is not None:
            self.trail.append(Footprint(self.state, tuple(made), self._moved))
        if self.state.rank != before.rank:
            self.spells.append(_spell(before, self.state))

    def _decider(
        self, before: State, at: datetime, nets: Sequence[Net], earlier: Sequence[Net], made: Sequence[Decision]
    ) -> str:
        """Of facts of one moment the one that decided: without it and those after it, something else is decided."""
        day = day_of(nets[0].fact.at)
        place = len(nets) - 1
        while place:
            self.tally.put_day(day, DaySums.of([*earlier, *nets[:place]]))
            _, without = step(self.world, before, self.tally.book, at)
            if [_outcome(one) for one in without] != [_outcome(one) for one in made]:
                break
            place -= 1
        self.tally.put_day(day, DaySums.of([*earlier, *nets]))
        return nets[place].fact.ref


def _outcome(decision: Decision) -> tuple:
    return decision.from_rank, decision.to_rank, decision.stage, decision.cause


def _spell(left: State, came: State) -> Spell:
    return Spell(left.rank, (day_of(came.since) - day_of(left.since)).days)


def compensation(
    before: State, after: Fold, *, at: datetime, ref: str, reversal: bool, news: Collection[str] = ()
) -> Decision | None:
    """The decision that answers a fact which came late: from where the member stood to where the new fold ends.

    None when nobody would see a difference. What a reversal moves is of that cause; what a late fact brings, of its own.
    Of several facts that came, `news`, the one is named that leads to where the member stands, else `ref`.
    """
    state = after.state
    if state is None or (state.shown == before.shown and state.shown_stage in (before.shown_stage, ACTIVE)):
        return None
    brought = [one for one in after.decisions if one.to_rank == state.shown and one.from_rank != one.to_rank][-1]
    ref = brought.ref if brought.ref in news else ref
    if state.shown == before.shown:
        cause = Cause.GRACE if state.shown_stage == GRACE else Cause.WARN
    elif reversal or brought.cause == Cause.DEFAULT:
        cause = Cause.REVERSAL
    else:
        cause = brought.cause
    if state.shown > before.shown:
        # The day on which it was reached explains it; today may not.
        return replace(brought, at=at, from_rank=before.shown, stage=state.shown_stage, cause=cause, ref=ref)
    judge = Judge(after.world.timeline.at(at), after.tally.book, state, at)
    lost = sorted({name for name, _ in before.jumps} - {name for name, _ in state.jumps})
    return decide(
        judge,
        at=at,
        from_rank=before.shown,
        to_rank=state.shown,
        stage=state.shown_stage,
        cause=cause,
        ref=ref,
        jump=lost[0] if lost else "",
    )


def refold(world: World, history: History, started: datetime, to: datetime, *, trailing: bool = False) -> Fold:
    """The whole life again, from what is known now."""
    fold = Fold.fresh(world, trailing=trailing)
    fold.begin(started)
    fold.run(history, to)
    return fold


def refold_since(before: Fold, history: History, moment: datetime, to: datetime) -> Fold | None:
    """The life again from a moment on, before which nothing is known otherwise than it was; None where no step is.

    Only for a world that is what it was: how long others stay, for one, is not.
    """
    trail = [one for one in before.trail or () if one.state.at < moment]
    if not trail:
        return None
    fold = Fold.fresh(before.world, trailing=True)
    fold.return_to(trail, history, moment)
    fold.run(history, to, moment)
    return fold
