"""What becomes of a refund by the original route, as `payments` learns it from gateways: part by part, until nothing is on
its way."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from common.locks import lock_one
from common.money import ZERO
from events.contracts import RefundSettled
from events.services import emit
from orders.exceptions import IllegalMove
from orders.models import Order, OrderRefund
from orders.services.moves import note_act
from orders.services.paying import credit_account, lock_order
from wallet.services import fall_back, return_to_channel

State = OrderRefund.State


def note_returned(*, refund_id: int, amount: Decimal, channel: str, ref: str, at: datetime) -> OrderRefund:
    """`channel` (a code) gave `amount` of the refund back to its payer; once per `ref`, in the caller's transaction.

    Locks the order. Raises IllegalMove when so much is not on its way.
    """
    with transaction.atomic():
        order, refund = _locked(refund_id)
        _, new = return_to_channel(channel=channel, amount=amount, ref=ref, at=at, memo=order.number)
        if new:
            _move(order, refund, returned=amount, at=at)
            note_act(order, at=at, cause="refund_returned", actor_id=None, note=f"¥{amount}")
            _tell(order, refund, at)
    return refund


def credit_instead(*, refund_id: int, amount: Decimal, ref: str, at: datetime, note: str = "") -> OrderRefund:
    """`amount` of the refund cannot go back the way it came: it is the buyer's in the shop, in the member's wallet or for a
    guest on the order; once per `ref`, in the caller's transaction.

    Locks the order, then the account. Raises IllegalMove when so much is not on its way.
    """
    with transaction.atomic():
        order, refund = _locked(refund_id)
        _, new = fall_back(to=credit_account(order), amount=amount, ref=ref, at=at, memo=order.number)
        if new:
            _move(order, refund, credited=amount, at=at)
            told = f"¥{amount} {note}".strip()
            note_act(order, at=at, cause="refund_credited", actor_id=None, note=told)
            _tell(order, refund, at)
    return refund


def _locked(refund_id: int) -> tuple[Order, OrderRefund]:
    order_id = OrderRefund.objects.values_list("order_id", flat=True).get(pk=refund_id)
    return lock_order(order_id), lock_one(OrderRefund.objects.filter(pk=refund_id))


def _move(
    order: Order, refund: OrderRefund, *, at: datetime, returned: Decimal = ZERO, credited: Decimal = ZERO
) -> None:
    """Count what arrived, and move the refund when it was the last."""
    came_from, left = refund.state, refund.on_its_way - returned - credited
    refund.returned += returned
    refund.credited += credited
    to = State.PENDING if left else State.FAILED if refund.credited else State.DONE
    if left < 0 or to not in OrderRefund.MOVES[State(came_from)]:
        raise IllegalMove
    refund.state, refund.settled_at = to, None if left else at
    changes = {name: getattr(refund, name) for name in ("returned", "credited", "state", "settled_at")}
    if not OrderRefund.objects.filter(pk=refund.pk, state=came_from).update(**changes):
        raise IllegalMove


def _tell(order: Order, refund: OrderRefund, at: datetime) -> None:
    if refund.state == State.PENDING:
        return
    settled = RefundSettled(
        ref=refund.ref,
        order_id=order.pk,
        user_id=order.buyer_id,
        number=order.number,
        returned=refund.returned,
        credited=refund.credited,
        settled_at=at,
    )
    emit(settled, at=at)
