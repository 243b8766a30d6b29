"""Evaluating many members: everyone who is due each night, or everyone at all by hand.

Batches of locked members in transactions of their own: memory stays the same whatever the number of members, and what
was killed half-way goes on where it stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import groupby
from time import monotonic

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from common import clock
from common.clock import day_of
from common.locks import lock
from membership.exceptions import AlreadyRunning
from membership.models import MemberTier, Program, Recalculation
from membership.selectors.rules import published_versions, version_in_force
from membership.services.evaluation import evaluate_locked
from membership.services.rules import retire_superseded
from membership.services.stays import fix_mean_stays

BATCH = 500
# The name of the advisory lock; any number that nobody else uses.
LOCK = 7_310_500_310

Progress = Callable[[int, int], None]


def recalculate(
    *, everyone: bool, stop_after: timedelta | None = None, batch: int = BATCH, progress: Progress | None = None
) -> Recalculation:
    """Evaluate members who are due, or everyone; takes up an unfinished run of the same scope.

    Stops early, unfinished, when `stop_after` is over. `progress` is told (done, of how many) after each batch.
    Holds an advisory lock throughout; raises AlreadyRunning when another process has it.
    """
    ends = monotonic() + stop_after.total_seconds() if stop_after is not None else None
    with _only_one():
        run = _open(Recalculation.Scope.ALL if everyone else Recalculation.Scope.DUE)
        total = run.evaluated + _members(run.scope, run.last_member_id, clock.now()).count()
        while ends is None or monotonic() < ends:
            if not _evaluate_next(run, batch):
                break
            if progress is not None:
                progress(run.evaluated, max(total, run.evaluated))
        return run


@contextmanager
def _only_one() -> Iterator[None]:
    """A lock of the session, which a process that dies gives back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise AlreadyRunning
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _open(scope: str) -> Recalculation:
    at = clock.now()
    for program in Program.objects.all():
        retire_superseded(program_id=program.pk, at=at)
        if version_in_force(program.pk, at).rules.dynamic:
            fix_mean_stays(program_id=program.pk, day=day_of(at))
    run, _ = Recalculation.objects.get_or_create(scope=scope, finished_at=None, defaults={"started_at": at})
    return run


def _members(scope: str, after: int, at: datetime) -> QuerySet[MemberTier]:
    members = MemberTier.objects.filter(pk__gt=after)
    if scope == Recalculation.Scope.ALL:
        return members
    due = Q(next_check_at__lte=at)
    for program in Program.objects.all():
        due |= Q(program=program) & ~Q(version=version_in_force(program.pk, at).pk)
    return members.filter(due)


def _evaluate_next(run: Recalculation, batch: int) -> bool:
    """Evaluate one batch and note how far it came, in one transaction; False when none was left."""
    with transaction.atomic():
        at = clock.now()
        ids = list(_members(run.scope, run.last_member_id, at).order_by("pk").values_list("pk", flat=True)[:batch])
        if not ids:
            run.finished_at = at
            run.save(update_fields=["finished_at"])
            return False
        members = sorted(lock(MemberTier.objects.filter(pk__in=ids)), key=lambda member: member.program_id)
        for program_id, group in groupby(members, key=lambda member: member.program_id):
            run.changed += len(evaluate_locked(list(group), published_versions(program_id), at=at))
        run.evaluated += len(ids)
        run.last_member_id = ids[-1]
        run.save(update_fields=["changed", "evaluated", "last_member_id"])
    return True
