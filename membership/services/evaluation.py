"""Evaluating members and storing what came of it. Every function here expects the MemberTier rows to be locked.

A tier that was reached is held; a refund or a late event refolds the member: the days of their life are walked again with
the corrected figures, and the outcome is stored as a compensating decision.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from common.clock import day_of, start_of_day
from common.locks import lock_one
from events.contracts import TierChanged
from events.services import emit
from membership.metrics import ONE_DAY, Book, Snapshot, days_needed, next_change
from membership.models import MemberTier, TierDecision
from membership.rules.evaluate import TierTrace, evaluate_tiers, gaps, reached
from membership.rules.logic import asks_for_more
from membership.rules.nodes import RuleSet
from membership.rules.traces import dump_tier_trace
from membership.selectors.books import load_books, load_whole_book
from membership.selectors.rules import Published, published_versions, version_at

Cause = TierDecision.Cause
# The smallest difference between two times in the database.
RESOLUTION = timedelta(microseconds=1)

_STORE = """
UPDATE membership_membertier AS member
SET rank = fresh.rank, since = fresh.since, version_id = fresh.version_id, evaluated_at = fresh.evaluated_at,
    next_check_at = fresh.next_check_at, evaluation = fresh.evaluation
FROM unnest(%s::bigint[], %s::smallint[], %s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::jsonb[])
    AS fresh (id, rank, since, version_id, evaluated_at, next_check_at, evaluation)
WHERE member.id = fresh.id
"""


@dataclass(frozen=True)
class Standing:
    """A member on a day: the rank that the rules give, and why."""

    rank: int
    day: date
    version: Published
    traces: tuple[TierTrace, ...]

    def trace_document(self) -> list[dict]:
        return [dump_tier_trace(trace) for trace in self.traces]

    def gap_after(self, rank: int) -> dict:
        return next((gaps(trace) for trace in self.traces if trace.rank > rank), {})


def evaluate_member(
    *, member_id: int, at: datetime, activity_ref: str = "", refold: bool = False
) -> TierDecision | None:
    """Evaluate one member as of now and store the outcome; returns the decision when the tier changed.

    `refold` walks the member's whole life again, for facts that are dated before today. Locks the MemberTier.
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        versions = published_versions(member.program_id)
        if refold:
            return refold_locked(member, versions, at=at, activity_ref=activity_ref)
        decisions = evaluate_locked([member], versions, at=at, activity_ref=activity_ref)
        return decisions[0] if decisions else None


def evaluate_locked(
    members: Sequence[MemberTier], versions: Sequence[Published], *, at: datetime, activity_ref: str = ""
) -> list[TierDecision]:
    """Evaluate locked members of one program, whose versions these are, as of now; returns the decisions made.

    Reads the days that the longest window covers, whatever the length of a member's history.
    """
    version = version_at(versions, at)
    today = day_of(at)
    books = load_books([member.pk for member in members], first=days_needed(version.rules, today), last=today)
    outcomes = []
    for member in members:
        standing = stand(version, books[member.pk], today)
        rank = max(member.rank, standing.rank)
        cause = Cause.RULES if member.version_id != version.pk and not activity_ref else Cause.ENTER
        decision = _decide(member, rank, standing, cause=cause, at=at, activity_ref=activity_ref)
        _take(member, rank, standing, books[member.pk], at=at)
        outcomes.append(decision)
    return _store(members, [decision for decision in outcomes if decision is not None], [version])


def refold_locked(
    member: MemberTier, versions: Sequence[Published], *, at: datetime, activity_ref: str = ""
) -> TierDecision | None:
    """Evaluate a locked member from the first day on, under the rules of each day."""
    book = load_whole_book(member.pk)
    best, latest = fold(versions, book, at)
    cause = Cause.ENTER if best.rank > member.rank else Cause.REVERSAL
    shown = best if cause == Cause.ENTER else latest
    decision = _decide(member, best.rank, shown, cause=cause, at=at, activity_ref=activity_ref)
    _take(member, best.rank, latest, book, at=at)
    stored = _store([member], [decision] if decision is not None else [], versions)
    return stored[0] if stored else None


def fold(versions: Sequence[Published], book: Book, at: datetime) -> tuple[Standing, Standing]:
    """Walk the days of a member: where they stood on the day that brought the highest rank, and where today."""
    standings = [
        stand(version_at(versions, min(at, start_of_day(day + ONE_DAY) - RESOLUTION)), book, day)
        for day in _days(versions, book, day_of(at))
    ]
    # Of equals the first: the day on which the rank was reached.
    return max(standings, key=lambda standing: standing.rank), standings[-1]


def stand(version: Published, book: Book, day: date) -> Standing:
    traces = evaluate_tiers(version.rules, Snapshot(book, version.rules, day), day)
    return Standing(reached(version.rules, traces), day, version, traces)


def _days(versions: Sequence[Published], book: Book, today: date) -> list[date]:
    """The days on which a rank can be reached; the last is today.

    Where rules only ask for more, nothing is reached on a day without events.
    """
    first = min(book.first_day() or today, today)
    if all(_only_asks_for_more(version.rules) for version in versions):
        eventful = {day for by_day in book.days.values() for day in by_day if day <= today}
        starts = {day_of(version.effective_from) for version in versions}
        return sorted(eventful | {day for day in starts if first <= day <= today} | {today})
    return [first + ONE_DAY * number for number in range((today - first).days + 1)]


def _only_asks_for_more(rules: RuleSet) -> bool:
    return all(asks_for_more(condition) for condition in rules.conditions())


def _decide(
    member: MemberTier, rank: int, standing: Standing, *, cause: str, at: datetime, activity_ref: str
) -> TierDecision | None:
    if rank == member.rank:
        return None
    return TierDecision(
        member=member,
        from_rank=member.rank,
        to_rank=rank,
        cause=cause,
        activity_ref=activity_ref,
        version_id=standing.version.pk,
        trace=standing.trace_document(),
        gap=standing.gap_after(rank),
        day=standing.day,
        at=at,
    )


def _take(member: MemberTier, rank: int, standing: Standing, book: Book, *, at: datetime) -> None:
    if rank != member.rank:
        member.rank, member.since = rank, at
    change = next_change(standing.version.rules, book, standing.day)
    member.next_check_at = start_of_day(change) if change else None
    member.version_id = standing.version.pk
    member.evaluated_at = at
    member.evaluation = {"day": standing.day.isoformat(), "tiers": standing.trace_document()}


def _store(
    members: Sequence[MemberTier], decisions: Sequence[TierDecision], versions: Sequence[Published]
) -> list[TierDecision]:
    columns = [
        (
            member.pk,
            member.rank,
            member.since,
            member.version_id,
            member.evaluated_at,
            member.next_check_at,
            json.dumps(member.evaluation, ensure_ascii=False),
        )
        for member in members
    ]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [list(column) for column in zip(*columns, strict=True)])
    rules = {version.pk: version.rules for version in versions}
    stored = TierDecision.objects.bulk_create(decisions)
    for decision in stored:
        tell(decision, rules[decision.version_id])
    return stored


def tell(decision: TierDecision, rules: RuleSet) -> None:
    """Tell the other rooms of a stored decision."""
    changed = TierChanged(
        decision_id=decision.pk,
        user_id=decision.member.user_id,
        from_rank=decision.from_rank,
        to_rank=decision.to_rank,
        to_name=rules.tier(decision.to_rank).name,
        cause=decision.cause,
        changed_at=decision.at,
    )
    emit(changed, at=decision.at)
