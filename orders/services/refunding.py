"""Money goes back. The sum of refunds can never pass what was paid: checked under the lock, and by constraints."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from events.contracts import OrderRefunded, RefundedLine
from events.services import emit
from orders.exceptions import IllegalMove, RefundTooLarge
from orders.models import Order, OrderLine, OrderRefund
from orders.services.moves import move_line, move_order, note_act
from orders.services.paying import credit_account, lock_order
from wallet.services import refund_sale

OPEN = [OrderLine.State.QUEUED, OrderLine.State.HELD, OrderLine.State.SHORT]


def refund(*, order_id: int, amounts: Mapping[int, Decimal], ref: str, reason: str, actor: User | None) -> OrderRefund:
    """Give back `amounts` (yuan by line id) to the member's wallet, or for a guest to the order's own account.

    Once per `ref`. Locks the order, then the account. Raises OrderNotFound, IllegalMove for an unpaid order,
    RefundTooLarge.
    """
    with transaction.atomic():
        at = clock.now()
        order = lock_order(order_id)
        known = OrderRefund.objects.filter(ref=ref, order=order).first()
        if known is not None:
            return known
        if order.paid_at is None:
            raise IllegalMove
        lines = {line.pk: line for line in order.lines.select_related("sku__product__category")}
        told = [_refund_line(lines, line_id, amount) for line_id, amount in sorted(amounts.items())]
        total = sum((one.amount for one in told), Decimal("0.00"))
        if not told or order.refunded_total + total > order.paid_total:
            raise RefundTooLarge(refundable=order.paid_total - order.refunded_total)
        made = _store(order, told, total, ref, reason, actor, at)
        refund_sale(to=credit_account(order), amount=total, ref=f"refund:{ref}", at=at, memo=order.number, actor=actor)
        _move(order, total, at=at, actor=actor, reason=reason)
        record(
            action="order.refund",
            at=at,
            actor=actor,
            target=order,
            detail={"ref": ref, "amount": str(total), "reason": reason},
        )
        refunded = OrderRefunded(
            refund_ref=ref,
            order_id=order.pk,
            user_id=order.buyer_id,
            storefront_id=order.storefront_id,
            paid_at=order.paid_at,
            refunded_at=at,
            amount=total,
            complete=order.refunded_total == order.paid_total,
            lines=tuple(told),
        )
        emit(refunded, at=at)
    return made


def _refund_line(lines: Mapping[int, OrderLine], line_id: int, amount: Decimal) -> RefundedLine:
    line = lines.get(line_id)
    if line is None:
        raise IllegalMove
    refundable = line.cash - line.refunded
    if not Decimal("0.00") < amount <= refundable:
        raise RefundTooLarge(refundable=refundable)
    line.refunded += amount
    line.save(update_fields=["refunded"])
    complete = line.refunded == line.cash
    if complete:
        move_line(line, OrderLine.State.REFUNDED)
    return RefundedLine(
        id=line.pk,
        product_id=line.product_id,
        category=line.category_code,
        amount=amount,
        cash=line.cash,
        quantity=line.quantity,
        complete=complete,
    )


def _store(
    order: Order, told: list[RefundedLine], total: Decimal, ref: str, reason: str, actor: User | None, at: datetime
) -> OrderRefund:
    target = OrderRefund.Target.ORDER_CREDIT if order.is_guest else OrderRefund.Target.WALLET
    return OrderRefund.objects.create(
        order=order,
        ref=ref,
        amount=total,
        target=target,
        lines={str(one.id): str(one.amount) for one in told},
        reason=reason[:200],
        actor_id=actor.pk if actor else None,
        at=at,
    )


def _move(order: Order, total: Decimal, *, at: datetime, actor: User | None, reason: str) -> None:
    order.refunded_total += total
    order.save(update_fields=["refunded_total"])
    actor_id = actor.pk if actor else None
    note = f"¥{total} {reason}"
    note_act(order, at=at, cause="refund", actor_id=actor_id, note=note)
    if order.refunded_total == order.paid_total:
        move_order(order, Order.State.REFUNDED, at=at, cause="refund", actor_id=actor_id, note=note)
    elif order.state == Order.State.PAID and not order.lines.filter(state__in=OPEN).exists():
        # The lines that were open are refunded, the rest is with the buyer.
        move_order(order, Order.State.DELIVERED, at=at, cause="refund", actor_id=actor_id, delivered_at=at)


def refund_overdue_short(*, limit: int = 200) -> int:
    """Refund short lines that waited longer than SHORT_REFUND_HOURS, for the pieces that are missing; returns how many."""
    before = clock.now() - timedelta(hours=settings.SHORT_REFUND_HOURS)
    overdue = OrderLine.objects.filter(state=OrderLine.State.SHORT, order__paid_at__lt=before).order_by("pk")
    done = 0
    for line_id in list(overdue.values_list("pk", flat=True)[:limit]):
        done += _refund_missing(line_id)
    return done


def _refund_missing(line_id: int) -> int:
    """Refund one short line's missing pieces and close it; 0 when somebody served it meanwhile."""
    with transaction.atomic():
        order = lock_order(OrderLine.objects.values_list("order_id", flat=True).get(pk=line_id))
        line = order.lines.get(pk=line_id)
        if line.state != OrderLine.State.SHORT:
            return 0
        missing = line.pieces - line.pieces_delivered
        share = (line.cash * missing / line.pieces).quantize(Decimal("0.01"))
        amount = min(max(share, Decimal("0.01")), line.cash - line.refunded)
        if line.pieces_delivered:
            # Part of it is with the buyer: the line counts as delivered, its missing part as refunded.
            move_line(line, OrderLine.State.DELIVERED, delivered_at=clock.now())
        refund(order_id=order.pk, amounts={line_id: amount}, ref=f"short:{line_id}", reason="short", actor=None)
    return 1
