"""Staff decide a case; after an appeal, somebody else does, for the last time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import record
from audit.services.persons import check_two_persons
from catalog.exceptions import KeysMoved, OutOfStock
from catalog.models import Key
from catalog.services.stock import replace_keys
from common import clock
from common.exceptions import OwnMatter
from common.money import ZERO
from common.persons import require_another
from events.contracts import DisputeDecided
from events.services import emit
from orders.exceptions import (
    BadDispute,
    CardPaidBack,
    DisputeMoved,
    NothingToRefund,
    SameDecider,
    SellerFirst,
    WholeCards,
    WrongRefund,
)
from orders.models import Dispute, DisputePiece, LineSecret
from orders.models.dispute import MAX_REASON
from orders.sealing import seal_secret
from orders.selectors.cards import cards_of_keys
from orders.services.concealing import conceal_of_order
from orders.services.delivering import MAX_SECRET
from orders.services.dispute_moves import Party, State, locked_dispute, move_dispute
from orders.services.disputes.paying_back import held_keys, refund_case, refundable_of
from orders.services.disputes.words import read_words
from orders.services.moves import note_act
from orders.services.recalling import paid_back, recall_keys
from orders.services.shares import share_of
from wallet.models import Card

DECIDE = "dispute.decide"
_CONTENT = _("请填写要补发给买家的内容")
Outcome = Dispute.Outcome


@dataclass(frozen=True)
class Decision:
    """What is decided. `amount` in yuan is for a partial refund. `content` is what the buyer gets anew where the line did
    not come from key stock. `wait` lets a replacement wait for stock that is not there now; `abusive` is for a rejection."""

    outcome: str
    reason: str
    amount: Decimal | None = None
    content: str = ""
    wait: bool = False
    abusive: bool = False


def may_decide(dispute: Dispute, actor: User) -> bool:
    """Whether the next decision is this member of staff's to make."""
    try:
        _check_turn(dispute, actor, clock.now())
    except (DisputeMoved, SellerFirst, SameDecider, OwnMatter):
        return False
    return True


def decides_alone(dispute: Dispute, actor: User) -> bool:
    """Whether this member of staff would decide the appeal against a decision of their own."""
    return dispute.state == State.APPEALED and dispute.decided_by_id == actor.pk


def _check_turn(dispute: Dispute, actor: User, at: datetime) -> None:
    if dispute.state not in Dispute.AT_DESK:
        raise DisputeMoved
    require_another(actor, dispute.order.buyer_id)
    if dispute.state == State.SELLER and dispute.seller_id is not None:
        raise SellerFirst
    # Where nobody else came in time, perhaps because there is nobody else, the buyer shall not wait for ever.
    if decides_alone(dispute, actor) and (dispute.due_at is None or at < dispute.due_at):
        raise SameDecider


