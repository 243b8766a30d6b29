"""Orders, what was delivered, and the money that goes back."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.urls import reverse

from events.contracts import OrderDelivered, OrderRefunded, RefundSettled
from events.registry import News, handles_many, subscribe
from notifications import services
from notifications.handlers.buyers import tell_buyer
from notifications.models import Kind
from orders.models import Order, OrderRefund


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
