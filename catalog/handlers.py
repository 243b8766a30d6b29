"""What the catalogue does when others tell news."""

from collections.abc import Sequence
from datetime import datetime

from catalog.services.figures import count_sales
from catalog.services.reviews import close_tickets, open_many_tickets, open_tickets
from events.contracts import OrderDelivered, OrderPaid, OrderRefunded
from events.registry import News, handles_many, subscribe


@subscribe(OrderPaid, "catalog.count_sales")
def on_order_paid(event: OrderPaid, *, at: datetime) -> None:
    count_sales(lines=event.lines)


@handles_many("catalog.count_sales")
def on_orders_paid(news: Sequence[News]) -> None:
    count_sales(lines=[line for one in news for line in one.event.lines])


@subscribe(OrderDelivered, "catalog.open_review_tickets")
def on_order_delivered(event: OrderDelivered, *, at: datetime) -> None:
    # Guests have no account to review with, and nobody could tell two of them from one.
    if event.user_id is not None:
        open_tickets(
            user_id=event.user_id,
            storefront_id=event.storefront_id,
            lines=event.lines,
            delivered_at=event.delivered_at,
        )


@handles_many("catalog.open_review_tickets")
def on_orders_delivered(news: Sequence[News]) -> None:
    open_many_tickets(deliveries=[one.event for one in news if one.event.user_id is not None])


@subscribe(OrderRefunded, "catalog.close_review_tickets")
def on_order_refunded(event: OrderRefunded, *, at: datetime) -> None:
    if event.user_id is not None:
        close_tickets(user_id=event.user_id, storefront_id=event.storefront_id, lines=event.lines, at=event.refunded_at)
