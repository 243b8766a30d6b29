"""One step of a member's life: the state before and the figures now give the state after, and at most one decision by
the rules and one by overrides.

A step either raises or lowers, never both. Nothing is taken within the minimum stay, except by a gate. What only time does
happens at midnight, one thing a night: warned, then grace, then one level down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.clock import day_of, start_of_day
from membership.engine.book import ONE_DAY, Book, next_change
from membership.engine.decisions import Cause, Decision, decide
from membership.engine.dynamic import Stays, may_rise, new_offers, taken
from membership.engine.judge import Judge
from membership.engine.state import ACTIVE, GRACE, WARNED, State
from membership.engine.versions import (
    AT_NEXT_REVIEW,
    GRANDFATHER_UNTIL,
    IMMEDIATE,
    Override,
    Timeline,
    Version,
    overridden,
)
from membership.rules.nodes import Tier


@dataclass(frozen=True, slots=True)
class World:
    """What a member's steps depend on beside their own figures."""

    timeline: Timeline
    stays: Stays
    overrides: Sequence[Override] = ()


def begin(world: World, book: Book, at: datetime, ref: str = "") -> tuple[State, Decision]:
    """Everybody begins in the default tier, by a decision of its own."""
    version = world.timeline.at(at)
    rank = version.rules.default_tier.rank
    state = State(rank=rank, since=at, shown=rank, shown_since=at, at=at, version=version.pk)
    decision = decide(
        Judge(version, book, state, at),
        at=at,
        from_rank=None,
        to_rank=rank,
        stage=ACTIVE,
        cause=Cause.DEFAULT,
        ref=ref,
    )
    return state, decision


def step(
    world: World, state: State, book: Book, now: datetime, *, ref: str = "", midnight: bool = False
) -> tuple[State, list[Decision]]:
    """The state at `now`, and what was decided. `midnight` for the first moment of a day, before its events."""
    version = world.timeline.at(now)
    if version.rules.dynamic:
        offers = new_offers(version.rules, state, book, world.stays, now=now, midnight=midnight)
        state = replace(state, offers=state.offers + offers) if offers else state
    judge = Judge(version, book, state, now)
    after, cause, jump = _by_rules(world, judge, now, midnight)
    if any(one.gated for one in world.overrides):
        cause, ref = _by_gates(world, judge, after.rank, ref) or (cause, ref)
    # By the overrides of the step before: those that began or ended since are told apart from what the rules did.
    after, decisions = _show(world, judge, after, state.at, now, cause=cause, ref=ref, jump=jump)
    if world.overrides:
        after, set_by_hand = show_overrides(world, after, book, now)
        decisions += set_by_hand
    return replace(after, at=now), decisions


def _by_gates(world: World, judge: Judge, rank: int, ref: str) -> tuple[Cause, str] | None:
    """Why a gated override that was in force leads elsewhere than it did: a gate closed, or is open again."""
    state = judge.state
    gated = [one for one in world.overrides if one.gated and one.holds(state.at)]
    if not gated:
        return None
    shown, _ = overridden(rank, world.overrides, state.at, judge.allowed)
    ungated, _ = overridden(rank, world.overrides, state.at, lambda top: top)
    if shown < state.shown <= ungated:
        return Cause.GATE, ref
    if shown > max(state.shown, rank):
        return Cause.OVERRIDE, gated[-1].ref
    return None


def show_overrides(world: World, state: State, book: Book, now: datetime) -> tuple[State, list[Decision]]:
    """What the overrides of `now` make of a state whose rules were already applied."""
    begun = next((one.ref for one in world.overrides if one.since == now), None)
    cause = Cause.OVERRIDE_EXPIRED if begun is None else Cause.OVERRIDE
    judge = Judge(world.timeline.at(now), book, state, now)
    return _show(world, judge, state, now, now, cause=cause, ref=begun or "")


def _show(
    world: World, judge: Judge, after: State, moment: datetime, now: datetime, *, cause: Cause, ref: str, jump: str = ""
) -> tuple[State, list[Decision]]:
    """What overrides of a moment make of the state, and the decision that people see."""
    rank, held = overridden(after.rank, world.overrides, moment, judge.allowed)
    stage = ACTIVE if held else after.stage
    before = judge.state
    if rank != after.shown:
        shown = replace(after, shown=rank, shown_since=now, shown_stage=stage)
    elif stage != after.shown_stage:
        shown = replace(after, shown_stage=stage)
    else:
        return after, []
    if rank == after.shown and stage == ACTIVE:
        return shown, []
    decision = decide(
        judge.with_state(shown),
        at=now,
        from_rank=after.shown,
        to_rank=rank,
        stage=stage,
        cause=cause,
        ref=ref,
        jump=jump,
        earlier=judge.with_state(replace(before, offers=shown.offers)),
    )
    return shown, [decision]


# What the rules say

Outcome = tuple[State, Cause, str]


