"""Where a member is with checking in, and what kind of member somebody is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.translation import gettext as _

from accounts.models import User
from common.clock import day_of, start_of_day
from membership.models import ActiveDay, CheckIn, CheckInReward, EarningRules, PassOffer
from membership.selectors.person import LOOK_BACK, NEW_FOR, ONE_DAY, Person, person_of

STRIP = 7


@dataclass(frozen=True)
class CheckInDay:
    """A day of the strip. `number` is its place in the streak; `gift` says what it brings beside the daily points."""

    day: date
    number: int
    is_done: bool
    is_today: bool
    gift: str


@dataclass(frozen=True)
class CheckInShown:
    """`streak` counts up to today, or to yesterday while today is still open; `next_gift` is due in `next_in` days.

    `got` says what today's check-in brought.
    """

    is_done: bool
    got: str
    streak: int
    points: int
    strip: tuple[CheckInDay, ...]
    next_in: int
    next_gift: str


def check_in_shown(*, user_id: int, at: datetime) -> CheckInShown:
    return check_in_of(person_of(user_id=user_id, at=at))


def check_in_of(person: Person) -> CheckInShown:
    """The same of a person who was read already."""
    today, rewards = day_of(person.at), person.rewards
    latest = next(iter(person.check_ins), None)
    is_done = latest is not None and latest.day == today
    streak = latest.streak if latest is not None else 0
    public = [one for one in rewards if one.audience == CheckInReward.Audience.EVERYONE]
    gifts = {one.streak: gift_text(one) for one in public if one.streak}
    cycle = cycle_of(rewards)
    # The strip starts where the running seven days of the streak do.
    ahead = 0 if is_done else 1
    begun = (streak + ahead - 1) // STRIP * STRIP if streak + ahead else 0
    strip = []
    for number in range(begun + 1, begun + STRIP + 1):
        day = today + ONE_DAY * (number - streak - ahead)
        gift = gifts.get(place_in_cycle(number, cycle), "")
        strip.append(CheckInDay(day, number, number <= streak, day == today, gift))
    coming = [n for n in range(streak + 1, streak + cycle + 1) if place_in_cycle(n, cycle) in gifts] if cycle else []
    next_number = coming[0] if coming else 0
    return CheckInShown(
        is_done=is_done,
        got=_got(latest, person.gifts) if latest is not None and is_done else "",
        streak=streak,
        points=sum(one.points for one in public if not one.streak),
        strip=tuple(strip),
        next_in=next_number - streak,
        next_gift=gifts.get(place_in_cycle(next_number, cycle), "") if next_number else "",
    )


def _got(check_in: CheckIn, gifts: Iterable[PassOffer]) -> str:
    earned = reward_text(points=check_in.points, activity=check_in.activity, offer=None)
    return " · ".join([text for text in (earned, *map(str, gifts)) if text])


def gift_text(reward: CheckInReward) -> str:
    return reward_text(points=reward.points, activity=reward.activity, offer=reward.offer)


def reward_text(*, points: int, activity: int, offer: object | None) -> str:
    """`+50 积分 · 活跃值 +10 · 升级券`, without what is nothing."""
    parts = []
    if points:
        parts.append(_("+%(points)s 积分") % {"points": points})
    if activity:
        parts.append(_("活跃值 +%(activity)s") % {"activity": activity})
    if offer is not None:
        parts.append(str(offer))
    return " · ".join(parts)


def cycle_of(rewards: Iterable[CheckInReward]) -> int:
    """After so many days running the gifts begin again; 0 without gifts."""
    everyone = CheckInReward.Audience.EVERYONE
    return max((one.streak for one in rewards if one.audience == everyone), default=0)


def place_in_cycle(streak: int, cycle: int) -> int:
    return (streak - 1) % cycle + 1 if cycle else streak


def active_days(user_id: int, *, first: date, before: date) -> int:
    """On how many days from `first` on, and before `before`, the person did anything."""
    return ActiveDay.objects.filter(user=user_id, day__gte=first, day__lt=before).count()


def is_quiet(user: User, *, before: date) -> bool:
    """Whether a member of some standing was hardly ever there in the 30 days before a day."""
    if user.date_joined > start_of_day(before) - NEW_FOR:
        return False
    return active_days(user.pk, first=before - LOOK_BACK, before=before) <= EarningRules.objects.get().quiet_days
