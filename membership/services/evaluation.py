"""Members under the engine, and storing what came of it. Functions that say so expect the MemberTier rows to be locked.

In order, a fact costs what the windows cost: the days that they reach are read, the state goes one step on. What is dated
earlier than something that was folded already, or takes something back, folds the member again from the ledger, and a
compensating decision is stored.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from common.clock import day_of
from common.locks import lock_one
from common.sql import Statement, fetch, fetch_together, run_together
from events.contracts import TierChanged
from events.services import emit
from membership.engine.book import days_needed
from membership.engine.decisions import Decision
from membership.engine.facts import Fact
from membership.engine.fold import Fold, compensation, refold
from membership.engine.judge import Judge
from membership.engine.state import State, dump_state, load_state
from membership.engine.step import World, show_overrides
from membership.engine.tally import Tally, reach
from membership.engine.versions import Override, Timeline, Version
from membership.models import Activity, MemberTier, TierDecision
from membership.rules.evaluate import JumpTrace, TierTrace
from membership.rules.traces import dump_jump_trace, dump_tier_trace
from membership.selectors.books import StoredStays, load_history, load_overrides, load_sums
from membership.selectors.rules import Published, published_versions
from membership.services.ledger import count_day, settle, store, touched_days, writing

_STORED = (
    "rank", "since", "stage", "grace_until", "state", "folded_to", "version_id", "evaluated_at", "next_check_at",
    "evaluation",
)  # fmt: skip
_STORE = f"UPDATE membership_membertier SET {', '.join(f'{name} = %s' for name in _STORED)} WHERE id = %s"  # noqa: S608 - our own names
_DECIDED = (
    "member_id", "from_rank", "to_rank", "stage", "cause", "activity_ref", "version_id", "trace", "gap", "actor_id", "day",
    "at",
)  # fmt: skip
_DECIDE = f"""
INSERT INTO membership_tierdecision ({", ".join(_DECIDED)})
VALUES ({", ".join(["%s"] * len(_DECIDED))}) RETURNING id
"""  # noqa: S608 - our own names


def evaluate_member(
    *, member_id: int, at: datetime, activity_ref: str = "", refold: bool = False
) -> TierDecision | None:
    """Evaluate one member as of now and store the outcome; returns the last decision, if any was made.

    `refold` walks the member's whole life again. Locks the MemberTier.
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        versions = published_versions(member.program_id)
        if refold:
            return refold_locked(member, versions, at=at, activity_ref=activity_ref)
        return _last(evaluate_locked([member], versions, at=at))


def evaluate_locked(
    members: Sequence[MemberTier], versions: Sequence[Published], *, at: datetime
) -> list[TierDecision]:
    """Let time pass for locked members of one program, whose versions these are; returns the decisions made."""
    folds = open_folds([member for member in members if member.state], versions, at=at)
    decisions = []
    for member in members:
        if member.pk in folds:
            now = _not_before(member, at)
            folds[member.pk].advance(now)
            decisions += keep(member, folds[member.pk], at=now)
        else:
            made = refold_locked(member, versions, at=at)
            decisions += [made] if made is not None else []
    return decisions


def refold_locked(
    member: MemberTier,
    versions: Sequence[Published],
    *,
    at: datetime,
    activity_ref: str = "",
    reversal: bool = False,
) -> TierDecision | None:
    """Fold a locked member again from the ledger, under the rules of each day, and answer the difference."""
    if not member.state:
        return _first_fold(member, versions, at=at)
    at = _not_before(member, at)
    fold = open_folds([member], versions, at=at)[member.pk]
    fold.advance(at)
    return _answer(member, fold, at=at, ref=activity_ref, reversal=reversal)


def take_locked(
    member: MemberTier, rows: Sequence[Activity], versions: Sequence[Published], *, at: datetime
) -> TierDecision | None:
    """Write facts of a locked member, their sums, and what comes of them; returns the last decision, if one was made.

    References that are known change nothing. A fact from the future counts from now.
    """
    fresh = store(rows)
    if not fresh:
        return None
    at = max(_not_before(member, at), *(row.occurred_at for row in fresh))
    timeline = Timeline(versions)
    moment = fresh[0].occurred_at
    # Read before the sums move: time passes on what was known until then.
    fold = open_folds([member], versions, at=at, around=day_of(moment)).get(member.pk)
    if fold is None or not _in_order(fresh, fold, at):
        settle(member, touched_days(member, fresh), timeline)
        if fold is None:
            return _first_fold(member, versions, at=at)
        fold.advance(at)
        return _answer(
            member,
            fold,
            at=at,
            ref=next((row.source_ref for row in reversed(fresh) if row.valid), fresh[-1].source_ref),
            reversal=any(row.reverses for row in fresh),
            news={row.source_ref for row in fresh},
        )
    fold.advance(moment)
    counted = count_day(member, day_of(moment), fold.tally)
    sums = writing(member, fold.tally)
    refs = sorted(row.source_ref for row in fresh)
    nets = [net for ref in refs if (net := counted.net(ref)) is not None]
    if nets:
        fold.go_on(moment, nets, counted.before(moment))
    fold.advance(at)
    return _last(keep(member, fold, at=at, sums=sums))


