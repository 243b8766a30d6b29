"""The pass over many members: everyone who is due each night, everyone once a week.

Members go by in slices: memory stays the same whatever their number, and a pass that was killed goes on where it stopped.
Over everyone, those who are not due are compared: what is stored has to be what their figures say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from time import monotonic

from django.db.models import DateField, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, TruncDate

from common import clock
from common.clock import SHANGHAI, day_of
from common.locks import session_lock
from membership.engine.versions import Timeline
from membership.exceptions import AlreadyRunning
from membership.models import MemberTier, Recalculation, RuleSetVersion
from membership.selectors.rules import programs_with_rules, published_versions, version_in_force
from membership.services.differences import audit_sample, compare_standing, end_of_comparison
from membership.services.passing import evaluate_those_behind, pass_time
from membership.services.rules import retire_superseded
from membership.services.side_by_side import HANDS, Hands, several_hands
from membership.services.stays import fix_mean_stays

# Large, because the sums of a slice are read in one go through those of everybody, where many are due.
SLICE = 100_000
# The name of the advisory lock; any number that nobody else uses.
LOCK = 731_051

Progress = Callable[[int, int], None]


def recalculate(
    *, everyone: bool, stop_after: timedelta | None = None, batch: int = SLICE, progress: Progress | None = None
) -> Recalculation:
    """Evaluate members who are due, or everyone; takes up an unfinished run of the same scope.

    A run that an earlier day left is followed by another: who has come due since may stand before the place where it goes
    on. So is one during which rules took effect: what their publication asked for was refused while this one ran. Stops
    early, unfinished, when `stop_after` is over. Slices of `batch` members are taken two at a time; `progress` is told (done,
    of how many) after each. Holds an advisory lock throughout; raises AlreadyRunning when another process has it.
    """
    ends = monotonic() + stop_after.total_seconds() if stop_after is not None else None
    with session_lock(LOCK, 0) as mine:
        if not mine:
            raise AlreadyRunning
        scope = Recalculation.Scope.ALL if everyone else Recalculation.Scope.DUE
        _catch_up()
        run = _open(scope)
        with several_hands() as hands:
            while ends is None or monotonic() < ends:
                if _take_next(run, batch, hands, progress):
                    continue
                _finish(run)
                if day_of(run.started_at) >= day_of(clock.now()) and not _rules_came(run.started_at):
                    break
                run = _open(scope)
        return run


def _catch_up() -> None:
    """Show today's figures of those whom a pass that was killed had moved on by a step of an earlier day.

    They are due no more, and the figures come after the steps: nobody else would write them.
    """
    at = clock.now()
    for run in Recalculation.objects.filter(finished_at=None):
        stepped = MemberTier.objects.filter(pk__gt=run.last_member_id, evaluated_at__gte=run.started_at)
        shown = Cast(KT("evaluation__day"), DateField())
        behind = stepped.annotate(shown=shown).filter(shown__lt=TruncDate("evaluated_at", tzinfo=SHANGHAI))
        for program in programs_with_rules():
            ids = list(behind.filter(program=program).exclude(_is_due(at)).values_list("pk", flat=True))
            evaluate_those_behind(ids, Timeline(published_versions(program.pk)), at)


def _open(scope: str) -> Recalculation:
    at = clock.now()
    for program in programs_with_rules():
        retire_superseded(program_id=program.pk, at=at)
        if version_in_force(program.pk, at).rules.dynamic:
            fix_mean_stays(program_id=program.pk, day=day_of(at))
    run, _ = Recalculation.objects.get_or_create(scope=scope, finished_at=None, defaults={"started_at": at})
    run.total = run.evaluated + _members(run.scope, run.last_member_id, clock.now()).count()
    run.save(update_fields=["total"])
    return run


def _rules_came(since: datetime) -> bool:
    """Whether rules took effect after that moment: those who had gone by already stand by the ones before."""
    published = RuleSetVersion.objects.exclude(status=RuleSetVersion.Status.DRAFT)
    return published.filter(effective_from__gt=since, effective_from__lte=clock.now()).exists()


def _finish(run: Recalculation) -> None:
    if run.scope == Recalculation.Scope.ALL:
        audit_sample(run=run)
        end_of_comparison(run=run)
    run.finished_at = clock.now()
    run.save(update_fields=["finished_at", "differences"])


def _members(scope: str, after: int, at: datetime) -> QuerySet[MemberTier]:
    members = MemberTier.objects.filter(pk__gt=after)
    return members if scope == Recalculation.Scope.ALL else members.filter(_is_due(at))


def _is_due(at: datetime) -> Q:
    """Time has come, another version holds, or the engine never saw the member."""
    due = Q(next_check_at__lte=at) | Q(folded_to=None)
    for program in programs_with_rules():
        due |= Q(program=program) & ~Q(version=version_in_force(program.pk, at).pk)
    return due


@dataclass(frozen=True)
class Outcome:
    """What came of a slice: how many moved, and differed from what they should be. `last` is its highest member."""

    members: int
    last: int
    moved: int
    differing: int


def _take_next(run: Recalculation, size: int, hands: Hands, progress: Progress | None) -> bool:
    """Take the next slices and note how far they came; False when none was left.

    What was done twice changes nothing more: a pass that was killed takes again what was not noted.
    """
    at = clock.now()
    rows = _members(run.scope, run.last_member_id, at).order_by("pk")
    members = list(rows.values_list("program_id", "pk")[: size * HANDS])
    slices = [members[start : start + size] for start in range(0, len(members), size)]
    for outcome in hands([partial(_take, run, part, at) for part in slices]):
        run.changed += outcome.moved
        run.differences += outcome.differing
        run.evaluated += outcome.members
        run.last_member_id = outcome.last
        run.save(update_fields=["changed", "evaluated", "last_member_id", "differences"])
        if progress is not None:
            progress(run.evaluated, max(run.total, run.evaluated))
    return bool(members)


def _take(run: Recalculation, members: Sequence[tuple[int, int]], at: datetime) -> Outcome:
    moved = differing = 0
    for program_id, group in groupby(sorted(members), key=lambda row: row[0]):
        versions, due = published_versions(program_id), [pk for _, pk in group]
        if run.scope == Recalculation.Scope.ALL:
            ids, due = due, list(MemberTier.objects.filter(_is_due(at), pk__in=due).values_list("pk", flat=True))
            rest = sorted(set(ids) - set(due))
            differing += compare_standing(rest, versions, at=at, run=run)
        if due:
            moved += pass_time(due, versions, program_id=program_id, at=at)
    return Outcome(len(members), members[-1][1], moved, differing)
