"""Money goes back. The sum of refunds can never pass what was paid: checked under the lock, and by constraints."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.money import CENT, ZERO
from common.persons import require_another
from events.contracts import OrderRefunded, RefundedLine, RefundRequested
from events.services import emit
from orders.exceptions import IllegalMove, RefundTooLarge
from orders.models import Order, OrderLine, OrderRefund
from orders.services.concealing import conceal_of_order
from orders.services.coupons import let_go_of_coupon
from orders.services.delivering import finish_delivery
from orders.services.dispute_moves import end_for_refunded
from orders.services.moves import move_line, move_order, note_act
from orders.services.paying import WALLET, credit_account, lock_order
from orders.services.recalling import reason_of, recall_keys, recall_refunded
from orders.services.shares import share_of, waived_by
from wallet.services import refund_sale, refunding

logger = logging.getLogger(__name__)
Target = OrderRefund.Target

OPEN = [OrderLine.State.QUEUED, OrderLine.State.HELD, OrderLine.State.SHORT]


def refund(
    *,
    order_id: int,
    amounts: Mapping[int, Decimal],
    ref: str,
    reason: str,
    actor: User | None,
    to: str | None = None,
    by_buyer: bool = False,
    key_ids: Collection[int] | None = None,
) -> OrderRefund:
    """Give back `amounts` (yuan by line id) to the member's wallet, or for a guest to the order's own account.

    `to` ORIGINAL sends the money on its way to whoever paid it: it leaves the sale now, RefundRequested asks the room of
    the gateways for the rest, and what no gateway takes back lands as it would have without `to`. Of an order that was paid
    from the wallet the wallet is the original route.

    What is given back for a line that still waits for pieces pays for those first: they are not delivered any more, and a
    line that waits for nothing else is delivered. A line that is paid back whole ends its cases of after-sale. A coupon
    comes back with the last of the money. Once per `ref`. `by_buyer` says that `actor` is no member of staff here, but the
    buyer, who takes what was granted.

    Of lines with cards that the shop itself sold, those that are paid back are voided: `key_ids` where somebody knows which
    pieces the money is for, otherwise as many as it pays back. Locks the order, the cards, the account, the coupon. Raises
    OrderNotFound, OwnMatter, IllegalMove for an unpaid order, RefundTooLarge, WholeCards, CardsInCase,
    CardRedeemed.
    """
    with transaction.atomic():
        at = clock.now()
        order = lock_order(order_id)
        known = OrderRefund.objects.filter(ref=ref, order=order).first()
        if known is not None:
            return known
        if order.paid_at is None:
            raise IllegalMove
        if actor is not None:
            reason = conceal_of_order(reason, order_id)
            if not by_buyer:
                require_another(actor, order.buyer_id)
        lines = {line.pk: line for line in order.lines.select_related("sku__product__category")}
        waited = {line.pk for line in lines.values() if line.state in OPEN}
        told = [_refund_line(lines, line_id, amount, at) for line_id, amount in sorted(amounts.items())]
        total = sum((one.amount for one in told), ZERO)
        if not told or order.refunded_total + total > order.paid_total:
            raise RefundTooLarge(refundable=order.paid_total - order.refunded_total)
        _recall(order, [lines[one.id] for one in told], key_ids, at, actor)
        target = target_of(order, to)
        made = _store(order, told, total, target, ref, reason, actor, at)
        if order.refunded_total + total < order.paid_total:
            # Told before the refund: what the buyer keeps of these lines counts.
            kept = [line for line in lines.values() if line.pk in waited and line.state == OrderLine.State.DELIVERED]
            finish_delivery(order, kept, at=at, cause="refund", actor_id=actor.pk if actor else None)
        account = refunding() if target == Target.ORIGINAL else credit_account(order)
        refund_sale(to=account, amount=total, ref=f"refund:{ref}", at=at, memo=order.number, actor=actor)
        _move(order, total, at=at, actor=actor, reason=reason)
        record(
            action="order.refund",
            at=at,
            actor=actor,
            target=order,
            detail={"ref": ref, "amount": str(total), "target": str(target), "reason": reason},
        )
        _tell(order, made, told, at)
    return made


def _refund_line(lines: Mapping[int, OrderLine], line_id: int, amount: Decimal, at: datetime) -> RefundedLine:
    line = lines.get(line_id)
    if line is None:
        raise IllegalMove
    refundable = line.cash - line.refunded
    if not ZERO < amount <= refundable:
        raise RefundTooLarge(refundable=refundable)
    line.refunded += amount
    if line.state in OPEN:
        line.pieces_waived = waived_by(line, line.refunded)
    line.save(update_fields=["refunded", "pieces_waived"])
    complete = line.refunded == line.cash
    if complete:
        move_line(line, OrderLine.State.REFUNDED)
        end_for_refunded(line, at=at)
    elif line.state in OPEN and not line.pieces_missing:
        move_line(line, OrderLine.State.DELIVERED, delivered_at=at)
    return RefundedLine(
        id=line.pk,
        product_id=line.product_id,
        category=line.category_code,
        amount=amount,
        cash=line.cash,
        quantity=line.quantity,
        complete=complete,
    )


def _recall(
    order: Order, lines: Sequence[OrderLine], key_ids: Collection[int] | None, at: datetime, actor: User | None
) -> None:
    reason = reason_of(order)
    if key_ids is not None:
        recall_keys(key_ids, reason=reason, at=at, actor=actor)
        return
    for line in lines:
        recall_refunded(line, reason=reason, at=at, actor=actor)


def target_of(order: Order, wanted: str | None) -> Target:
    """Where a refund of the order goes when `wanted` is asked for; of a wallet's order the wallet is the original route."""
    if wanted == Target.ORIGINAL and order.paid_with != WALLET:
        return Target.ORIGINAL
    return Target.ORDER_CREDIT if order.is_guest else Target.WALLET