def show_locked(member: MemberTier, versions: Sequence[Published], *, at: datetime) -> TierDecision | None:
    """What overrides that were just given or ended make of a locked member."""
    if not member.state:
        return _first_fold(member, versions, at=at)
    at = _not_before(member, at)
    fold = open_folds([member], versions, at=at)[member.pk]
    fold.advance(at)
    if fold.state is not None and fold.state.at == at:
        # Something was folded at this very moment already; the override alone is new.
        fold.state, made = show_overrides(fold.world, fold.state, fold.tally.book, at)
        fold.decisions += made
    return _last(keep(member, fold, at=at))


def _not_before(member: MemberTier, at: datetime) -> datetime:
    """Now, for a locked member: never before what was seen already.

    Whoever waited for the lock has read the clock before it, and others have gone on meanwhile: to go back to that time would
    forget what they brought.
    """
    return max(at, member.evaluated_at)


def _in_order(rows: Sequence[Activity], fold: Fold, at: datetime) -> bool:
    """Facts of one moment of today, later than everything that was folded."""
    moment = rows[0].occurred_at
    same = all(not row.reverses and row.occurred_at == moment for row in rows)
    return same and fold.state is not None and fold.state.at < moment and day_of(moment) == day_of(at)


def open_folds(
    members: Sequence[MemberTier], versions: Sequence[Published], *, at: datetime, around: date | None = None
) -> dict[int, Fold]:
    """The folds of locked members of one program as they were left, with the sums that steps up to `at` can read.

    `around` is a day whose sums are about to move: the days that caps and bundles look at are read too. Members that were
    never folded have none.
    """
    folded = [member for member in members if member.state]
    if not folded:
        return {}
    timeline = Timeline(versions)
    # What people see is in the columns: should the state say otherwise, the next step answers it.
    states = {
        member.pk: replace(load_state(member.state), shown=member.rank, shown_stage=member.stage) for member in folded
    }
    kept_by = {state.kept_by for state in states.values()}
    overrides = load_overrides([member.pk for member in folded])
    begin = min([at, *_due(folded, states.values(), timeline, overrides)])
    rules = [version.rules for version in _in_force(timeline, begin, at)]
    rules += [version.rules for version in versions if version.pk in kept_by]
    first = min(days_needed(one, day_of(begin)) for one in rules)
    last = day_of(at)
    if around is not None:
        reached = reach(timeline.rules_on(around), around)
        first, last = min(first, reached[0]), max(last, reached[1])
    sums = load_sums([member.pk for member in folded], first=first, last=last)
    stays = StoredStays(folded[0].program_id)
    found = {}
    for member in folded:
        world = World(timeline, stays, overrides.get(member.pk, ()))
        tally = Tally(timeline.rules_on, sums[member.pk].book, sums[member.pk].earned)
        found[member.pk] = Fold.resumed(world, tally, states[member.pk], member.next_check_at)
    return found


def _due(
    members: Sequence[MemberTier],
    states: Iterable[State],
    timeline: Timeline,
    overrides: Mapping[int, Sequence[Override]],
) -> Iterator[datetime]:
    """The moments at which steps may begin: what was known to be due, and versions and overrides that came since."""
    for member, state in zip(members, states, strict=True):
        changes = [moment for one in overrides.get(member.pk, ()) for moment in (one.since, one.until)]
        moments = [member.next_check_at, timeline.next_after(state.at), *changes]
        yield from (moment for moment in moments if moment is not None and moment > state.at)


def _in_force(timeline: Timeline, first: datetime, last: datetime) -> list:
    """The versions that hold at some moment of a time."""
    current = timeline.at(first)
    return [current, *(one for one in timeline.versions if current.effective_from < one.effective_from <= last)]


def _first_fold(member: MemberTier, versions: Sequence[Published], *, at: datetime) -> TierDecision | None:
    """Fold a member who was there before the engine; what it finds otherwise than they stand is answered."""
    fold = folded_again(member, world_of(member, versions), at)
    state = fold.state
    before = state and replace(state, shown=member.rank, shown_stage=member.stage)
    answer = compensation(before, fold, at=at, ref="", reversal=False) if before is not None else None
    fold.decisions = [answer] if answer is not None else []
    return _last(keep(member, fold, at=at))


def _answer(
    member: MemberTier, fold: Fold, *, at: datetime, ref: str, reversal: bool, news: Collection[str] = ()
) -> TierDecision | None:
    """Fold again, and keep what time had brought before together with the answer to what came late."""
    again = folded_again(member, fold.world, at)
    answer = None
    if fold.state is not None:
        answer = compensation(fold.state, again, at=at, ref=ref, reversal=reversal, news=news)
    again.decisions = [*fold.decisions, *([answer] if answer is not None else [])]
    return _last(keep(member, again, at=at))


