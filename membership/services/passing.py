"""Letting time pass for many members of one program: one statement for those whom it leaves as they are, the engine for
the others.

Locks are held for as long as one slice is settled, or one batch is folded.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from common.clock import day_of
from common.locks import lock
from membership.engine.dynamic import Stays
from membership.engine.versions import Timeline
from membership.models import MemberTier
from membership.selectors.books import StoredStays
from membership.selectors.rules import Published
from membership.services.evaluation import evaluate_locked
from membership.sql.figures import MEMBERS, Scope
from membership.sql.fragments import fill, run
from membership.sql.settling import PLAIN, Moment, mean_stays, settle, write_documents

# Members whom the engine folds in one transaction.
BATCH = 200
# For fewer members than this the engine is as quick as a statement that has to be planned.
WORTH_A_STATEMENT = 20

# (id, next_check_at, folded_to, state's version, kept_by, kept_until, plain)
Row = tuple


def pass_time(member_ids: Sequence[int], versions: Sequence[Published], *, program_id: int, at: datetime) -> int:
    """Take every step that time brings these members up to `at`; returns how many were moved to another rank.

    Locks the MemberTier rows, those that the engine folds once more, in batches.
    """
    left = _settle(member_ids, versions, program_id=program_id, at=at)
    moved = 0
    for start in range(0, len(left), BATCH):
        with transaction.atomic():
            members = lock(MemberTier.objects.filter(pk__in=left[start : start + BATCH]))
            decisions = evaluate_locked(members, versions, at=at)
            moved += sum(one.from_rank != one.to_rank for one in decisions)
    return moved


def _settle(ids: Sequence[int], versions: Sequence[Published], *, program_id: int, at: datetime) -> list[int]:
    """Settle whom SQL can settle; returns the others, by number."""
    timeline, stays = Timeline(versions), StoredStays(program_id)
    left: set[int] = set()
    settled: set[int] = set()
    with transaction.atomic():
        waiting = _locked_rows(ids)
        while waiting:
            again: list[int] = []
            for moment, group in _by_moment(waiting, timeline, stays, at).items():
                if moment is None or len(group) < WORTH_A_STATEMENT:
                    left.update(group)
                    continue
                found = settle(group, moment, at=at, with_document=moment.day == day_of(at))
                left.update(set(group) - set(found))
                settled.update(found)
                again += [pk for pk, due in found.items() if due is not None and due <= at]
            waiting = _rows(again)
        late = sorted(settled - left)
        _document_those_behind(late, timeline, at)
    return sorted(left)


def _document_those_behind(ids: Sequence[int], timeline: Timeline, at: datetime) -> None:
    """Members who were settled as of an earlier day show the figures of today."""
    today = day_of(at)
    shown = fill(
        "SELECT m.id FROM {members} AS m WHERE {rows} AND m.evaluation ->> 'day' <> {day}",
        members=MEMBERS,
        rows=Scope.of_ids(ids).members,
        day=today.isoformat(),
    )
    behind = [row[0] for row in run(shown)] if ids else []
    if behind:
        write_documents(behind, timeline.at(at), today)


def _locked_rows(ids: Sequence[int]) -> list[Row]:
    locked = fill(
        "SELECT m.id FROM {members} AS m WHERE {rows} ORDER BY m.id FOR UPDATE",
        members=MEMBERS,
        rows=Scope.of_ids(ids).members,
    )
    return _rows([row[0] for row in run(locked)])


def _rows(ids: Sequence[int]) -> list[Row]:
    if not ids:
        return []
    statement = fill(
        """SELECT m.id, m.next_check_at, m.folded_to, (m.state ->> 'version')::bigint, (m.state ->> 'kept_by')::bigint,
    (m.state ->> 'kept_until')::timestamptz, {plain} FROM {members} AS m WHERE {rows}""",
        plain=PLAIN,
        members=MEMBERS,
        rows=Scope.of_ids(ids).members,
    )
    return run(statement)


def _by_moment(
    rows: Iterable[Row], timeline: Timeline, stays: StoredStays, at: datetime
) -> dict[Moment | None, list[int]]:
    """Members by what they wait for next; None for those whom only the engine can judge."""
    found: dict[tuple, list[int]] = defaultdict(list)
    for pk, due, folded_to, version, kept_by, kept_until, plain in rows:
        if not plain or folded_to is None or version is None:
            found[None, None, None, None].append(pk)
            continue
        moments = [one for one in (due, timeline.next_after(folded_to)) if one is not None and one > folded_to]
        moment = min(moments, default=None)
        if moment is not None and moment <= at:
            found[moment, version, kept_by, kept_until].append(pk)
    return {moment_of(timeline, stays, *key): group for key, group in found.items()}


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
