"""What the buyer may do with a case: take it back, accept what was decided, appeal once, take money instead of waiting.

Callers have checked that this visitor may see the case's order (selectors.order_for).
"""

from collections.abc import Sequence
from typing import BinaryIO

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.persons import require_another
from events.contracts import DisputeAppealed
from events.services import emit
from orders.exceptions import AppealOver, DisputeMoved
from orders.models import Dispute
from orders.models.dispute import MAX_WORDS
from orders.selectors.disputes import rules_of_disputes
from orders.services.concealing import conceal_of_order
from orders.services.dispute_moves import Party, State, locked_dispute, move_dispute
from orders.services.disputes.deciding import tell_decided
from orders.services.disputes.paying_back import refund_case, refundable_of
from orders.services.disputes.pictures import draw_anew, keep_pictures
from orders.services.disputes.words import MIN_WORDS, read_words

INSTEAD = "dispute.money_instead"


def withdraw_dispute(*, dispute_id: int, actor: User | None = None) -> Dispute:
    """Take a case back before it is decided; of an appeal, so that the first decision stands. Taken back twice, it changes
    nothing.

    Locks the order. Raises DisputeNotFound, DisputeMoved.
    """
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.state == State.WITHDRAWN:
            return dispute
        if dispute.state not in Dispute.AT_DESK:
            raise DisputeMoved
        appeal = dispute.state == State.APPEALED
        move_dispute(
            dispute,
            State.CLOSED if appeal else State.WITHDRAWN,
            at=at,
            cause="appeal_withdrawn" if appeal else "withdrawn",
            party=Party.BUYER,
            actor_id=actor.pk if actor else None,
        )
    return dispute


def accept_decision(*, dispute_id: int, actor: User | None = None) -> Dispute:
    """Agree to what was decided: the case is over. Locks the order. Raises DisputeNotFound, DisputeMoved."""
    with transaction.atomic():
        dispute = locked_dispute(dispute_id)
        if dispute.state != State.DECIDED:
            raise DisputeMoved
        move_dispute(
            dispute,
            State.CLOSED,
            at=clock.now(),
            cause="accepted",
            party=Party.BUYER,
            actor_id=actor.pk if actor else None,
        )
    return dispute


def appeal_decision(
    *, dispute_id: int, text: str, pictures: Sequence[BinaryIO] = (), actor: User | None = None
) -> Dispute:
    """Ask for a second look, once, within the time for it. Somebody else decides then, for the last time.

    Locks the order. Raises DisputeNotFound, DisputeMoved, AppealOver, BadWords, BadPicture, TooManyPictures.
    """
    text = read_words(text, most=MAX_WORDS, least=MIN_WORDS)
    drawn = draw_anew(pictures, rules_of_disputes())
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.appealed_at is not None or (dispute.due_at is not None and dispute.due_at < at):
            raise AppealOver
        if dispute.state != State.DECIDED:
            raise DisputeMoved
        row = move_dispute(
            dispute,
            State.APPEALED,
            at=at,
            cause="appealed",
            party=Party.BUYER,
            actor_id=actor.pk if actor else None,
            text=conceal_of_order(text, dispute.order_id),
            appealed_at=at,
        )
        keep_pictures(row, drawn, at=at)
        appealed = DisputeAppealed(
            dispute_id=dispute.pk,
            order_id=dispute.order_id,
            user_id=dispute.order.buyer_id,
            storefront_id=dispute.order.storefront_id,
            line_id=dispute.line_id,
            seller_id=dispute.seller_id,
            appealed_at=at,
            due_at=dispute.due_at,
        )
        emit(appealed, at=at)
    return dispute


def take_money_instead(
    *,
    dispute_id: int,
    party: str = Party.BUYER,
    actor: User | None = None,
    cause: str = "money_instead",
    address: str | None = None,
) -> Dispute:
    """Give back all that the pieces cost instead of waiting for stock any longer; ends the case. Audited when staff do it.

    Locks the order, the account. Raises DisputeNotFound, DisputeMoved for a case that does not wait, OwnMatter.
    """
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.state != State.RESTOCK:
            raise DisputeMoved
        if party == Party.OPERATOR and actor is not None:
            require_another(actor, dispute.order.buyer_id)
        amount = refundable_of(dispute)
        move_dispute(
            dispute,
            State.CLOSED,
            at=at,
            cause=cause,
            party=party,
            actor_id=actor.pk if actor else None,
            told=Dispute.Outcome.REFUND,
            amount=amount,
            outcome=Dispute.Outcome.REFUND,
            refunded=dispute.refunded + amount,
        )
        if amount:
            refund_case(dispute, amount, step="restock", actor=actor)
        if party == Party.OPERATOR:
            detail = {"number": dispute.number, "order": dispute.order.number, "amount": str(amount)}
            record(action=INSTEAD, at=at, actor=actor, target=dispute, detail=detail, address=address)
        tell_decided(dispute, dispute.outcome, amount, at=at)
    return dispute