def _store(
    order: Order,
    told: list[RefundedLine],
    total: Decimal,
    target: Target,
    ref: str,
    reason: str,
    actor: User | None,
    at: datetime,
) -> OrderRefund:
    pending = target == Target.ORIGINAL
    return OrderRefund.objects.create(
        order=order,
        ref=ref,
        amount=total,
        target=target,
        state=OrderRefund.State.PENDING if pending else OrderRefund.State.DONE,
        credited=ZERO if pending else total,
        settled_at=None if pending else at,
        lines={str(one.id): str(one.amount) for one in told},
        reason=reason[:200],
        actor_id=actor.pk if actor else None,
        at=at,
    )


def _tell(order: Order, made: OrderRefund, told: list[RefundedLine], at: datetime) -> None:
    refunded = OrderRefunded(
        refund_ref=made.ref,
        order_id=order.pk,
        user_id=order.buyer_id,
        storefront_id=order.storefront_id,
        paid_at=order.paid_at,
        refunded_at=at,
        amount=made.amount,
        complete=order.refunded_total == order.paid_total,
        lines=tuple(told),
        target=str(made.target),
    )
    emit(refunded, at=at)
    if made.target == Target.ORIGINAL:
        emit(RefundRequested(refund_id=made.pk, order_id=order.pk, amount=made.amount, requested_at=at), at=at)


def _move(order: Order, total: Decimal, *, at: datetime, actor: User | None, reason: str) -> None:
    order.refunded_total += total
    order.save(update_fields=["refunded_total"])
    actor_id = actor.pk if actor else None
    note = f"¥{total} {reason}"
    note_act(order, at=at, cause="refund", actor_id=actor_id, note=note)
    if order.refunded_total == order.paid_total:
        move_order(order, Order.State.REFUNDED, at=at, cause="refund", actor_id=actor_id, note=note)
        let_go_of_coupon(order, at=at, cause="refund", refunded=True)


def refund_overdue_short(*, limit: int = 200) -> int:
    """Refund short lines whose time is up (`refund_due_at`), for the pieces that are missing; returns how many.

    Each in a transaction of its own: one that fails stops no other.
    """
    overdue = OrderLine.objects.filter(state=OrderLine.State.SHORT, refund_due_at__lt=clock.now()).order_by("pk")
    done = 0
    for line_id in list(overdue.values_list("pk", flat=True)[:limit]):
        try:
            done += _refund_missing(line_id)
        except Exception:
            logger.exception("cannot refund what is missing on line %s", line_id)
    return done


def _refund_missing(line_id: int) -> int:
    """Refund one short line's missing pieces and close it; 0 when somebody served it meanwhile."""
    with transaction.atomic():
        order = lock_order(OrderLine.objects.values_list("order_id", flat=True).get(pk=line_id))
        line = order.lines.get(pk=line_id)
        if line.state != OrderLine.State.SHORT:
            return 0
        # What was given back so far was for pieces that are missing; some cent is owed however little a piece costs.
        owed = share_of(line, line.pieces - line.pieces_delivered) - line.refunded
        amount = min(max(owed, CENT), line.cash - line.refunded)
        refund(order_id=order.pk, amounts={line_id: amount}, ref=f"short:{line_id}", reason="short", actor=None)
    return 1
