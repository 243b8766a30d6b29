"""What is said in a case: the seller's answer, questions of staff, more words and pictures of the buyer."""

from collections.abc import Sequence
from typing import BinaryIO

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.persons import require_another
from events.contracts import DisputeAsked
from events.services import emit
from orders.exceptions import BadDispute, DisputeMoved
from orders.models import Dispute, DisputeMove
from orders.models.dispute import MAX_WORDS
from orders.selectors.disputes import rules_of_disputes
from orders.services.concealing import conceal_of_order
from orders.services.dispute_moves import Party, State, locked_dispute, move_dispute, note_words
from orders.services.disputes.pictures import draw_anew, keep_pictures
from orders.services.disputes.words import read_words

ANSWER, ASK = "dispute.answer", "dispute.ask"


def answer_dispute(
    *, dispute_id: int, text: str, proposal: str, actor: User, address: str | None = None
) -> DisputeMove:
    """The seller's side of it, and what the seller would agree to ("" for nothing); then it is the operator's turn.

    Locks the order. Raises DisputeNotFound, DisputeMoved when it is not the seller's turn, OwnMatter, BadWords, BadDispute.
    """
    if proposal and proposal not in Dispute.Outcome.values:
        raise BadDispute("bad_outcome", None, field="proposal")
    text = read_words(text, most=MAX_WORDS)
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.state != State.SELLER:
            raise DisputeMoved
        require_another(actor, dispute.order.buyer_id)
        text = conceal_of_order(text, dispute.order_id)
        detail = {"number": dispute.number, "proposal": proposal, "length": len(text)}
        record(action=ANSWER, at=at, actor=actor, target=dispute, detail=detail, address=address)
        return move_dispute(
            dispute,
            State.OPERATOR,
            at=at,
            cause="answered",
            party=Party.SELLER,
            actor_id=actor.pk,
            text=text,
            told=proposal,
            proposal=proposal,
        )


def say_in_dispute(
    *,
    dispute_id: int,
    text: str,
    party: str,
    pictures: Sequence[BinaryIO] = (),
    actor: User | None = None,
    address: str | None = None,
) -> DisputeMove:
    """Words that move nothing: a buyer adds something, staff ask the buyer (who is told of it).

    Locks the order. Raises DisputeNotFound, DisputeMoved where nobody decides any more, BadWords, BadPicture,
    TooManyPictures.
    """
    text = read_words(text, most=MAX_WORDS)
    drawn = draw_anew(pictures, rules_of_disputes())
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        if dispute.state not in Dispute.AT_DESK:
            raise DisputeMoved
        text = conceal_of_order(text, dispute.order_id)
        asks = party != Party.BUYER
        actor_id = actor.pk if actor else None
        row = note_words(dispute, at=at, cause="asked" if asks else "added", party=party, actor_id=actor_id, text=text)
        keep_pictures(row, drawn, at=at)
        if asks:
            record(action=ASK, at=at, actor=actor, target=dispute, detail={"length": len(text)}, address=address)
            asked = DisputeAsked(
                dispute_id=dispute.pk,
                order_id=dispute.order_id,
                user_id=dispute.order.buyer_id,
                storefront_id=dispute.order.storefront_id,
                move_id=row.pk,
                asked_at=at,
            )
            emit(asked, at=at)
    return row
