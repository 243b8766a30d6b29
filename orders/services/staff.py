"""What staff do with an order besides moving it: give money back, look at what was delivered, leave a note. All is logged."""

from django.db import transaction

from accounts.models import User
from audit.services import record
from catalog.services.keys import looks_left
from common import clock
from common.reasons import read_reason
from orders.exceptions import OrderNotFound
from orders.models import Order
from orders.selectors import Delivered, delivered_of
from orders.services.concealing import conceal_of_order
from orders.services.paying import lock_order

REVEAL = "order.reveal"
NOTE = "order.note"


def reveal(*, order_id: int, reason: str, limit: int, actor: User, address: str | None = None) -> list[Delivered]:
    """What was delivered for an order, opened for staff: at most `limit` keys, and no more than the actor may see this hour.

    Each look is in the audit log. Locks the actor's row. Raises OrderNotFound, ReasonNeeded, TooManyReveals,
    DecryptionFailed.
    """
    reason = conceal_of_order(read_reason(reason), order_id)
    with transaction.atomic():
        at = clock.now()
        left = looks_left(actor=actor, at=at)
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            raise OrderNotFound
        opened = delivered_of(order, limit=min(limit, left))
        detail = {"reason": reason, "count": len(opened)}
        record(action=REVEAL, at=at, actor=actor, target=order, detail=detail, address=address)
    return opened


def set_note(*, order_id: int, text: str, actor: User, address: str | None = None) -> Order:
    """Replace the note that only staff see; the log keeps only how long it was and is. Locks the order. Raises OrderNotFound."""
    with transaction.atomic():
        order = lock_order(order_id)
        before, order.staff_note = order.staff_note, conceal_of_order(text.strip(), order_id)
        if before != order.staff_note:
            order.save(update_fields=["staff_note"])
            detail = {"length": len(order.staff_note), "before": len(before)}
            record(action=NOTE, at=clock.now(), actor=actor, target=order, detail=detail, address=address)
    return order