def _by_rules(world: World, judge: Judge, now: datetime, midnight: bool) -> Outcome:
    """The state by the rules, why it changed, and the jump that was made."""
    state = judge.state
    if state.version != judge.version.pk:
        return _switch(world, judge, now, midnight)
    if state.kept_by is not None and state.kept_until is not None and now >= state.kept_until:
        return _unprotect(world, judge, now, midnight)
    raised = _raised(judge, now, midnight)
    if raised is not None:
        return raised
    holder = _holder(world, judge)
    if holder is not judge and _holds(judge):
        # Older rules protect from newer ones; they take nothing that the rules in force leave.
        return replace(_forgotten(judge, state), stage=ACTIVE, grace_until=None), Cause.ENTER, ""
    return _kept(holder, now, midnight)


def _holds(judge: Judge) -> bool:
    """Whether the rules of a judge leave the member the tier that is held."""
    tier = judge.tier
    return tier is not None and judge.gates(tier) and judge.keeps(tier)


def _raised(judge: Judge, now: datetime, midnight: bool) -> Outcome | None:
    state = judge.state
    entered = judge.reached()
    returned = _returned(judge)
    best = max((tier for tier in (entered, returned) if tier is not None), key=lambda tier: tier.rank, default=None)
    jumps = judge.open_jumps()
    if not jumps:
        return (_moved(judge, best, now), Cause.ENTER, "") if best is not None else None
    ranks = [tier.rank for tier in judge.rules.tiers]
    rank = best.rank if best is not None else state.rank
    position = max((index for index, one in enumerate(ranks) if one <= rank), default=0)
    aim = ranks[min(position + sum(jump.up for jump in jumps), len(ranks) - 1)]
    landed = judge.landing(aim, rank)
    used = tuple(sorted({*state.jumps, *((jump.id, aim) for jump in jumps)}))
    jumped = judge.with_state(replace(state, jumps=used))
    if landed.rank > rank:
        moved = _moved(jumped, landed, now)
        return replace(moved, blocked=aim if aim > landed.rank else moved.blocked), Cause.JUMP, jumps[0].id
    if best is not None:
        return _moved(jumped, best, now), Cause.ENTER, ""
    # Nothing to be raised to: the jump is used all the same, and waits if a gate is in its way.
    after, cause, _ = _kept(jumped, now, midnight)
    return replace(after, blocked=max(aim, after.blocked or 0)) if aim > after.rank else after, cause, ""


def _returned(judge: Judge) -> Tier | None:
    """The tier that comes back because its gates hold again, and the member is still worth it."""
    if judge.state.blocked is None:
        return None
    for tier in reversed(judge.rules.tiers):
        if judge.state.rank < tier.rank <= judge.state.blocked and judge.gates(tier) and judge.keeps(tier):
            return tier
    return None


def _moved(judge: Judge, tier: Tier, now: datetime) -> State:
    """The state in another tier. A tier above that is blocked stays remembered."""
    state, rank = judge.state, tier.rank
    blocked = state.blocked if state.blocked is not None and state.blocked > rank else None
    return replace(
        state,
        rank=rank,
        since=now,
        stage=ACTIVE,
        grace_until=None,
        blocked=blocked,
        offers=taken(state, rank, judge.today) if rank > state.rank else state.offers,
        kept_by=None,
        kept_until=None,
    )


def _kept(judge: Judge, now: datetime, midnight: bool) -> Outcome:
    """Whether the tier is held, by the version whose rules protect it or the one in force."""
    state, tier = judge.state, judge.tier
    if tier is None or tier.rank == judge.rules.default_tier.rank:
        return _forgotten(judge, state), Cause.ENTER, ""
    if not judge.gates(tier):
        landed = judge.landing(tier.rank - 1, judge.rules.default_tier.rank)
        blocked = max(tier.rank, state.blocked or 0)
        return replace(_moved(judge, landed, now), blocked=blocked), Cause.GATE, ""
    state = _forgotten(judge, state)
    if judge.keeps(tier):
        return replace(state, stage=ACTIVE, grace_until=None) if state.stage != ACTIVE else state, Cause.ENTER, ""
    if now < stay_ends(state, tier):
        return state, Cause.ENTER, ""
    if state.stage == ACTIVE:
        return replace(state, stage=WARNED), Cause.WARN, ""
    if not midnight:
        return state, Cause.ENTER, ""
    if state.stage == WARNED:
        until = start_of_day(day_of(now) + timedelta(days=tier.grace_days))
        return replace(state, stage=GRACE, grace_until=until), Cause.GRACE, ""
    if state.stage == GRACE and state.grace_until is not None and now >= state.grace_until:
        landed = judge.landing(tier.rank - 1, judge.rules.default_tier.rank)
        return replace(_moved(judge, landed, now), blocked=None), Cause.DOWN, ""
    return state, Cause.ENTER, ""


def _forgotten(judge: Judge, state: State) -> State:
    """A tier whose gates hold again, without the member being worth it, is no longer waited for."""
    if state.blocked is None:
        return state
    tier = judge.find(state.blocked)
    if tier is not None and state.blocked > state.rank and not judge.gates(tier):
        return state
    return replace(state, blocked=None)


def stay_ends(state: State, tier: Tier) -> datetime:
    """The midnight at which the minimum stay is over."""
    return start_of_day(day_of(state.since) + timedelta(days=tier.min_stay_days))


