"""Handing over what was paid for: from stock at once, by hand, or later when stock comes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from audit.services import record
from catalog.models import Product
from catalog.services.stock import current_reusable
from common import clock
from common.exceptions import BadInput
from common.locks import lock_one
from events.contracts import Line, OrderDelivered
from events.services import emit
from orders.exceptions import IllegalMove, NothingToDeliver, OrderNotFound
from orders.models import LineSecret, Order, OrderLine
from orders.sealing import seal_secret
from orders.selectors.orders import delivery_rules
from orders.services.moves import move_line, move_order, note_act
from orders.services.pieces import FROM_STOCK, sell_missing

MAX_SECRET = 20_000
State = OrderLine.State


def line_facts(lines: Sequence[OrderLine]) -> tuple[Line, ...]:
    """The lines as other rooms hear of them. `sku__product__category` should be selected."""
    return tuple(
        Line(
            id=line.pk,
            product_id=line.product_id,
            sku_id=line.sku_id,
            category_id=line.sku.product.category_id,
            category=line.category_code,
            seller_id=line.seller_id,
            quantity=line.quantity,
            list=line.list_total,
            cash=line.cash,
            points_paid=line.points_paid,
            discount=line.discount,
            settles_at=line.settles_at,
        )
        for line in lines
    )


def start_delivery(line: OrderLine, sold: int, *, at: datetime) -> bool:
    """Move a line whose order was just paid, or that was held, `sold` keys being on it; returns whether it is complete."""
    if line.kind in FROM_STOCK:
        if sold < line.pieces_due:
            move_line(line, State.SHORT, pieces_delivered=sold, refund_due_at=_refund_time(line))
            return False
        move_line(line, State.DELIVERED, pieces_delivered=sold, delivered_at=at)
        return True
    secret = current_reusable(line.sku) if line.kind == Product.Kind.REUSABLE else None
    if secret is None:
        move_line(line, State.QUEUED)
        return False
    move_line(line, State.DELIVERED, pieces_delivered=line.pieces_due, delivered_at=at, reusable_secret_id=secret.pk)
    return True


def _refund_time(line: OrderLine) -> datetime:
    """When the missing pieces of a line are refunded. What its buyer was told once holds, whatever the rules say now."""
    hours = delivery_rules().short_refund_hours
    return line.refund_due_at or line.order.paid_at + timedelta(hours=hours)


def finish_delivery(
    order: Order, delivered: Sequence[OrderLine], *, at: datetime, cause: str, actor_id: int | None = None
) -> None:
    """After lines were delivered: move the order when none is left, and tell the other rooms."""
    left = order.lines.exclude(state__in=[State.DELIVERED, State.REFUNDED]).exists()
    if not left and order.state == Order.State.PAID:
        move_order(order, Order.State.DELIVERED, at=at, cause=cause, actor_id=actor_id, delivered_at=at)
    if delivered:
        told = OrderDelivered(
            order_id=order.pk,
            user_id=order.buyer_id,
            storefront_id=order.storefront_id,
            paid_at=order.paid_at,
            delivered_at=at,
            complete=not left,
            lines=line_facts(delivered),
        )
        emit(told, at=at)


def redeliver(*, order_id: int, actor: User | None) -> int:
    """Give short lines of a paid order what stock has now; returns how many keys. Locks the order, then keys.

    Raises OrderNotFound, NothingToDeliver.
    """
    with transaction.atomic():
        at = clock.now()
        order = _locked(order_id)
        sold_in_all, complete = 0, []
        for line in order.lines.filter(state=State.SHORT).select_related("sku__product__category"):
            sold = sell_missing(line, at=at)
            sold_in_all += sold
            line.pieces_delivered += sold
            if not line.pieces_missing:
                move_line(line, State.DELIVERED, pieces_delivered=line.pieces_delivered, delivered_at=at)
                complete.append(line)
            elif sold:
                line.save(update_fields=["pieces_delivered"])
        if not sold_in_all:
            raise NothingToDeliver
        actor_id = actor.pk if actor else None
        note_act(order, at=at, cause="redeliver", actor_id=actor_id, note=str(sold_in_all))
        if actor is not None:
            record(action="order.redeliver", at=at, actor=actor, target=order, detail={"count": sold_in_all})
        finish_delivery(order, complete, at=at, cause="redeliver", actor_id=actor_id)
    return sold_in_all


def deliver_by_hand(*, line_id: int, text: str, actor: User) -> OrderLine:
    """Deliver a queued line with what staff typed (a code, a receipt, "已充值"); it is stored sealed.

    Locks the order. Raises OrderNotFound, IllegalMove when the line is not waiting for staff, BadInput for empty text.
    """
    text = text.strip()
    if not text or len(text) > MAX_SECRET:
        raise BadInput("bad_delivery", "")
    with transaction.atomic():
        at = clock.now()
        order_id = OrderLine.objects.filter(pk=line_id).values_list("order_id", flat=True).first()
        order = _locked(order_id or 0)
        line = order.lines.select_related("sku__product__category").get(pk=line_id)
        if line.state not in {State.QUEUED, State.SHORT} or order.paid_at is None:
            raise IllegalMove
        secret = LineSecret.objects.create(line=line, sealed="", at=at, actor_id=actor.pk)
        secret.sealed = seal_secret(text, secret.pk)
        secret.save(update_fields=["sealed"])
        move_line(line, State.DELIVERED, pieces_delivered=line.pieces_due, delivered_at=at)
        record(action="order.deliver_by_hand", at=at, actor=actor, target=line, detail={"order": order.number})
        note_act(order, at=at, cause="deliver_by_hand", actor_id=actor.pk, note=str(line))
        finish_delivery(order, [line], at=at, cause="deliver_by_hand", actor_id=actor.pk)
    return line


def _locked(order_id: int) -> Order:
    try:
        return lock_one(Order.objects.filter(pk=order_id))
    except Order.DoesNotExist as error:
        raise OrderNotFound from error
