"""Moving a case of after-sale: compare-and-set, its deadline, the line's count of open cases, and the history row, in one
transaction. Beside the package of the cases' services, because refunds end cases and cases make refunds."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from events.contracts import DisputeClosed
from events.services import emit
from orders.exceptions import DisputeMoved, DisputeNotFound
from orders.models import Dispute, DisputeMove, DisputePiece, DisputeRules, OrderLine
from orders.selectors.disputes import rules_of_disputes
from orders.services.paying import lock_order

State = Dispute.State
Party = DisputeMove.Party

# How long whoever has the next word may take for it.
_TIME: dict[str, Callable[[DisputeRules], int]] = {
    State.SELLER: lambda rules: rules.seller_hours,
    State.OPERATOR: lambda rules: rules.operator_hours,
    State.APPEALED: lambda rules: rules.operator_hours,
    State.DECIDED: lambda rules: rules.appeal_hours,
    State.RESTOCK: lambda rules: rules.restock_hours,
}


def locked_dispute(dispute_id: int) -> Dispute:
    """The case with its order and line, read after its order was locked. Raises DisputeNotFound."""
    order_id = Dispute.objects.filter(pk=dispute_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise DisputeNotFound
    order = lock_order(order_id)
    dispute = Dispute.objects.select_related("line__sku__product").get(pk=dispute_id)
    dispute.order = dispute.line.order = order
    return dispute


def deadline(state: str, rules: DisputeRules, at: datetime) -> datetime | None:
    """When the time of a case in `state` ends that came into it `at`; None for a state that has no end."""
    return at + timedelta(hours=_TIME[state](rules)) if state in _TIME else None


def move_dispute(
    dispute: Dispute,
    to: str,
    *,
    at: datetime,
    cause: str,
    party: str,
    actor_id: int | None = None,
    text: str = "",
    told: str = "",
    amount: Decimal | None = None,
    **changes: Any,
) -> DisputeMove:
    """Move a case, read under the lock of its order, together with other columns; returns the history row, which tells the
    outcome `told`.

    Raises DisputeMoved when the model declares no such move, or somebody else moved it first.
    """
    came_from = dispute.state
    if to not in Dispute.MOVES[State(came_from)]:
        raise DisputeMoved
    due_at = deadline(to, rules_of_disputes(), at)
    changes |= {"due_at": due_at, "desk_due_at": due_at if to in Dispute.AT_DESK else None}
    if due_at is None:
        changes["closed_at"] = at
    if not Dispute.objects.filter(pk=dispute.pk, state=came_from).update(state=to, **changes):
        raise DisputeMoved
    dispute.state = to
    for name, value in changes.items():
        setattr(dispute, name, value)
    move = _row(dispute, came_from, at, cause, party, actor_id, text, told, amount)
    if due_at is None:
        _end(dispute, at)
    return move


def note_words(
    dispute: Dispute, *, at: datetime, cause: str, party: str, actor_id: int | None = None, text: str = ""
) -> DisputeMove:
    """A row in the case's history for words that moved nothing."""
    return _row(dispute, dispute.state, at, cause, party, actor_id, text, "", None)


def first_row(dispute: Dispute, *, at: datetime, actor_id: int | None) -> DisputeMove:
    """The row of a case that was just opened; its line counts it."""
    OrderLine.objects.filter(pk=dispute.line_id).update(open_disputes=F("open_disputes") + 1)
    return _row(dispute, "", at, "opened", Party.BUYER, actor_id, dispute.text, "", None)


def _row(
    dispute: Dispute,
    came_from: str,
    at: datetime,
    cause: str,
    party: str,
    actor_id: int | None,
    text: str,
    outcome: str,
    amount: Decimal | None,
) -> DisputeMove:
    return DisputeMove.objects.create(
        dispute=dispute,
        from_state=came_from,
        to_state=dispute.state,
        cause=cause,
        party=party,
        actor_id=actor_id,
        text=text,
        outcome=outcome,
        amount=amount,
        due_at=dispute.due_at,
        at=at,
    )


def _end(dispute: Dispute, at: datetime) -> None:
    """The case is over: its line may settle, and what may be reported anew is free."""
    OrderLine.objects.filter(pk=dispute.line_id).update(open_disputes=F("open_disputes") - 1)
    pieces = DisputePiece.objects.filter(dispute=dispute, is_taken=True)
    if dispute.state == State.WITHDRAWN:
        pieces.update(is_taken=False)
    elif dispute.outcome == Dispute.Outcome.REPLACE:
        # What was delivered anew as a whole may turn out bad as well; a replaced key is gone, and the fresh one is free.
        pieces.filter(key=None).update(is_taken=False)
    closed = DisputeClosed(
        dispute_id=dispute.pk,
        order_id=dispute.order_id,
        user_id=dispute.order.buyer_id,
        storefront_id=dispute.order.storefront_id,
        line_id=dispute.line_id,
        product_id=dispute.line.product_id,
        seller_id=dispute.seller_id,
        outcome=dispute.outcome,
        refunded=dispute.refunded,
        abusive=dispute.is_abusive,
        withdrawn=dispute.state == State.WITHDRAWN,
        closed_at=at,
    )
    emit(closed, at=at)


def end_for_refunded(line: OrderLine, *, at: datetime) -> None:
    """All that a line cost was given back: there is nothing left to dispute. In the transaction of the refund, whose order
    is locked."""
    if not line.open_disputes:
        return
    for dispute in line.disputes.filter(state__in=Dispute.OPEN).select_related("order", "line").order_by("pk"):
        # What was promised is overtaken; a case that was decided keeps its outcome. Who got all back made nothing up.
        outcome = dispute.outcome if dispute.state == State.DECIDED else Dispute.Outcome.REFUND
        changes = {"outcome": outcome, "is_abusive": False}
        move_dispute(dispute, State.CLOSED, at=at, cause="paid_back", party=Party.SYSTEM, **changes)
