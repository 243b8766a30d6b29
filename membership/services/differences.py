"""What is stored about members against what it has to be: once a week all by their sums, a sample from the first fact on.

A difference is a row that stays open until a later look finds none. Nothing is corrected here: somebody has to see it.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, Min

from accounts.models import User
from audit.services import record
from common import clock
from common.clock import day_of
from common.locks import lock, lock_one
from membership.engine.dynamic import NoStays
from membership.engine.fold import Fold
from membership.engine.state import dump_state
from membership.engine.step import step
from membership.engine.versions import Timeline
from membership.exceptions import DifferenceOver, NoteNeeded
from membership.models import Bucket, Difference, MemberTier, Recalculation, Total
from membership.selectors.differences import open_differences
from membership.selectors.rules import Published, published_versions
from membership.services.evaluation import folded_again, open_folds
from membership.services.passing import BATCH, make_room, moment_of
from membership.sql import slices
from membership.sql.steps import moving

logger = logging.getLogger(__name__)
Kind = Difference.Kind

# Members who are folded again from their first fact in each weekly pass.
SAMPLE = 200
SHOWN = 20


def compare_standing(
    member_ids: Sequence[int], versions: Sequence[Published], *, at: datetime, run: Recalculation
) -> int:
    """Note members who are not due, and whose figures would move them all the same; returns how many."""
    timeline = Timeline(versions)
    found: list[int] = []
    rest: list[int] = []
    with transaction.atomic():
        slices.take_standing(member_ids, at)
        make_room()
        for key, _ in slices.groups():
            due, _, kept_by, _ = key
            moment = moment_of(timeline, NoStays(), due, timeline.at(at).pk, kept_by, None)
            if moment is not None:
                found += moving(slices.scope_of(key), moment)
            else:
                rest += slices.ids_of(key)
        slices.drop()
    for start in range(0, len(rest), BATCH):
        found += _moving_by_engine(rest[start : start + BATCH], versions, at)
    for member_id in found:
        _note(member_id, Kind.STANDING, {"day": day_of(at).isoformat()}, at=at, run=run)
    return len(found)


def _moving_by_engine(ids: Sequence[int], versions: Sequence[Published], at: datetime) -> list[int]:
    """Members for whom another step now would not leave everything as it is. Locks the rows while it reads."""
    with transaction.atomic():
        members = lock(MemberTier.objects.filter(pk__in=ids))
        folds = open_folds(members, versions, at=at)
        return [member.pk for member in members if member.pk in folds and _moves(folds[member.pk], at)]


def _moves(fold: Fold, at: datetime) -> bool:
    if fold.state is None:
        return True
    due = fold.due()
    if due is not None and due <= at:
        return False  # became due since: the next pass takes the step
    # What is offered depends on the hour at which the mean stays were fixed; nobody is moved by it alone.
    after, decisions = step(replace(fold.world, stays=NoStays()), fold.state, fold.tally.book, at)
    return bool(decisions) or _comparable(dump_state(after)) != _comparable(dump_state(fold.state))


def _comparable(state: dict[str, Any]) -> dict[str, Any]:
    """Without the moment of the last step, which says nothing of the member."""
    return {key: value for key, value in state.items() if key != "at"}


def audit_sample(*, run: Recalculation, size: int = SAMPLE) -> int:
    """Fold a sample of members again from their first fact, and all who differed before; returns how many differ."""
    bounds = MemberTier.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if bounds["first"] is None:
        return 0
    chooser = random.Random(run.pk)  # noqa: S311 - which members are looked at is no secret
    numbers = {chooser.randint(bounds["first"], bounds["last"]) for _ in range(size)}
    open_before = Difference.objects.filter(cleared_at=None, kind__in=[Kind.FOLD, Kind.SUMS])
    numbers |= set(open_before.values_list("member_id", flat=True))
    differing = 0
    for member_id in MemberTier.objects.filter(pk__in=numbers).order_by("pk").values_list("pk", flat=True):
        differing += bool(audit_member(member_id=member_id, run=run))
    run.differences += differing
    return differing


def audit_member(*, member_id: int, run: Recalculation | None = None) -> dict[str, Any]:
    """Compare a member's state and sums with a fold of everything that is in the ledger; returns what differs.

    Writes the differences down and clears those that are gone. Locks the MemberTier.
    """
    with transaction.atomic():
        at = clock.now()
        [member] = lock(MemberTier.objects.filter(pk=member_id))
        versions = published_versions(member.program_id)
        folds = open_folds([member], versions, at=at)
        if member.pk not in folds:
            return {}
        fold = folds[member.pk]
        fold.advance(at)
        again = folded_again(member, fold.world, at)
        found = {Kind.FOLD: _states_differ(fold, again), Kind.SUMS: _sums_differ(member.pk, again)}
        for kind, detail in found.items():
            if detail:
                _note(member.pk, kind, detail, at=at, run=run)
            else:
                _clear(member.pk, kind, at=at)
        return {kind: detail for kind, detail in found.items() if detail}


def _states_differ(fold: Fold, again: Fold) -> dict[str, Any]:
    stored = _comparable(dump_state(fold.state)) if fold.state else {}
    folded = _comparable(dump_state(again.state)) if again.state else {}
    return {
        key: [stored.get(key), folded.get(key)]
        for key in sorted(stored.keys() | folded.keys())
        if stored.get(key) != folded.get(key)
    }


def _sums_differ(member_id: int, again: Fold) -> dict[str, Any]:
    book = again.tally.book
    days = {
        (metric, day.isoformat(), category): [str(one.amount), one.quantity]
        for metric, by_day in book.days.items()
        for day, entries in by_day.items()
        for category, one in entries.items()
        if one.amount or one.quantity
    }
    totals = {
        (metric, "life", category): [str(one.amount), one.quantity]
        for metric, entries in book.totals.items()
        for category, one in entries.items()
        if one.amount or one.quantity
    }
    stored = _stored_sums(member_id)
    folded = {key: _plain_sum(value) for key, value in (days | totals).items()}
    differing = sorted(key for key in stored.keys() | folded.keys() if stored.get(key) != folded.get(key))
    return {" ".join(key): [stored.get(key), folded.get(key)] for key in differing[:SHOWN]}


def _stored_sums(member_id: int) -> dict[tuple[str, str, str], list]:
    days = Bucket.objects.filter(member_id=member_id).values_list("metric", "day", "category", "amount", "quantity")
    totals = Total.objects.filter(member_id=member_id).values_list("metric", "category", "amount", "quantity")
    found = {(metric, day.isoformat(), category): [str(amount), count] for metric, day, category, amount, count in days}
    found |= {(metric, "life", category): [str(amount), count] for metric, category, amount, count in totals}
    plain = {key: _plain_sum(value) for key, value in found.items()}
    return {key: value for key, value in plain.items() if value != ["0", 0]}


def _plain_sum(value: list) -> list:
    amount, count = value
    return [amount.rstrip("0").rstrip(".") if "." in amount else amount, count]


def end_of_comparison(*, run: Recalculation) -> None:
    """Clear the standings that this pass over everyone found right again, and say aloud what it found."""
    at = clock.now()
    Difference.objects.filter(kind=Kind.STANDING, cleared_at=None, seen_at__lt=run.started_at).update(cleared_at=at)
    left = open_differences().count()
    if left:
        logger.error("tiers: %d members are stored otherwise than their figures say", left)


def close_difference(*, difference_id: int, actor: User, note: str) -> Difference:
    """Somebody has looked at it. Nothing of the member is changed; the next pass opens another if it is still so.

    Locks the row. Raises DifferenceOver, NoteNeeded.
    """
    note = note.strip()
    if not note:
        raise NoteNeeded
    with transaction.atomic():
        at = clock.now()
        row = lock_one(Difference.objects.filter(pk=difference_id))
        if row.cleared_at is not None:
            raise DifferenceOver
        row.cleared_at, row.closer, row.note = at, actor, note
        row.save(update_fields=["cleared_at", "closer", "note"])
        record(action="membership.difference.close", at=at, actor=actor, target=row, detail={"note": note})
    return row


def _note(member_id: int, kind: str, detail: dict[str, Any], *, at: datetime, run: Recalculation | None) -> None:
    Difference.objects.update_or_create(
        member_id=member_id,
        kind=kind,
        cleared_at=None,
        defaults={"detail": detail, "seen_at": at, "run": run},
        create_defaults={"detail": detail, "found_at": at, "seen_at": at, "run": run},
    )


def _clear(member_id: int, kind: str, *, at: datetime) -> None:
    Difference.objects.filter(member_id=member_id, kind=kind, cleared_at=None).update(cleared_at=at)
