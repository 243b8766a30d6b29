"""One member against the tiers of one version at one moment."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from common.clock import day_of
from membership.engine.book import Book, Snapshot
from membership.engine.dynamic import personal_for
from membership.engine.state import State
from membership.engine.versions import Version
from membership.rules.evaluate import (
    JumpTrace,
    LeafTrace,
    TierTrace,
    Trace,
    evaluate,
    evaluate_tier,
    holds,
    leaf_traces,
)
from membership.rules.nodes import DEFAULT_KEEP, Condition, Group, Jump, RuleSet, Scale, Tier, scaled


@lru_cache(maxsize=2048)
def _scaled(condition: Condition, factor: Decimal) -> Condition:
    return scaled(condition, factor)


def keep_scale(tier: Tier) -> Decimal:
    """What keeping asks for of what entering does; 1 where keeping has a condition of its own."""
    keep = DEFAULT_KEEP if tier.keep is None else tier.keep
    return keep.factor if isinstance(keep, Scale) else Decimal(1)


def keep_condition(tier: Tier, jumps: tuple[Jump, ...] = ()) -> Condition | None:
    """What keeps a member in the tier; None where nothing can take it. `jumps` are those that led there.

    Where the tier says nothing of keeping, it is kept by whatever it was entered by.
    """
    if tier.keep is not None and not isinstance(tier.keep, Scale):
        return tier.keep
    if tier.enter is None:
        return None
    condition = _scaled(tier.enter, keep_scale(tier))
    if tier.keep is not None or not jumps:
        return condition
    return Group("any", (condition, *(_scaled(jump.when, keep_scale(tier)) for jump in jumps)))


class Judge:
    def __init__(self, version: Version, book: Book, state: State, now: datetime) -> None:
        self.version, self.book, self.state = version, book, state
        self.rules: RuleSet = version.rules
        self.today = day_of(now)
        self.figures = Snapshot(book, self.rules, self.today)
        self._gates: dict[int, bool] = {}
        self._traces: dict[int, TierTrace] = {}

    def under(self, version: Version) -> "Judge":
        """The same member and moment under another version."""
        judge = Judge.__new__(Judge)
        judge.version, judge.book, judge.state, judge.rules = version, self.book, self.state, version.rules
        judge.today, judge.figures = self.today, Snapshot(self.book, version.rules, self.today)
        judge._gates, judge._traces = {}, {}
        return judge

    def with_state(self, state: State) -> "Judge":
        judge = Judge.__new__(Judge)
        judge.__dict__.update(self.__dict__)
        judge.state, judge._traces = state, {}
        return judge

    @property
    def tier(self) -> Tier | None:
        """The tier that the member holds; None where the version does not have it."""
        return self.find(self.state.rank)

    def find(self, rank: int) -> Tier | None:
        return self.rules.by_rank.get(rank)

    def gates(self, tier: Tier) -> bool:
        if tier.rank not in self._gates:
            self._gates[tier.rank] = all(holds(gate, self.figures) for gate in tier.gates)
        return self._gates[tier.rank]

    def enters(self, tier: Tier) -> bool:
        """The condition for entering alone, without the gates."""
        return tier.enter is not None and holds(
            tier.enter, self.figures, personal_for(tier.rank, self.state, self.today)
        )

    def keeps(self, tier: Tier) -> bool:
        """Whoever would enter keeps too, whatever the condition for keeping says: nobody is sent up and down."""
        condition = keep_condition(tier, self._jumps_to(tier))
        if condition is None:
            return True
        return holds(condition, self.figures, self._personal_keep(tier)) or self.enters(tier)

    def reached(self) -> Tier | None:
        """The highest tier above the member's own whose conditions and gates hold."""
        for tier in reversed(self.rules.tiers):
            if tier.rank <= self.state.rank:
                return None
            if tier.enter is not None and self.enters(tier) and self.gates(tier):
                return tier
        return None

    def open_jumps(self) -> list[Jump]:
        """Jumps that were not made and whose condition holds."""
        used = {name for name, _ in self.state.jumps}
        return [jump for jump in self.rules.jumps if jump.id not in used and holds(jump.when, self.figures)]

    def landing(self, top: int, bottom: int) -> Tier:
        """The highest tier of rank `top` or below whose gates hold, down to `bottom` and then the default tier."""
        fitting = (tier for tier in reversed(self.rules.tiers) if bottom <= tier.rank <= top and self.gates(tier))
        return next(fitting, self.rules.default_tier)

    def allowed(self, top: int) -> int:
        """The rank of the highest tier of rank `top` or below whose gates hold."""
        return self.landing(top, self.rules.default_tier.rank).rank

    # Traces

    def tier_traces(self) -> tuple[TierTrace, ...]:
        """Every tier above the default one, by rank; what keeps the member stands with the tier that is held."""
        return tuple(self._tier_trace(tier) for tier in self.rules.tiers[1:])

    def jump_traces(self) -> tuple[JumpTrace, ...]:
        used = {name for name, _ in self.state.jumps}
        return tuple(
            JumpTrace(jump.id, jump.up, evaluate(jump.when, self.figures, self.today), jump.id in used)
            for jump in self.rules.jumps
        )

    def keep_trace(self, tier: Tier) -> Trace | None:
        condition = keep_condition(tier, self._jumps_to(tier))
        if condition is None:
            return None
        return evaluate(condition, self.figures, self.today, self._personal_keep(tier))

    def entry_leaves(self, rank: int) -> tuple[LeafTrace, ...]:
        """The comparisons that lead into a tier, its gates after them."""
        tier = self.find(rank)
        return _leaves(self._tier_trace(tier)) if tier is not None else ()

    def jump_leaves(self, name: str) -> tuple[LeafTrace, ...]:
        return tuple(leaf for trace in self.jump_traces() if trace.id == name for leaf in leaf_traces(trace.when))

    def gate_leaves(self, rank: int) -> tuple[LeafTrace, ...]:
        tier = self.find(rank)
        gates = self._tier_trace(tier).gates if tier is not None else ()
        return tuple(leaf for gate in gates for leaf in leaf_traces(gate))

    def loss_leaves(self, rank: int) -> tuple[LeafTrace, ...]:
        """What keeps nobody in a tier: its gates where they fail, else what keeping asks for."""
        tier = self.find(rank)
        return self.keep_leaves(rank) if tier is None or self.gates(tier) else self.gate_leaves(rank)

    def keep_leaves(self, rank: int) -> tuple[LeafTrace, ...]:
        tier = self.find(rank)
        trace = self.keep_trace(tier) if tier is not None else None
        return tuple(leaf_traces(trace)) if trace is not None else ()

    def between(self, low: int, high: int) -> list[int]:
        """The ranks above one and up to another, from the top."""
        return [tier.rank for tier in reversed(self.rules.tiers) if low < tier.rank <= high]

    def next_above(self, rank: int) -> TierTrace | None:
        tier = self.rules.tier_after(rank)
        return self._tier_trace(tier) if tier is not None else None

    def _tier_trace(self, tier: Tier) -> TierTrace:
        if tier.rank not in self._traces:
            personal = personal_for(tier.rank, self.state, self.today)
            trace = evaluate_tier(tier, self.figures, self.today, personal)
            self._traces[tier.rank] = (
                replace(trace, keep=self.keep_trace(tier)) if tier.rank == self.state.rank else trace
            )
        return self._traces[tier.rank]

    def _personal_keep(self, tier: Tier):
        return personal_for(tier.rank, self.state, self.today, keep_scale(tier))

    def _jumps_to(self, tier: Tier) -> tuple[Jump, ...]:
        if not self.state.jumps:
            return ()
        led = {name for name, rank in self.state.jumps if rank >= tier.rank}
        return tuple(jump for jump in self.rules.jumps if jump.id in led)


def _leaves(trace: TierTrace) -> tuple[LeafTrace, ...]:
    parts: Iterator[Trace] = (part for part in (trace.enter, *trace.gates) if part is not None)
    return tuple(leaf for part in parts for leaf in leaf_traces(part))
