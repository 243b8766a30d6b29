"""Cards that the shop sold and takes back: what is given anew or paid back cannot be redeemed any more.

In the transaction of the replacement or refund, whose order is locked; the cards are locked before accounts and keys.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal

from accounts.models import User
from catalog.models import Key
from catalog.services.stock import keys_of_lines
from common.money import ZERO
from orders.exceptions import CardsInCase, WholeCards
from orders.models import Dispute, DisputePiece, Order, OrderLine
from orders.selectors.cards import cards_of_keys
from orders.services.pieces import FROM_STOCK
from orders.services.shares import returned_by, share_of
from wallet.models import Card, CardMove
from wallet.services import recall_cards


def recall_keys(key_ids: Collection[int], *, reason: str, at: datetime, actor: User | None) -> None:
    """Void the cards among these keys. Raises CardRedeemed."""
    keys = Key.objects.filter(pk__in=key_ids).select_related("data_key")
    if found := cards_of_keys(keys):
        recall_cards(card_ids=[card.pk for card in found.values()], reason=reason, at=at, actor=actor)


def recall_refunded(line: OrderLine, *, reason: str, at: datetime, actor: User | None) -> None:
    """Void as many of the line's cards as its refunds have paid back, `line.refunded` being the sum with the newest.

    What cases gave back was for pieces of their own, and what an open case is about is the case's to give back. A card is
    paid back whole or not at all: with a part of its price, its buyer would keep more than was paid for. The last ones that
    were delivered go first. Raises WholeCards, CardsInCase where cases hold those that are left, CardRedeemed when too few
    are left.
    """
    if line.kind not in FROM_STOCK:
        return
    cards = cards_of_keys(keys_of_lines([line.pk]))
    if not cards:
        return
    given, cased = _given_by_cases(line)
    waiting = _in_open_cases(line)
    mine = {pk: card for pk, card in cards.items() if pk not in cased | waiting}
    returned = returned_by(line, line.refunded - given)
    if returned > len(mine) and waiting & cards.keys():
        raise CardsInCase
    dead = sum(card.state == Card.State.VOIDED for card in mine.values())
    wanted = min(returned, len(mine)) - dead
    if wanted <= 0:
        return
    whole = share_of(line, line.pieces - line.pieces_delivered + returned)
    if line.refunded - given != whole and line.refunded != line.cash:
        raise WholeCards(each=share_of(line, 1))
    # One that is balance comes last, and is refused.
    order = sorted(mine.items(), key=lambda item: (item[1].state == Card.State.REDEEMED, -item[0]))
    chosen = [card.pk for _pk, card in order if card.state != Card.State.VOIDED][:wanted]
    recall_cards(card_ids=chosen, reason=reason, at=at, actor=actor)


def paid_back(cards: Iterable[Card], order: Order) -> bool:
    """Whether one of these cards was voided for a refund of its order."""
    voided = CardMove.objects.filter(card__in=[card.pk for card in cards], to_state=Card.State.VOIDED)
    return voided.filter(note=reason_of(order)).exists()


def reason_of(order: Order) -> str:
    """Why a card is void whose money went back."""
    return f"refund:{order.number}"


def _in_open_cases(line: OrderLine) -> set[int]:
    """The keys that the buyer holds, or waits for another of, in cases that have not ended. A line that is paid back whole
    has none."""
    pieces = DisputePiece.objects.filter(line=line, key__isnull=False, dispute__state__in=Dispute.OPEN)
    return {fresh or key for key, fresh in pieces.values_list("key_id", "replacement_id")}


def _given_by_cases(line: OrderLine) -> tuple[Decimal, set[int]]:
    """What cases gave back for the line's keys, in yuan, and the keys that the buyer holds of those."""
    told = DisputePiece.objects.filter(line=line, key__isnull=False, refunded__gt=0)
    pieces = list(told.values_list("key_id", "replacement_id", "refunded"))
    held = {fresh or key for key, fresh, _refunded in pieces}
    return sum((refunded for _key, _fresh, refunded in pieces), ZERO), held