# Versions


def _holder(world: World, judge: Judge) -> Judge:
    """The judge of the tier that is held: under the version that protects it, if one does."""
    version = world.timeline.by_pk(judge.state.kept_by)
    return judge.under(version) if version is not None else judge


def _switch(world: World, judge: Judge, now: datetime, midnight: bool) -> Outcome:
    """Another version takes effect. What is gained is gained at once; what would be lost, by the version's policy."""
    before = world.timeline.by_pk(judge.state.version) or judge.version
    holder = _holder(world, judge.under(before))
    state = replace(judge.state, version=judge.version.pk)
    judge = judge.with_state(state)
    raised = _raised(judge, now, midnight)
    if raised is not None and raised[0].rank > state.rank:
        after, cause, jump = raised
        return after, Cause.RULES if cause == Cause.ENTER else cause, jump
    if state.rank == judge.rules.default_tier.rank:
        return _forgotten(judge, state), Cause.RULES, ""
    policy = judge.version.policy
    if policy == IMMEDIATE or judge.tier is None:
        return _judged_anew(judge, holder, now, midnight)
    return (
        replace(state, kept_by=holder.version.pk, kept_until=_protected_until(judge.version, holder, now)),
        Cause.RULES,
        "",
    )


def _protected_until(version: Version, holder: Judge, now: datetime) -> datetime | None:
    if version.policy == GRANDFATHER_UNTIL and version.policy_until is not None:
        return start_of_day(version.policy_until)
    if version.policy == AT_NEXT_REVIEW:
        return next_review(holder.state, holder.tier, now)
    return None


def next_review(state: State, tier: Tier | None, now: datetime) -> datetime:
    """The first review after `now`: every minimum stay after the tier was reached, at midnight."""
    every = max(tier.min_stay_days if tier is not None else 1, 1)
    passed = (day_of(now) - day_of(state.since)).days // every + 1
    return start_of_day(day_of(state.since) + timedelta(days=passed * every))


def _unprotect(world: World, judge: Judge, now: datetime, midnight: bool) -> Outcome:
    holder = _holder(world, judge)
    version = judge.version
    judge = judge.with_state(replace(judge.state, kept_by=None, kept_until=None))
    raised = _raised(judge, now, midnight)
    if raised is not None:
        return raised
    if version.policy == GRANDFATHER_UNTIL:
        return _judged_anew(judge, holder, now, midnight)
    return _kept(judge, now, midnight)


def _judged_anew(judge: Judge, holder: Judge, now: datetime, midnight: bool) -> Outcome:
    """The new rules take at once what the old ones would have left. What fails by both goes its usual way."""
    state = replace(judge.state, kept_by=None, kept_until=None)
    judge = judge.with_state(state)
    if _holds(judge):
        return replace(_forgotten(judge, state), stage=ACTIVE, grace_until=None), Cause.RULES, ""
    if judge.tier is not None and not _holds(holder):
        return _kept(judge, now, midnight)
    lower = (
        one for one in reversed(judge.rules.tiers) if one.rank < state.rank and judge.gates(one) and judge.keeps(one)
    )
    return _moved(judge, next(lower, judge.rules.default_tier), now), Cause.RULES, ""


# When to look again


def next_check(world: World, state: State, book: Book, now: datetime, *, moved: bool = True) -> datetime | None:
    """The first moment after `now` at which time alone may change what is known; None when it never does.

    Midnights, except where an override or a version begins or ends within a day. `moved` is whether the step at `now`
    changed the state: if not, another would not either.
    """
    today = day_of(now)
    version = world.timeline.at(now)
    kept_by = world.timeline.by_pk(state.kept_by)
    days = [next_change(one.rules, book, today) for one in (version, kept_by) if one is not None]
    if state.stage == GRACE:
        days.append(today + ONE_DAY if state.grace_until is None or state.grace_until <= now else None)
    if state.stage == WARNED:
        days.append(today + ONE_DAY)
    tier = next((tier for tier in (kept_by or version).rules.tiers[1:] if tier.rank == state.rank), None)
    if tier is not None and now < stay_ends(state, tier):
        days.append(day_of(stay_ends(state, tier)))
    if version.rules.dynamic:
        if may_rise(version.rules, state, book, today):
            days.append(today + ONE_DAY)
        days += [offer.until for offer in state.offers if offer.until > today and not offer.taken]
    if moved and not _settled(world, state, book, now):
        days.append(today + ONE_DAY)
    moments = [start_of_day(day) for day in days if day is not None]
    moments += [one for one in (state.grace_until, state.kept_until, world.timeline.next_after(now)) if one is not None]
    moments += [moment for one in world.overrides for moment in (one.since, one.until)]
    return min((moment for moment in moments if moment > now), default=None)


def _settled(world: World, state: State, book: Book, now: datetime) -> bool:
    """Whether another step now would find nothing to do. A step does one thing; what is left waits for the midnight."""
    judge = Judge(world.timeline.at(now), book, state, now)
    return _by_rules(world, judge, now, midnight=False)[0] == state
