"""Checking in: once a day whatever is clicked, with gifts for days running."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from common import clock
from common.clock import day_of
from membership.models import CheckIn, CheckInReward, MemberTier, Nudge, Pass, PointsEntry, Task
from membership.selectors.earning import cycle_of, is_quiet, place_in_cycle
from membership.services.acting import locked_member, note_active_day
from membership.services.facts import record_activity
from membership.services.nudges import note_effect
from membership.services.passes import give_pass
from membership.services.points import grant_points
from membership.services.tasks import count_step_locked

ONE_DAY = timedelta(days=1)
Cause = PointsEntry.Cause


@dataclass(frozen=True)
class CheckedIn:
    """Today's check-in, whether it was made now, and the passes that came with it."""

    check_in: CheckIn
    is_new: bool
    passes: tuple[Pass, ...] = ()


def check_in(*, user_id: int, storefront_id: int) -> CheckedIn:
    """Check a person in for today and give what the rules say. The second time on a day changes nothing.

    Locks the MemberTier, then the person's points.
    """
    with transaction.atomic():
        at = clock.now()
        today = day_of(at)
        member = locked_member(user_id=user_id, storefront_id=storefront_id, at=at)
        yesterday = CheckIn.objects.filter(user=user_id, day=today - ONE_DAY).first()
        made, is_new = CheckIn.objects.get_or_create(
            user_id=user_id,
            day=today,
            defaults={"storefront_id": storefront_id, "streak": yesterday.streak + 1 if yesterday else 1, "at": at},
        )
        if not is_new:
            return CheckedIn(made, False)
        passes = _reward(member, made, _due(member, made), at)
        passes += _go_on(member, made, at)
        record_activity(member_id=member.pk, metric="checkin", quantity=1, occurred_at=at, at=at, ref=_ref(made, "day"))
        note_active_day(member=member, at=at, heard_at=at)
        note_effect(user_id=user_id, kind=Nudge.Kind.STREAK, at=at)
        count_step_locked(member=member, kind=Task.Kind.CHECK_IN, subject=f"day:{today}", at=at, told_at=at)
    return CheckedIn(made, True, tuple(passes))


def _ref(made: CheckIn, what: object) -> str:
    return f"check-in:{made.user_id}:{made.day}:{what}"


def _go_on(member: MemberTier, made: CheckIn, at: datetime) -> list[Pass]:
    """Somebody clicked before midnight and waited for the lock, and the next day's click came first: its streak did not
    break. Gives what that day had missed."""
    after = CheckIn.objects.filter(user=made.user_id, day=made.day + ONE_DAY).first()
    if after is None:
        return []
    had = _due(member, after)
    after.streak = made.streak + 1
    after.save(update_fields=["streak"])
    missed = [reward for reward in _due(member, after) if reward not in had]
    return _reward(member, after, missed, max(at, after.at))


def _reward(member: MemberTier, made: CheckIn, rewards: Iterable[CheckInReward], at: datetime) -> list[Pass]:
    """Book what a check-in brings; writes down on it how much that was."""
    passes = []
    for reward in rewards:
        ref = _ref(made, reward.pk)
        if reward.activity:
            record_activity(
                member_id=member.pk, metric="activity", quantity=reward.activity, occurred_at=at, at=at, ref=ref
            )
            made.activity += reward.activity
        if reward.points:
            cause = Cause.STREAK if reward.streak else Cause.CHECK_IN
            made.points += grant_points(
                user_id=made.user_id,
                amount=reward.points,
                cause=cause,
                ref=ref,
                at=at,
                memo=reward if reward.streak else "",
            ).amount
        if reward.offer is not None and reward.offer.is_active:
            passes.append(give_pass(user_id=made.user_id, offer=reward.offer, ref=ref, at=at))
    made.save(update_fields=["points", "activity"])
    return passes


def _due(member: MemberTier, made: CheckIn) -> list[CheckInReward]:
    rewards = list(CheckInReward.objects.filter(is_active=True).select_related("offer"))
    place = place_in_cycle(made.streak, cycle_of(rewards))
    due = []
    for reward in rewards:
        if reward.audience == CheckInReward.Audience.QUIET:
            # Being quiet is about the time before these days, so it is not said of a later round.
            first = made.day - ONE_DAY * (made.streak - 1)
            fits = made.streak == reward.streak and is_quiet(member.user, before=first)
        else:
            fits = reward.streak in {0, place}
        if fits:
            due.append(reward)
    return due
