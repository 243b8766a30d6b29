"""Stopping the delivery of what was paid, and letting it go on: staff do both, each with an entry in the audit log."""

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.reasons import read_reason
from orders.exceptions import IllegalMove, OrderNotFound
from orders.models import OrderLine
from orders.services.concealing import conceal_of_order
from orders.services.delivering import finish_delivery, start_delivery
from orders.services.moves import move_line, note_act
from orders.services.paying import lock_order
from orders.services.pieces import FROM_STOCK, sell_missing

HOLD, RELEASE = "order.hold", "order.release"
MAX_REASON = 60
# What can be held: paid for, and not yet handed over.
WAITING_FOR_GOODS = (OrderLine.State.QUEUED, OrderLine.State.SHORT)


def hold_line(*, line_id: int, reason: str, actor: User, address: str | None = None) -> OrderLine:
    """Keep back a line that waits for its goods: nothing delivers or refunds it by itself until it is released.

    Locks the order. Raises OrderNotFound, ReasonNeeded, IllegalMove for a line that does not wait.
    """
    reason = read_reason(reason, most=MAX_REASON)
    with transaction.atomic():
        at = clock.now()
        line = _locked_line(line_id)
        if line.state not in WAITING_FOR_GOODS:
            raise IllegalMove
        reason = conceal_of_order(reason, line.order_id)[:MAX_REASON]
        move_line(line, OrderLine.State.HELD, hold_reason=reason)
        detail = {"order": line.order.number, "reason": reason}
        record(action=HOLD, at=at, actor=actor, target=line, detail=detail, address=address)
        note_act(line.order, at=at, cause="hold", actor_id=actor.pk, note=f"{line}：{reason}")
    return line


def release_held(*, line_id: int, actor: User, address: str | None = None) -> OrderLine:
    """Let a held line go on: to stock where its kind comes from there, else to staff.

    Locks the order, then keys. Raises OrderNotFound, IllegalMove for a line that is not held.
    """
    with transaction.atomic():
        at = clock.now()
        line = _locked_line(line_id)
        order = line.order
        if line.state != OrderLine.State.HELD or order.paid_at is None:
            raise IllegalMove
        sold = line.pieces_delivered + (sell_missing(line, at=at) if line.kind in FROM_STOCK else 0)
        complete = [line] if start_delivery(line, sold, at=at) else []
        detail = {"order": order.number, "reason": line.hold_reason}
        line.hold_reason = ""
        line.save(update_fields=["hold_reason"])
        record(action=RELEASE, at=at, actor=actor, target=line, detail=detail, address=address)
        note_act(order, at=at, cause="release", actor_id=actor.pk, note=str(line))
        finish_delivery(order, complete, at=at, cause="release", actor_id=actor.pk)
    return line


def _locked_line(line_id: int) -> OrderLine:
    """The line, its order locked before it was read."""
    order_id = OrderLine.objects.filter(pk=line_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise OrderNotFound
    order = lock_order(order_id)
    line = order.lines.select_related("sku__product__category").get(pk=line_id)
    line.order = order
    return line
