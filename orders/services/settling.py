"""Delivered lines whose warranty has ended: from then on a sale is final."""

from datetime import datetime
from itertools import groupby

from django.db import transaction

from common import clock
from events.contracts import OrderSettled
from events.services import emit
from orders.models import Order, OrderLine
from orders.services.delivering import line_facts


def settle_due(*, limit: int = 500) -> int:
    """Settle delivered lines whose warranty has ended and tell the other rooms; returns how many. A line that its buyer
    disputes waits until the case is over.

    Locks the lines, leaving alone those that somebody else holds: they are settled next time.
    """
    with transaction.atomic():
        at = clock.now()
        due = OrderLine.objects.filter(
            state=OrderLine.State.DELIVERED, settled_at=None, settles_at__lte=at, open_disputes=0
        )
        due = due.select_related("order", "sku__product__category").order_by("settles_at", "pk")
        lines = list(due.select_for_update(of=("self",), skip_locked=True)[:limit])
        OrderLine.objects.filter(pk__in=[line.pk for line in lines]).update(settled_at=at)
        by_order = sorted(lines, key=lambda line: (line.order_id, line.pk))
        for order, group in groupby(by_order, key=lambda line: line.order):
            emit(_news(order, list(group), at), at=at)
    return len(lines)


def _news(order: Order, lines: list[OrderLine], at: datetime) -> OrderSettled:
    return OrderSettled(
        order_id=order.pk,
        user_id=order.buyer_id,
        storefront_id=order.storefront_id,
        paid_at=order.paid_at,
        settled_at=at,
        lines=line_facts(lines),
    )
