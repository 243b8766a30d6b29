"""Letting time pass for many members of one program: by statements for those of whom figures alone tell what comes, by the
engine for the others.

Locks are held for as long as one batch is written, by the statements or by the engine.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction

from common.clock import day_of
from common.locks import lock
from events.contracts import TierChanged
from events.services import emit_all
from membership.engine.dynamic import Stays
from membership.engine.versions import Timeline
from membership.models import MemberTier
from membership.selectors.books import StoredStays
from membership.selectors.rules import Published
from membership.services.evaluation import evaluate_locked, tier_name
from membership.sql import slices, steps
from membership.sql.figures import MEMBERS, Scope
from membership.sql.fragments import fill, run
from membership.sql.settling import Moment, mean_stays

# Members whom the engine folds in one transaction.
BATCH = 200
# For fewer members than this the engine is as quick as a statement that has to be planned.
WORTH_A_STATEMENT = 20
# Room for the sums of a slice, so that they are neither sorted nor written to the disk.
ROOM = "SET LOCAL work_mem = '256MB'; SET LOCAL jit = off"


def pass_time(member_ids: Sequence[int], versions: Sequence[Published], *, program_id: int, at: datetime) -> int:
    """Take every step that time brings these members up to `at`; returns how many were moved to another rank.

    Locks the MemberTier rows in batches.
    """
    left, moved = _step_all(member_ids, versions, program_id=program_id, at=at)
    for start in range(0, len(left), BATCH):
        with transaction.atomic():
            members = lock(MemberTier.objects.filter(pk__in=left[start : start + BATCH]))
            decisions = evaluate_locked(members, versions, at=at)
            moved += sum(one.from_rank != one.to_rank for one in decisions)
    return moved


def _step_all(
    ids: Sequence[int], versions: Sequence[Published], *, program_id: int, at: datetime
) -> tuple[list[int], int]:
    """Step whom statements can step; returns the others, by number, and how many were moved."""
    timeline, stays = Timeline(versions), StoredStays(program_id)
    left: set[int] = set()
    behind: set[int] = set()
    moved = 0
    waiting = list(ids)
    while waiting:
        with transaction.atomic():
            slices.take(waiting, timeline, at)
            waiting = []
        for key, count in slices.groups():
            moment = moment_of(timeline, stays, *key)
            if moment is None or count < WORTH_A_STATEMENT:
                left.update(slices.ids_of(key))
                continue
            moved += _step(slices.scope_of(key), moment, timeline, at=at)
            left.update(steps.left_of(slices.scope_of(key)))
            waiting += steps.due_again(at)
            if moment.day != day_of(at):
                behind.update(steps.told_ids())
        steps.drop()
        slices.drop()
    evaluate_those_behind(sorted(behind - left), timeline, at)
    return sorted(left), moved


def _step(scope: Scope, moment: Moment, timeline: Timeline, *, at: datetime) -> int:
    """Take one step of those in the scope of whom SQL can tell it; returns how many were moved."""
    with transaction.atomic():
        make_room()
        steps.tell(scope, moment)
    moved = 0
    for after, last, count in steps.batches():
        with transaction.atomic():
            made = steps.store(after, last, count, moment, at=at, with_evaluation=moment.day == day_of(at))
            names = {rank: tier_name(timeline, moment.version.pk, rank) for rank in {one.to_rank for one in made}}
            changed = [
                TierChanged(
                    decision_id=one.pk,
                    user_id=one.user_id,
                    from_rank=one.from_rank,
                    to_rank=one.to_rank,
                    to_name=names[one.to_rank],
                    cause=one.cause,
                    changed_at=moment.at,
                )
                for one in made
            ]
            emit_all(changed, at=moment.at)
        moved += sum(one.from_rank != one.to_rank for one in made)
    return moved


def make_room() -> None:
    """For the statements of a transaction that reads the sums of many."""
    with connection.cursor() as cursor:
        cursor.execute(ROOM)


def evaluate_those_behind(ids: Sequence[int], timeline: Timeline, at: datetime) -> None:
    """Members whose last step was that of an earlier day show the figures of today. Locks the MemberTier rows."""
    today = day_of(at)
    scope = Scope.of_ids(ids)
    with transaction.atomic():
        if ids:
            run(fill("SELECT m.id FROM {m} AS m WHERE {rows} ORDER BY m.id FOR UPDATE", m=MEMBERS, rows=scope.members))
            shown = fill(
                "SELECT m.id FROM {members} AS m WHERE {rows} AND m.evaluation ->> 'day' <> {day}",
                members=MEMBERS,
                rows=scope.members,
                day=today.isoformat(),
            )
            behind = [row[0] for row in run(shown)]
            if behind:
                steps.write_evaluations(Scope.of_ids(behind), timeline.at(at), today)


def moment_of(
    timeline: Timeline,
    stays: Stays,
    at: datetime | None,
    version: int | None,
    kept_by: int | None,
    kept_until: datetime | None,
) -> Moment | None:
    """What holds at a moment for members who were last judged by `version`; None where a step has to tell."""
    if at is None:
        return None
    now, before = timeline.at(at), timeline.by_pk(version)
    if before is None or (kept_by is not None and timeline.by_pk(kept_by) is None):
        return None
    return Moment(
        at=at,
        version=now,
        before=before if before.pk != now.pk else None,
        kept_by=timeline.by_pk(kept_by),
        kept_until=kept_until,
        stays=mean_stays(stays, now.rules, day_of(at)),
        next_version_at=timeline.next_after(at),
    )
