"""Events that people are told of."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.selectors import staff_with
from catalog.models import Product
from common import clock
from common.texts import in_both
from events.contracts import (
    BirthdayGiftGiven,
    ComebackOffered,
    FeedbackDeclined,
    KeyExportMoved,
    OrderDelivered,
    OrderRefunded,
    RebatePaid,
    ReviewPublished,
    ReviewRejected,
    ReviewWithdrawn,
    RewardGranted,
    TierChanged,
    WalletToppedUp,
)
from events.registry import News, handles_many, subscribe
from membership.selectors import TierNews, tier_news
from notifications import services
from notifications.models import Kind
from orders.models import Order


def tell_buyer(order: Order, *, ref: str, kind: Kind, params: dict[str, str], at: datetime) -> None:
    """A member reads it in the inbox, a guest who left a mail address by mail."""
    if order.buyer_id is not None:
        services.tell(ref=ref, user_id=order.buyer_id, kind=kind, params=params, link=services.order_path(order), at=at)
    else:
        services.queue_mail(
            ref=ref,
            recipient=order.contact,
            kind=kind,
            params=params,
            order=order,
            language=order.language,
            at=at,
        )


@subscribe(OrderDelivered, "notifications.order_delivered")
def order_delivered(event: OrderDelivered, *, at: datetime) -> None:
    if event.complete:
        order = Order.objects.get(pk=event.order_id)
        tell_buyer(order, ref=_delivered(event), kind=Kind.ORDER_DELIVERED, params={"number": order.number}, at=at)


@handles_many("notifications.order_delivered")
def orders_delivered(news: Sequence[News]) -> Collection[News]:
    """Members at once; the mails to guests one by one."""
    complete = [one for one in news if one.event.complete]
    members = [one for one in complete if one.event.user_id is not None]
    orders = Order.objects.only("id", "public_id", "number").in_bulk({one.event.order_id for one in members})
    services.tell_many(
        services.Note(
            ref=_delivered(one.event),
            user_id=one.event.user_id,
            kind=Kind.ORDER_DELIVERED,
            params={"number": orders[one.event.order_id].number},
            link=services.order_path(orders[one.event.order_id]),
            at=one.at,
        )
        for one in members
    )
    return [one for one in complete if one.event.user_id is None]


def _delivered(event: OrderDelivered) -> str:
    return f"delivered:{event.order_id}:{event.delivered_at.isoformat()}"


@subscribe(OrderRefunded, "notifications.order_refunded")
def order_refunded(event: OrderRefunded, *, at: datetime) -> None:
    order = Order.objects.get(pk=event.order_id)
    params = {"number": order.number, "amount": str(event.amount)}
    tell_buyer(order, ref=f"refunded:{event.refund_ref}", kind=Kind.ORDER_REFUNDED, params=params, at=at)


@subscribe(WalletToppedUp, "notifications.topped_up")
def topped_up(event: WalletToppedUp, *, at: datetime) -> None:
    services.tell(
        ref=f"topped_up:{event.user_id}:{event.topped_up_at.isoformat()}",
        user_id=event.user_id,
        kind=Kind.TOPPED_UP,
        params={"amount": str(event.amount)},
        link=reverse("shop:wallet"),
        at=at,
    )


@subscribe(RebatePaid, "notifications.rebate_paid")
def rebate_paid(event: RebatePaid, *, at: datetime) -> None:
    services.tell(
        ref=f"rebate:{event.user_id}:{event.month}",
        user_id=event.user_id,
        kind=Kind.REBATE_PAID,
        params={"month": event.month, "amount": str(event.amount)},
        link=reverse("shop:wallet"),
        at=at,
    )


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
    params = {"until": f"{found.until.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}" if found.until else ""}
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


def tell_author(event: ReviewPublished | ReviewRejected | ReviewWithdrawn, kind: Kind, *, at: datetime) -> None:
    """Tell what became of a review: once for each publication, rejection and removal."""
    product = Product.objects.get(pk=event.product_id)
    services.tell(
        ref=f"{kind}:{event.review_id}:{event.occurred_at.isoformat()}",
        user_id=event.user_id,
        kind=kind,
        params={"product": product.name, "product_en": product.name_en},
        link=reverse("shop:reviews"),
        at=at,
    )


@subscribe(ReviewPublished, "notifications.review_published")
def review_published(event: ReviewPublished, *, at: datetime) -> None:
    tell_author(event, Kind.REVIEW_PUBLISHED, at=at)


@subscribe(ReviewRejected, "notifications.review_rejected")
def review_rejected(event: ReviewRejected, *, at: datetime) -> None:
    tell_author(event, Kind.REVIEW_REJECTED, at=at)


@subscribe(ReviewWithdrawn, "notifications.review_removed")
def review_removed(event: ReviewWithdrawn, *, at: datetime) -> None:
    # Authors know what they took back themselves, and of a rejection they are told as such.
    if event.cause == "removed":
        tell_author(event, Kind.REVIEW_REMOVED, at=at)


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


# What was done about an export of keys, by the state that it led to.
EXPORT_ACTS = {
    "asked": _("申请导出"),
    "approved": _("批准了导出"),
    "refused": _("拒绝了导出"),
    "cancelled": _("取消了导出"),
    "used": _("下载了明文"),
}


@subscribe(KeyExportMoved, "notifications.key_export")
def key_export_moved(event: KeyExportMoved, *, at: datetime) -> None:
    """Everybody else who may decide on such exports is told, in the inbox and by mail. Never a key."""
    chinese, english = in_both(EXPORT_ACTS[event.state])
    params = {"mark": event.mark, "actor": event.actor, "keys": f"{event.keys:,}", "act": chinese, "act_en": english}
    for user in staff_with("catalog.approve_key_export").exclude(pk=event.actor_id):
        ref = f"export:{event.export_id}:{event.state}:{user.pk}"
        link = reverse("admin:catalog_keyexport_change", args=[event.export_id])
        services.tell(ref=ref, user_id=user.pk, kind=Kind.KEY_EXPORT, params=params, link=link, at=at)
        services.queue_mail(
            ref=ref, recipient=user.email, kind=Kind.KEY_EXPORT, params=params, language=settings.LANGUAGE_CODE, at=at
        )