def folded_again(
    member: MemberTier,
    world: World,
    at: datetime,
    marks: Mapping[str, str] | None = None,
    news: Iterable[Fact] = (),
) -> Fold:
    """A member's whole life from the ledger, as if facts had these `marks` too (why they do not count; empty: they do),
    and as if `news` were in it."""
    history = load_history(member.pk)
    for fact in news:
        history.add(fact)
    history.marks.update(marks or {})
    joined = User.objects.values_list("date_joined", flat=True).get(pk=member.user_id)
    first = history.first_at()
    return refold(world, history, min(joined, first) if first is not None else joined, at)


def world_of(member: MemberTier, versions: Sequence[Published]) -> World:
    overrides = load_overrides([member.pk]).get(member.pk, ())
    return World(Timeline(versions), StoredStays(member.program_id), overrides)


# Storing


def columns_of(fold: Fold, *, at: datetime) -> dict:
    """What MemberTier says of a fold as of `at`, by column."""
    state = fold.state
    if state is None:
        raise ValueError("a fold that never began cannot be stored")
    version = fold.world.timeline.at(at)
    tiers, jumps = _traces(fold, state, version, at)
    return {
        "rank": state.shown,
        "since": state.shown_since,
        "stage": state.shown_stage,
        "grace_until": state.shown_grace_until,
        "state": dump_state(state),
        "folded_to": state.at,
        "version_id": version.pk,
        "evaluated_at": at,
        "next_check_at": fold.due(),
        "evaluation": {
            "day": day_of(at).isoformat(),
            "tiers": [dump_tier_trace(trace) for trace in tiers],
            "jumps": [dump_jump_trace(trace) for trace in jumps],
        },
    }


def _traces(
    fold: Fold, state: State, version: Version, at: datetime
) -> tuple[tuple[TierTrace, ...], tuple[JumpTrace, ...]]:
    """Everything that conditions ask, as of `at`. The last step's decision has it already, where that was today's."""
    last = fold.decisions[-1] if fold.decisions else None
    if (
        last is not None
        and last.at == last.moment == state.at
        and day_of(state.at) == day_of(at)
        and last.version == version.pk
    ):
        return last.tiers, last.jumps
    judge = Judge(version, fold.tally.book, state, at)
    return judge.tier_traces(), judge.jump_traces()


def keep(member: MemberTier, fold: Fold, *, at: datetime, sums: Sequence[Statement] = ()) -> list[TierDecision]:
    """Store where a fold ends and what it decided, together with the sums that led there, and tell the other rooms."""
    for name, value in columns_of(fold, at=at).items():
        setattr(member, name, value)
    stored = [decision_row(member, one) for one in fold.decisions]
    statements = [*sums, (_STORE, [*_values(member, _STORED), member.pk])]
    if not stored:
        run_together(statements)
        return []
    # The first goes with the sums and the member: an event makes one mostly.
    [(stored[0].pk,)] = fetch_together([*statements, (_DECIDE, _values(stored[0], _DECIDED))])
    tell(stored[0], tier_name(fold.world.timeline, stored[0].version_id, stored[0].to_rank))
    return [stored[0], *_keep_rows(stored[1:], fold.world.timeline)]


def _values(row: MemberTier | TierDecision, names: Sequence[str]) -> list[Any]:
    return [
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for value in (getattr(row, name) for name in names)
    ]


def keep_decisions(member: MemberTier, decisions: Iterable[Decision], timeline: Timeline) -> list[TierDecision]:
    return _keep_rows([decision_row(member, one) for one in decisions], timeline)


def _keep_rows(rows: list[TierDecision], timeline: Timeline) -> list[TierDecision]:
    for decision in rows:
        [(decision.pk,)] = fetch(_DECIDE, _values(decision, _DECIDED))
        tell(decision, tier_name(timeline, decision.version_id, decision.to_rank))
    return rows


def decision_row(member: MemberTier, decision: Decision) -> TierDecision:
    return TierDecision(
        member=member,
        from_rank=decision.from_rank,
        to_rank=decision.to_rank,
        stage=decision.stage,
        cause=str(decision.cause),
        activity_ref=decision.ref,
        version_id=decision.version,
        trace=[
            *(dump_tier_trace(trace) for trace in decision.tiers),
            *(dump_jump_trace(trace) for trace in decision.jumps),
        ],
        gap=dict(decision.gap),
        day=day_of(decision.moment),
        at=decision.at,
    )


def tier_name(timeline: Timeline, version_id: int, rank: int) -> str:
    """By the version that decided; a protected tier may be one that only an earlier version knows."""
    decided = timeline.by_pk(version_id)
    versions = [*filter(None, [decided]), *reversed(timeline.versions)]
    tiers = (tier for version in versions for tier in version.rules.tiers)
    return next((tier.name for tier in tiers if tier.rank == rank), str(rank))


def tell(decision: TierDecision, to_name: str) -> None:
    """Tell the other rooms of a stored decision."""
    changed = TierChanged(
        decision_id=decision.pk,
        user_id=decision.member.user_id,
        from_rank=decision.from_rank,
        to_rank=decision.to_rank,
        to_name=to_name,
        cause=decision.cause,
        changed_at=decision.at,
    )
    emit(changed, at=decision.at)


def _last(decisions: Sequence[TierDecision]) -> TierDecision | None:
    return decisions[-1] if decisions else None
