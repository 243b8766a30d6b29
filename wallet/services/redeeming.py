"""Turning a card into balance, and back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from audit.services import Limit, give_back, record, take
from common import clock
from common.addresses import counted_as
from common.locks import lock, lock_one
from common.persons import require_another
from common.reasons import read_reason
from wallet.codes import digest, normal
from wallet.exceptions import CardUnusable, Moved
from wallet.models import Account, Card, CardBatch, CardMove, Transfer
from wallet.services.ledger import Posting, post, shop_account, user_wallet

TAKE_BACK = "cards.take_back"
# Guessing is hopeless at 100 bits; the limits spare the machine and show up who tries.
BY_MEMBER = Limit("card:member", burst=10, every=timedelta(minutes=3))
BY_ADDRESS = Limit("card:address", burst=30, every=timedelta(minutes=1))


@dataclass(frozen=True)
class Redeemed:
    """`again`: the same member had turned this card into balance before."""

    card: Card
    amount: Decimal
    again: bool


def redeem_card(*, user: User, code: str, address: str) -> Redeemed:
    """Turn a card into balance of its finder. The same member is told again what came of it; nothing moves twice.

    Call it outside a transaction: a try that fails stays counted. Locks the card, then the wallet. Raises
    TooManyRequests, CardUnusable.
    """
    at = clock.now()
    tries = [(BY_MEMBER, str(user.pk)), (BY_ADDRESS, counted_as(address))]
    for limit, subject in tries:
        take(limit, subject=subject, at=at)
    with transaction.atomic():
        done = _redeem(user, normal(code))
    for limit, subject in tries:
        give_back(limit, subject=subject)
    return done


def _redeem(user: User, code: str) -> Redeemed:
    at = clock.now()
    found = lock(Card.objects.filter(digest=digest(code)).select_related("batch")) if code else []
    card = found[0] if found else None
    if card is not None and card.state == Card.State.REDEEMED and card.redeemed_by_id == user.pk:
        return Redeemed(card, card.batch.face_value, again=True)
    if card is None or card.state != Card.State.ISSUED or _is_over(card.batch, at):
        raise CardUnusable
    amount = card.batch.face_value
    legs = [
        Posting(user_wallet(user.pk), amount, restricted=amount),
        Posting(shop_account(Account.Purpose.CARDS), -amount),
    ]
    post(ref=card_ref(card.pk), kind=Transfer.Kind.CARD, postings=legs, at=at, memo=card.batch.name, actor=user)
    CardMove.objects.create(card=card, from_state=card.state, to_state=Card.State.REDEEMED, at=at, actor_id=user.pk)
    card.state, card.redeemed_by, card.redeemed_at = Card.State.REDEEMED, user, at
    card.save(update_fields=["state", "redeemed_by", "redeemed_at"])
    return Redeemed(card, amount, again=False)


def take_back_card(*, card_id: int, reason: str, actor: User, address: str | None = None) -> Card:
    """Take what a card became out of its member's wallet again and void the card, such as before its price is refunded.

    Its restricted money goes first, like in any payment. Locks the card, then the wallet. Raises ReasonNeeded, Moved for a
    card that is no balance, OwnMatter for the own wallet, InsufficientBalance when it was spent. Audited.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        card = lock_one(Card.objects.select_related("batch").filter(pk=card_id))
        if card.state != Card.State.REDEEMED or card.redeemed_by is None:
            raise Moved
        require_another(actor, card.redeemed_by_id)
        member, amount = card.redeemed_by, card.batch.face_value
        legs = [Posting(user_wallet(member.pk), -amount), Posting(shop_account(Account.Purpose.CARDS), amount)]
        ref, memo = f"{card_ref(card.pk)}:back", card.batch.name
        post(ref=ref, kind=Transfer.Kind.REVERSAL, postings=legs, at=at, memo=memo, actor=actor)
        CardMove.objects.create(
            card=card, from_state=card.state, to_state=Card.State.VOIDED, at=at, actor_id=actor.pk, note=reason
        )
        card.state, card.redeemed_by, card.redeemed_at = Card.State.VOIDED, None, None
        card.save(update_fields=["state", "redeemed_by", "redeemed_at"])
        detail = {"card": str(card), "amount": str(amount), "member": member.pk, "reason": reason}
        record(action=TAKE_BACK, at=at, actor=actor, target=card, detail=detail, address=address)
    return card


def _is_over(batch: CardBatch, at: datetime) -> bool:
    return batch.state != CardBatch.State.ISSUED or (batch.expires_at is not None and batch.expires_at <= at)


def card_ref(card_id: int) -> str:
    """The ledger's reference of a card: it becomes balance once."""
    return f"card:{card_id}"