def decide_dispute(*, dispute_id: int, decision: Decision, actor: User, address: str | None = None) -> Dispute:
    """Decide a case: replace the pieces, give money back, or reject it, all in one transaction.

    The first decision leaves the buyer time to appeal, unless all was given back; the one after an appeal is final, and is
    somebody else's to make until its deadline has passed. Locks the order, the accounts, the keys. Raises DisputeNotFound,
    DisputeMoved when somebody was first, OwnMatter, SellerFirst, SameDecider, BadWords, BadDispute, WrongRefund,
    NothingToRefund, WholeCards, CardRedeemed, CardPaidBack, OutOfStock for a replacement that may not wait.
    """
    if decision.outcome not in Outcome.values:
        raise BadDispute("bad_outcome", None, field="outcome")
    reason = read_words(decision.reason, most=MAX_REASON)
    with transaction.atomic():
        at = clock.now()
        dispute = locked_dispute(dispute_id)
        _check_turn(dispute, actor, at)
        second = dispute.state == State.APPEALED
        says = {"verdict": conceal_of_order(reason, dispute.order_id)}
        alone = decides_alone(dispute, actor)
        if second and not alone:
            check_two_persons(dispute.decided_by_id, actor, at=at)
        who = {"appeal_decided_by_id": actor.pk, "is_alone": alone}
        says |= who if second else {"decided_by_id": actor.pk, "decided_at": at}
        step = "2" if second else "1"
        if decision.outcome == Outcome.REJECT:
            amount = _reject(dispute, decision, at, actor, says)
        elif decision.outcome == Outcome.REPLACE:
            amount = _replace(dispute, decision, at, actor, says)
        else:
            amount = _refund(dispute, decision, at, actor, says, step)
        detail = {
            "number": dispute.number,
            "order": dispute.order.number,
            "outcome": dispute.outcome,
            "amount": str(amount),
            "reason": dispute.verdict,
            "appeal": second,
            "alone": alone,
            "abusive": dispute.is_abusive,
        }
        record(action=DECIDE, at=at, actor=actor, target=dispute, detail=detail, address=address)
        told = Outcome.REJECT if decision.outcome == Outcome.REJECT else dispute.outcome
        tell_decided(dispute, told, amount, at=at)
    return dispute


def tell_decided(dispute: Dispute, told: str, amount: Decimal, *, at: datetime) -> None:
    """Tell the other rooms what was decided now, and what a case led to by it."""
    decided = DisputeDecided(
        dispute_id=dispute.pk,
        move_id=dispute.moves.order_by("-pk").values_list("pk", flat=True)[0],
        order_id=dispute.order_id,
        user_id=dispute.order.buyer_id,
        storefront_id=dispute.order.storefront_id,
        line_id=dispute.line_id,
        product_id=dispute.line.product_id,
        seller_id=dispute.seller_id,
        told=told,
        outcome=dispute.outcome,
        amount=amount,
        waits=dispute.state == State.RESTOCK,
        final=not dispute.is_open,
        appeal_until=dispute.due_at if dispute.state == State.DECIDED else None,
        decided_at=at,
    )
    emit(decided, at=at)


def _reject(dispute: Dispute, decision: Decision, at: datetime, actor: User, says: dict[str, Any]) -> Decimal:
    # What an appeal did not change stays: money and keys that the first decision gave are the buyer's.
    outcome = dispute.outcome or Outcome.REJECT
    abusive = decision.abusive and outcome == Outcome.REJECT
    _move(dispute, after(dispute), at, actor, says, told=Outcome.REJECT, outcome=outcome, is_abusive=abusive)
    return ZERO


def _replace(dispute: Dispute, decision: Decision, at: datetime, actor: User, says: dict[str, Any]) -> Decimal:
    to = after(dispute)
    _check_not_paid_back(dispute)
    try:
        give_anew(dispute, content=decision.content, at=at, actor=actor)
    except OutOfStock:
        if not decision.wait:
            raise
        to = State.RESTOCK
    held = {"outcome": Outcome.REPLACE, "is_abusive": False}
    _move(dispute, to, at, actor, says, told=Outcome.REPLACE, **held)
    return ZERO


def _check_not_paid_back(dispute: Dispute) -> None:
    """What is reported as void may be so because its money went back. Raises CardPaidBack."""
    keys = Key.objects.filter(pk__in=held_keys(dispute.pieces.all())).select_related("data_key")
    if paid_back(cards_of_keys(keys).values(), dispute.order):
        raise CardPaidBack


def _refund(
    dispute: Dispute, decision: Decision, at: datetime, actor: User, says: dict[str, Any], step: str
) -> Decimal:
    most = refundable_of(dispute)
    if not most:
        raise NothingToRefund
    amount = most if decision.outcome == Outcome.REFUND else decision.amount
    if amount is None or not ZERO < amount <= most:
        raise WrongRefund(most=most, field="amount")
    whole = amount == most
    if not whole:
        _check_no_cards(dispute)
    outcome = Outcome.REFUND if whole else Outcome.PARTIAL
    _move(
        dispute,
        State.CLOSED if whole else after(dispute),
        at,
        actor,
        says,
        told=outcome,
        outcome=outcome,
        amount=amount,
        is_abusive=False,
        refunded=dispute.refunded + amount,
    )
    refund_case(dispute, amount, step=step, actor=actor)
    return amount


