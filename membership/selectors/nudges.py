"""What nudges were shown, to whom, and what came of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, QuerySet
from django.utils.translation import gettext_lazy

from common.clock import SHANGHAI, day_of
from membership.models import EarningPreference, Nudge
from membership.selectors.person import ONE_DAY, Person

# For how long a page that is loaded again, or brought up to date, shows the nudge that it showed.
SAME_SHOWING = timedelta(minutes=10)
# A streak of one day is none yet.
LEAST_STREAK = 2
# From this hour on (Shanghai) a day without check-in is likely to end without one.
EVENING = 18


CHOICES = {
    Nudge.Kind.ORDER: gettext_lazy("下单后，告诉我离下一级还差多少"),
    Nudge.Kind.CART: gettext_lazy("商品放了两分钟还没付款时，告诉我升级能省多少"),
    Nudge.Kind.STREAK: gettext_lazy("连续签到快断时，当天晚上提醒我"),
}


@dataclass(frozen=True)
class NudgeChoice:
    kind: str
    label: str
    is_on: bool


def nudged_users(user_ids: Iterable[int]) -> set[int]:
    """Those of the users who were shown a nudge whose effect has not come yet."""
    return set(Nudge.objects.filter(user__in=set(user_ids), converted_at=None).values_list("user", flat=True))


def nudge_choices(chosen: EarningPreference) -> tuple[NudgeChoice, ...]:
    return tuple(
        NudgeChoice(kind.value, str(CHOICES[kind]), getattr(chosen, f"nudge_{kind.value}")) for kind in Nudge.Kind
    )


def shown_lately(*, user_id: int, kind: str, subject: str, at: datetime) -> Nudge | None:
    """The nudge about this subject that the page just showed; None once its kind was turned off."""
    off = EarningPreference.objects.filter(pk=user_id, **{f"nudge_{kind}": False})
    rows = Nudge.objects.filter(user=user_id, kind=kind, subject=subject, shown_at__gt=at - SAME_SHOWING)
    return rows.exclude(Exists(off)).order_by("-id").first()


def is_evening(at: datetime) -> bool:
    return at.astimezone(SHANGHAI).hour >= EVENING


def streak_at_risk(person: Person) -> int:
    """The days of a streak that ends tonight unless the member checks in; 0 where there is none, or still time."""
    today = day_of(person.at)
    streaks = {one.day: one.streak for one in person.check_ins}
    streak = streaks.get(today - ONE_DAY, 0)
    return streak if is_evening(person.at) and today not in streaks and streak >= LEAST_STREAK else 0


def just_shown(nudge: Nudge, at: datetime) -> bool:
    """Whether a page that is loaded again still shows it."""
    return nudge.shown_at > at - SAME_SHOWING


@dataclass(frozen=True)
class Effect:
    """How often nudges of a kind were shown, followed, and did what they were for."""

    kind: str
    label: str
    shown: int
    clicked: int
    converted: int

    @property
    def click_percent(self) -> int:
        return self.clicked * 100 // self.shown if self.shown else 0

    @property
    def converted_percent(self) -> int:
        return self.converted * 100 // self.shown if self.shown else 0


def nudge_effects(rows: QuerySet[Nudge]) -> list[Effect]:
    """The effect by kind, of the rows given; kinds without a row too."""
    counted = rows.order_by().values("kind").annotate(n=Count("pk"), c=Count("clicked_at"), e=Count("converted_at"))
    found = {row["kind"]: row for row in counted}
    nothing = {"n": 0, "c": 0, "e": 0}
    return [
        Effect(kind.value, str(kind.label), *(found.get(kind.value, nothing)[name] for name in ("n", "c", "e")))
        for kind in Nudge.Kind
    ]
