"""The coupon that an order holds, from being placed until it is over. Locks come after the wallet's and before keys."""

from datetime import datetime

from marketing.services import give_back_coupon, retake_coupon, use_coupon
from marketing.services.using import AFTER_REFUND
from orders.models import Order


def hold_coupon(order: Order, *, at: datetime) -> None:
    """Tie the coupon of a new order to it. Raises CouponGone when somebody was faster with it."""
    if order.coupon_id is not None:
        use_coupon(coupon_id=order.coupon_id, user_id=order.buyer_id, order_id=order.pk, amount=order.coupon_off, at=at)


def hold_coupon_again(order: Order, *, at: datetime) -> None:
    """For a closed order that is paid after all. Raises CouponGone when its coupon is elsewhere by now."""
    if order.coupon_id is not None:
        retake_coupon(order_id=order.pk, at=at)


def let_go_of_coupon(order: Order, *, at: datetime, cause: str, refunded: bool = False) -> None:
    """The order is over: the member has the coupon back; after a refund with some days left to use it."""
    if order.coupon_id is not None:
        give_back_coupon(order_id=order.pk, at=at, cause=cause, at_least=AFTER_REFUND if refunded else None)