def _check_no_cards(dispute: Dispute) -> None:
    """A card that can still be redeemed is paid back whole or not at all. Raises WholeCards."""
    keys = Key.objects.filter(pk__in=held_keys(dispute.pieces.all())).select_related("data_key")
    cards = cards_of_keys(keys)
    if any(card.state != Card.State.VOIDED for card in cards.values()):
        raise WholeCards(each=share_of(dispute.line, 1))


def after(dispute: Dispute) -> str:
    """Where a decision leads that does not settle everything: a first one can be appealed, a second one is the last."""
    return State.CLOSED if dispute.is_appeal else State.DECIDED


def _move(
    dispute: Dispute,
    to: str,
    at: datetime,
    actor: User,
    says: dict[str, Any],
    *,
    told: str,
    amount: Decimal | None = None,
    **changes: Any,
) -> None:
    """Move the case; `told` is what this decision was, `changes` among others what holds by it."""
    move_dispute(
        dispute,
        to,
        at=at,
        cause="decided",
        party=Party.OPERATOR,
        actor_id=actor.pk,
        text=says["verdict"],
        told=told,
        amount=amount,
        **says,
        **changes,
    )


def restockable(dispute: Dispute) -> bool:
    """Whether stock has a fresh key for every piece now; False where the line does not come from key stock."""
    wanted: dict[int, int] = {}
    for piece in dispute.pieces.select_related("key"):
        if piece.key is None:
            return False
        wanted[piece.key.sku_id] = wanted.get(piece.key.sku_id, 0) + 1
    return all(
        len(Key.objects.filter(sku=sku_id, state=Key.State.AVAILABLE).order_by("position").values("pk")[:count])
        == count
        for sku_id, count in wanted.items()
    )


def give_anew(dispute: Dispute, *, content: str = "", at: datetime, actor: User | None) -> None:
    """Deliver the case's pieces anew: keys from stock for keys, `content` for what did not come from there.

    All or nothing, in the caller's transaction; cards of ours among the keys are voided even when stock is short, so that
    nobody redeems them while the case waits for more. Raises OutOfStock, BadDispute where `content` is missing,
    DisputeMoved when the keys are no longer the line's, CardRedeemed.
    """
    pieces = list(dispute.pieces.all())
    held = {piece.replacement_id or piece.key_id: piece for piece in pieces if piece.key_id is not None}
    recall_keys(held_keys(pieces), reason=f"replaced:{dispute.number}", at=at, actor=actor)
    if len(held) < len(pieces):
        _deliver_anew(dispute, content, at, actor)
    if held:
        try:
            with transaction.atomic():
                given = replace_keys(key_ids=list(held), line_id=dispute.line_id, at=at)
        except KeysMoved as error:
            raise DisputeMoved from error
        for old, fresh in given.items():
            held[old].replacement_id = fresh
        DisputePiece.objects.bulk_update(held.values(), ["replacement"])
    note_act(dispute.order, at=at, cause="replaced", actor_id=actor.pk if actor else None, note=dispute.number)


def _deliver_anew(dispute: Dispute, content: str, at: datetime, actor: User | None) -> None:
    content = content.strip()
    if not content or len(content) > MAX_SECRET:
        raise BadDispute("content_needed", _CONTENT, field="content")
    secret = LineSecret.objects.create(line=dispute.line, sealed="", at=at, actor_id=actor.pk if actor else None)
    secret.sealed = seal_secret(content, secret.pk)
    secret.save(update_fields=["sealed"])
