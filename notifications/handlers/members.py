"""Tiers, rewards, birthdays, and word to those who stayed away."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from catalog.models import Product
from common import clock
from common.texts import in_both
from events.contracts import BirthdayGiftGiven, ComebackOffered, FeedbackDeclined, RewardGranted, TierChanged
from events.registry import News, handles_many, subscribe
from membership.selectors import TierNews, tier_news
from notifications import services
from notifications.models import Kind


@subscribe(BirthdayGiftGiven, "notifications.birthday_gift")
def birthday_gift(event: BirthdayGiftGiven, *, at: datetime) -> None:
    services.tell(
        ref=event.ref,
        user_id=event.user_id,
        kind=Kind.BIRTHDAY_GIFT,
        params={},
        link=reverse("shop:coupons" if event.coupon else "shop:member"),
        at=at,
    )


@subscribe(ComebackOffered, "notifications.comeback_offered")
def comeback_offered(event: ComebackOffered, *, at: datetime) -> None:
    product = Product.objects.filter(pk=event.product_id).first()
    chinese, english = (product.name, product.name_en) if product else in_both(_("你要的商品"))
    kind, link = Kind.COMEBACK_ASK, reverse("insights:comeback")
    if event.what == "guide":
        kind = Kind.COMEBACK_GUIDE
    elif event.what == "restock":
        kind = Kind.COMEBACK_COUPON if event.coupon else Kind.COMEBACK_RESTOCK
        link = reverse("shop:product", args=[product.slug]) if product else reverse("shop:home")
    services.tell(
        ref=f"comeback:{event.spell_id}:{event.what}",
        user_id=event.user_id,
        kind=kind,
        params={"product": chinese, "product_en": english},
        link=link,
        at=at,
    )


# What leaves the tier as it is, but not for long.
AT_RISK = {"warn": Kind.TIER_WARNED, "grace": Kind.TIER_GRACE}


@subscribe(TierChanged, "notifications.tier_changed")
def tier_changed(event: TierChanged, *, at: datetime) -> None:
    tiers_changed([News(0, event, at)])


@handles_many("notifications.tier_changed")
def tiers_changed(news: Sequence[News]) -> None:
    told = [one for one in news if _is_told(one.event)]
    found = tier_news(one.event.decision_id for one in told)
    services.tell_many(_tier_note(one, found.get(one.event.decision_id)) for one in told)


def _is_told(event: TierChanged) -> bool:
    # The first tier comes with the registration.
    return event.from_rank is not None and (event.from_rank != event.to_rank or event.cause in AT_RISK)


def _tier_note(news: News, found: TierNews | None) -> services.Note:
    event = news.event
    found = found or TierNews((event.to_name, event.to_name))
    params = {"until": clock.minute_text(found.until) if found.until else ""}
    for name in ("tier", "todo", "other"):
        params[name], params[f"{name}_en"] = getattr(found, name)
    return services.Note(
        ref=f"tier:{event.decision_id}",
        user_id=event.user_id,
        kind=AT_RISK[event.cause] if event.from_rank == event.to_rank else Kind.TIER_CHANGED,
        params=params,
        link=reverse("shop:member"),
        at=news.at,
    )


# What a reward is told as, and the page that it leads to.
REWARDS = {
    "invite": (Kind.FRIEND_ACTIVE, "membership:invite"),
    "invited": (Kind.WELCOME_REWARD, "membership:points"),
    "feedback": (Kind.FEEDBACK_ACCEPTED, "membership:feedback"),
}


@subscribe(RewardGranted, "notifications.reward_granted")
def reward_granted(event: RewardGranted, *, at: datetime) -> None:
    kind, page = REWARDS[event.what]
    services.tell(
        ref=f"reward:{event.ref}",
        user_id=event.user_id,
        kind=kind,
        params={"name": event.name, "points": str(event.points)},
        link=reverse(page),
        at=at,
    )


@subscribe(FeedbackDeclined, "notifications.feedback_declined")
def feedback_declined(event: FeedbackDeclined, *, at: datetime) -> None:
    services.tell(
        ref=f"feedback:{event.feedback_id}:declined",
        user_id=event.user_id,
        kind=Kind.FEEDBACK_DECLINED,
        params={},
        link=reverse("membership:feedback"),
        at=at,
    )
