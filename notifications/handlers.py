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
    CreditNoticed,
    DisputeAsked,
    DisputeDecided,
    DisputeOpened,
    DisputeOverdue,
    FeedbackDeclined,
    KeyExportMoved,
    OrderDelivered,
    OrderRefunded,
    PayoutAccountDecided,
    RebatePaid,
    RefundSettled,
    ReviewPublished,
    ReviewRejected,
    ReviewWithdrawn,
    RewardGranted,
    TierChanged,
    WalletToppedUp,
    WithdrawalMoved,
)
from events.registry import News, handles_many, subscribe
from membership.selectors import TierNews, tier_news
from notifications import services
from notifications.models import Kind
from orders.models import Dispute, Order, OrderRefund


def tell_buyer(order: Order, *, ref: str, kind: Kind, params: dict[str, str], at: datetime, link: str = "") -> None:
    """A member reads it in the inbox, with `link` or the order's page; a guest who left a mail address by mail, with a link
    that opens the order."""
    if order.buyer_id is not None:
        link = link or services.order_path(order)
        services.tell(ref=ref, user_id=order.buyer_id, kind=kind, params=params, link=link, at=at)
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
    kind = Kind.REFUND_SENT if event.target == OrderRefund.Target.ORIGINAL else Kind.ORDER_REFUNDED
    tell_buyer(order, ref=f"refunded:{event.refund_ref}", kind=kind, params=params, at=at)


@subscribe(RefundSettled, "notifications.refund_settled")
def refund_settled(event: RefundSettled, *, at: datetime) -> None:
    """What went back, and what did not, each in words of its own."""
    for ref, kind, amount in (
        (f"returned:{event.ref}", Kind.REFUND_RETURNED, event.returned),
        (f"fell_back:{event.ref}", Kind.REFUND_CREDITED, event.credited),
    ):
        params = {"number": event.number, "amount": str(amount)}
        if amount and event.order_id is not None:
            tell_buyer(Order.objects.get(pk=event.order_id), ref=ref, kind=kind, params=params, at=at)
        elif amount and event.user_id is not None:
            link = reverse("shop:wallet")
            services.tell(ref=ref, user_id=event.user_id, kind=kind, params=params, link=link, at=at)


def tell_of_dispute(
    dispute_id: int, *, ref: str, kind: Kind, at: datetime, until: datetime | None = None, **params: str
) -> None:
    dispute = Dispute.objects.select_related("order").get(pk=dispute_id)
    params |= {"number": dispute.number}
    if until is not None:
        params["until"] = f"{until.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M}"
    link = reverse("shop:dispute", args=[dispute.public_id])
    tell_buyer(dispute.order, ref=f"dispute:{dispute_id}:{ref}", kind=kind, params=params, link=link, at=at)


@subscribe(DisputeOpened, "notifications.dispute_opened")
def dispute_opened(event: DisputeOpened, *, at: datetime) -> None:
    tell_of_dispute(event.dispute_id, ref="opened", kind=Kind.DISPUTE_OPENED, at=at, until=event.due_at)


@subscribe(DisputeAsked, "notifications.dispute_asked")
def dispute_asked(event: DisputeAsked, *, at: datetime) -> None:
    tell_of_dispute(event.dispute_id, ref=f"asked:{event.move_id}", kind=Kind.DISPUTE_ASKED, at=at)


DECIDED = {
    "replace": Kind.DISPUTE_REPLACED,
    "refund": Kind.DISPUTE_REFUNDED,
    "partial": Kind.DISPUTE_REFUNDED,
    "reject": Kind.DISPUTE_REJECTED,
}


@subscribe(DisputeDecided, "notifications.dispute_decided")
def dispute_decided(event: DisputeDecided, *, at: datetime) -> None:
    tell_of_dispute(
        event.dispute_id,
        ref=f"decided:{event.move_id}",
        kind=Kind.DISPUTE_WAITS if event.waits else DECIDED[event.told],
        at=at,
        until=event.appeal_until,
        amount=str(event.amount),
    )


@subscribe(DisputeOverdue, "notifications.dispute_overdue")
def dispute_overdue(event: DisputeOverdue, *, at: datetime) -> None:
    """Whoever may decide it reads it in the inbox; of an appeal, not who decided first."""
    deciders = staff_with("orders.decide_dispute")
    if event.appeal:
        deciders = deciders.exclude(pk=event.decided_by_id)
    services.tell_many(
        services.Note(
            ref=f"dispute:{event.dispute_id}:late:{event.due_at.isoformat()}:{user_id}",
            user_id=user_id,
            kind=Kind.DISPUTE_OVERDUE,
            params={"number": event.number},
            link=reverse("admin:orders_dispute_change", args=[event.dispute_id]),
            at=at,
        )
        for user_id in deciders.values_list("pk", flat=True)
    )


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


WITHDRAWAL_KINDS = {
    "asked": Kind.WITHDRAWAL_ASKED,
    "paid": Kind.WITHDRAWAL_PAID,
    "rejected": Kind.WITHDRAWAL_REJECTED,
}


@subscribe(WithdrawalMoved, "notifications.withdrawal_moved")
def withdrawal_moved(event: WithdrawalMoved, *, at: datetime) -> None:
    services.tell(
        ref=f"withdrawal:{event.withdrawal_id}:{event.state}",
        user_id=event.user_id,
        kind=WITHDRAWAL_KINDS[event.state],
        params={"amount": str(event.amount), "account": event.account, "reason": event.reason},
        link=reverse("payments:withdrawals"),
        at=at,
    )


@subscribe(PayoutAccountDecided, "notifications.payout_account_decided")
def payout_account_decided(event: PayoutAccountDecided, *, at: datetime) -> None:
    services.tell(
        ref=f"payout:{event.account_id}:{event.decided_at.isoformat()}",
        user_id=event.user_id,
        kind=Kind.PAYOUT_VERIFIED if event.verified else Kind.PAYOUT_REFUSED,
        params={"account": event.account, "reason": event.reason},
        link=reverse("payments:withdrawals"),
        at=at,
    )


CREDIT_KINDS = {
    "granted": Kind.CREDIT_GRANTED,
    "due": Kind.CREDIT_DUE,
    "frozen": Kind.CREDIT_FROZEN,
    "unfrozen": Kind.CREDIT_UNFROZEN,
}


@subscribe(CreditNoticed, "notifications.credit_noticed")
def credit_noticed(event: CreditNoticed, *, at: datetime) -> None:
    services.tell(
        ref=f"credit:{event.line_id}:{event.what}:{event.noticed_at.isoformat()}",
        user_id=event.user_id,
        kind=CREDIT_KINDS[event.what],
        params={"used": str(event.used), "limit": str(event.limit), "due": event.due_on},
        link=reverse("shop:wallet_credit"),
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
