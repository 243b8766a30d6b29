"""What pages of a member ask about the person beside the tier: choices, points, check-ins, how often they were there.

One statement, or columns of the one that reads the member: a page that shows all of it asks once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, QuerySet, Subquery, Sum
from django.db.models.functions import JSONObject

from accounts.models import User
from common.clock import day_of, start_of_day
from membership.models import (
    ActiveDay,
    CheckIn,
    CheckInReward,
    EarningPreference,
    EarningRules,
    Nudge,
    Pass,
    PassOffer,
    PointsAccount,
    PointsLot,
)

ONE_DAY = timedelta(days=1)
LOOK_BACK = timedelta(days=30)
# Somebody new is not a quiet member: nobody knows them yet.
NEW_FOR = timedelta(days=14)
CHOICES = ("personal_tasks", "nudge_order", "nudge_cart", "nudge_streak")
_OFFER = {"name": "offer__name", "name_en": "offer__name_en"}


@dataclass(frozen=True)
class Person:
    """A person at a moment. `check_ins` are today's and yesterday's, the newest first; `active_days` those of the 30 days
    before today.

    `lots` are points that can be spent, by when they end; `gifts` the names of passes that today's check-in brought;
    `reminded` the reminder of a streak that was shown today. Objects are read-only copies, not rows to be saved.
    """

    user_id: int
    at: datetime
    joined: datetime
    choices: EarningPreference
    lots: tuple[tuple[datetime, int], ...]
    owed: int
    check_ins: tuple[CheckIn, ...]
    gifts: tuple[PassOffer, ...]
    rewards: tuple[CheckInReward, ...]
    active_days: int
    quiet_days: int
    reminded: Nudge | None

    @property
    def is_new(self) -> bool:
        return self.joined > self.at - NEW_FOR

    @property
    def is_quiet(self) -> bool:
        """Whether a member of some standing was hardly ever there in the 30 days before today."""
        settled = self.joined <= start_of_day(day_of(self.at)) - NEW_FOR
        return settled and self.active_days <= self.quiet_days


def person_of(*, user_id: int, at: datetime) -> Person:
    """Raises User.DoesNotExist."""
    row = User.objects.filter(pk=user_id).values("pk").annotate(**person_columns(user_id, at)).first()
    if row is None:
        raise User.DoesNotExist(user_id)
    return person_from(row, user_id=user_id, at=at)


def person_columns(user_id: int, at: datetime) -> dict[str, Any]:
    """Columns for a statement that reads one row of this person; `person_from` reads them."""
    today = day_of(at)
    lots = usable_lots(user_id, at).values("expires_at").annotate(sum=Sum("left")).order_by("expires_at")
    check_ins = CheckIn.objects.filter(user=user_id, day__gte=today - ONE_DAY).order_by("-day")
    gifts = Pass.objects.filter(user=user_id, ref__startswith=f"check-in:{user_id}:{today}:").order_by("id")
    rewards = CheckInReward.objects.filter(is_active=True)
    fields = {name: name for name in ("streak", "audience", "points", "activity")}
    there = ActiveDay.objects.filter(user=user_id, day__gte=today - LOOK_BACK, day__lt=today).order_by()
    reminded = Nudge.objects.filter(user=user_id, kind=Nudge.Kind.STREAK, day=today)
    chosen = EarningPreference.objects.filter(pk=user_id)
    return {
        "person_joined": Subquery(User.objects.filter(pk=user_id).values("date_joined")[:1]),
        "person_chosen": _one(chosen, {name: name for name in CHOICES}),
        "person_lots": ArraySubquery(lots.values(row=JSONObject(at="expires_at", amount="sum"))),
        "person_owed": Subquery(PointsAccount.objects.filter(pk=user_id).values("owed")[:1]),
        "person_check_ins": ArraySubquery(
            check_ins.values(row=JSONObject(day="day", streak="streak", points="points", activity="activity"))
        ),
        "person_gifts": ArraySubquery(gifts.values(row=JSONObject(**_OFFER))),
        "person_rewards": ArraySubquery(rewards.values(row=JSONObject(**fields, offer="offer_id", **_OFFER))),
        "person_active_days": Subquery(there.values("user").annotate(n=Count("day")).values("n")),
        "person_quiet_days": Subquery(EarningRules.objects.values("quiet_days")[:1]),
        "person_reminded": _one(reminded, {name: name for name in ("public_id", "kind", "subject", "shown_at")}),
    }


def person_from(row: Mapping[str, Any], *, user_id: int, at: datetime) -> Person:
    reminded = row["person_reminded"]
    return Person(
        user_id=user_id,
        at=at,
        joined=row["person_joined"],
        choices=EarningPreference(user_id=user_id, **(row["person_chosen"] or {})),
        lots=tuple((_time(one["at"]), one["amount"]) for one in row["person_lots"]),
        owed=row["person_owed"] or 0,
        check_ins=tuple(
            CheckIn(user_id=user_id, **{**one, "day": date.fromisoformat(one["day"])})
            for one in row["person_check_ins"]
        ),
        gifts=tuple(PassOffer(**one) for one in row["person_gifts"]),
        rewards=tuple(_reward(**one) for one in row["person_rewards"]),
        active_days=row["person_active_days"] or 0,
        quiet_days=row["person_quiet_days"],
        reminded=Nudge(user_id=user_id, **{**reminded, "shown_at": _time(reminded["shown_at"])}) if reminded else None,
    )


def usable_lots(user_id: int, at: datetime) -> QuerySet[PointsLot]:
    """Points that can be spent at a time; what has ended and is not taken off yet counts no more."""
    return PointsLot.objects.filter(account=user_id, left__gt=0, expires_at__gt=at)


def _one(rows: QuerySet, fields: Mapping[str, str]) -> Subquery:
    return Subquery(rows.values(row=JSONObject(**fields))[:1])


def _reward(*, offer: int | None, name: str | None, name_en: str | None, **fields: Any) -> CheckInReward:
    given = PassOffer(pk=offer, name=name or "", name_en=name_en or "") if offer is not None else None
    return CheckInReward(offer=given, **fields)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
