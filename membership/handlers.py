"""What membership does when it hears of registrations and orders."""

from datetime import datetime

from common import clock
from events.contracts import OrderDelivered, OrderRefunded, UserRegistered
from events.registry import subscribe
from membership import services


@subscribe(UserRegistered, "membership.ensure_member")
def welcome(event: UserRegistered, *, at: datetime) -> None:
    services.ensure_member(user_id=event.user_id, storefront_id=event.storefront_id, at=clock.now())


@subscribe(OrderDelivered, "membership.record_order_lines")
def count_lines(event: OrderDelivered, *, at: datetime) -> None:
    services.record_order_lines(order=event, at=clock.now())


@subscribe(OrderRefunded, "membership.record_refund")
def take_back(event: OrderRefunded, *, at: datetime) -> None:
    services.record_refund(refund=event, at=clock.now())
