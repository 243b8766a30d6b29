"""Telling the buyer of an order, who may be a guest."""

from datetime import datetime

from notifications import services
from notifications.models import Kind
from orders.models import Order


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
