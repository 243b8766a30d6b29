"""Unpaid orders that end: cancelled by the buyer or staff, or expired at their deadline."""

from datetime import datetime
from functools import partial

from django.db import transaction

from accounts.models import User
from catalog.services.stock import release_keys
from common import clock
from common.sweeps import safely
from events.contracts import OrderClosed
from events.services import emit
from orders.exceptions import IllegalMove
from orders.models import Order, OrderLine
from orders.services.coupons import let_go_of_coupon
from orders.services.moves import move_order
from orders.services.paying import lock_order


def cancel(*, order_id: int, actor: User | None, cause: str = "cancelled") -> Order:
    """Cancel an unpaid order and put its keys back on sale. Cancelling it twice changes nothing.

    Locks the order, its coupon, then keys. Raises OrderNotFound, IllegalMove for a paid order.
    """
    with transaction.atomic():
        at = clock.now()
        order = lock_order(order_id)
        if order.state == Order.State.CANCELLED:
            return order
        _close(order, Order.State.CANCELLED, cause=cause, actor_id=actor.pk if actor else None, at=at)
    return order


def expire(*, order_id: int) -> bool:
    """Expire an order whose payment deadline has passed, judged under the lock; returns whether it did."""
    with transaction.atomic():
        at = clock.now()
        order = lock_order(order_id)
        if order.state != Order.State.UNPAID or order.pay_deadline > at:
            return False
        _close(order, Order.State.EXPIRED, cause="expired", actor_id=None, at=at)
    return True


def expire_due(*, limit: int = 500) -> int:
    """Expire what is due, each order in a transaction of its own; returns how many. One that fails stops no other."""
    due = Order.objects.filter(state=Order.State.UNPAID, pay_deadline__lte=clock.now()).order_by("pay_deadline")
    return sum(
        safely(partial(expire, order_id=order_id), "expire order", order_id, failed=False)
        for order_id in list(due.values_list("pk", flat=True)[:limit])
    )


def _close(order: Order, to: str, *, cause: str, actor_id: int | None, at: datetime) -> None:
    if order.state != Order.State.UNPAID:
        raise IllegalMove
    move_order(order, to, at=at, cause=cause, actor_id=actor_id, closed_at=at)
    line_ids = list(order.lines.values_list("pk", flat=True))
    OrderLine.objects.filter(pk__in=line_ids, state=OrderLine.State.WAITING).update(state=OrderLine.State.CLOSED)
    let_go_of_coupon(order, at=at, cause=cause)
    release_keys(line_ids=line_ids)
    closed = OrderClosed(
        order_id=order.pk, user_id=order.buyer_id, storefront_id=order.storefront_id, reason=str(to), closed_at=at
    )
    emit(closed, at=at)
