"""A buyer reports a problem with what was delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.services import Limit
from common import clock
from common.ids import dispute_number
from common.locks import lock_one
from events.contracts import DisputeOpened
from events.services import emit
from orders.exceptions import AlreadyDisputed, BadDispute, NotDisputable, OrderNotFound, WarrantyOver
from orders.models import Dispute, DisputePiece, DisputeRules, Order, OrderLine
from orders.models.dispute import MAX_WORDS
from orders.selectors.disputes import Piece, may_report, pieces_of, report_until, rules_of_disputes
from orders.services.concealing import conceal_of_order
from orders.services.dispute_moves import deadline, first_row
from orders.services.disputes.pictures import draw_anew, keep_pictures
from orders.services.disputes.words import MIN_WORDS, read_words
from orders.services.moves import note_act
from orders.services.paying import lock_order

# How often one buyer may write in cases; the caller takes it.
OPEN_LIMIT = Limit("dispute", burst=20, every=timedelta(minutes=5))
_PICK = _("请选择有问题的卡密")


@dataclass(frozen=True)
class Complaint:
    """What the buyer says. `key_ids` are the line's keys that it is about; `whole` is for what did not come from key stock."""

    reason: str
    text: str
    wish: str
    route: str = Dispute.Route.BALANCE
    key_ids: frozenset[int] = frozenset()
    whole: bool = False


def open_dispute(
    *,
    order_id: int,
    line_id: int,
    complaint: Complaint,
    pictures: Sequence[BinaryIO] = (),
    actor: User | None = None,
) -> Dispute:
    """Open a case about pieces of a delivered line, within its warranty; from then on the line does not settle.

    The caller has checked that this visitor may see the order (selectors.order_for). Locks the order, then the line. Raises
    OrderNotFound, NotDisputable, WarrantyOver, AlreadyDisputed, BadDispute, BadWords, BadPicture, TooManyPictures.
    """
    _check(complaint)
    rules = rules_of_disputes()
    text = read_words(complaint.text, most=MAX_WORDS, least=MIN_WORDS)
    drawn = draw_anew(pictures, rules)
    with transaction.atomic():
        at = clock.now()
        order = lock_order(order_id)
        line = _reportable(order, line_id, rules, at)
        chosen = _chosen(line, complaint)
        dispute = Dispute.objects.create(
            number=dispute_number(at),
            order=order,
            line=line,
            seller_id=line.seller_id,
            reason=complaint.reason,
            text=conceal_of_order(text, line.order_id),
            wish=complaint.wish,
            route=complaint.route,
            opened_at=at,
            due_at=(due_at := deadline(Dispute.State.SELLER, rules, at)),
            desk_due_at=due_at,
        )
        DisputePiece.objects.bulk_create(DisputePiece(dispute=dispute, line=line, key=piece.key) for piece in chosen)
        actor_id = actor.pk if actor else None
        keep_pictures(first_row(dispute, at=at, actor_id=actor_id), drawn, at=at)
        note_act(order, at=at, cause="disputed", actor_id=actor_id, note=dispute.number)
        emit(_news(dispute, order, line, len(chosen), at), at=at)
    return dispute


def _check(complaint: Complaint) -> None:
    for name, choices in (("reason", Dispute.Reason), ("wish", Dispute.Wish), ("route", Dispute.Route)):
        if getattr(complaint, name) not in choices.values:
            raise BadDispute(f"bad_{name}", None, field=name)


def _reportable(order: Order, line_id: int, rules: DisputeRules, at: datetime) -> OrderLine:
    """The line, locked, so that it is not settled meanwhile."""
    try:
        line = lock_one(order.lines.filter(pk=line_id))
    except OrderLine.DoesNotExist as error:
        raise OrderNotFound from error
    if report_until(line, rules) is None:
        raise NotDisputable
    if not may_report(line, rules, at):
        raise WarrantyOver
    return line


def _chosen(line: OrderLine, complaint: Complaint) -> list[Piece]:
    chosen = [
        piece
        for piece in pieces_of(line)
        if (piece.key is None and complaint.whole) or (piece.key is not None and piece.key.pk in complaint.key_ids)
    ]
    if len(chosen) != len(complaint.key_ids) + complaint.whole or not chosen:
        raise BadDispute("bad_pieces", _PICK, field="pieces")
    if any(piece.dispute is not None for piece in chosen):
        raise AlreadyDisputed
    return chosen


def _news(dispute: Dispute, order: Order, line: OrderLine, pieces: int, at: datetime) -> DisputeOpened:
    return DisputeOpened(
        dispute_id=dispute.pk,
        order_id=order.pk,
        user_id=order.buyer_id,
        storefront_id=order.storefront_id,
        line_id=line.pk,
        product_id=line.product_id,
        sku_id=line.sku_id,
        category=line.category_code,
        seller_id=dispute.seller_id,
        reason=dispute.reason,
        pieces=pieces,
        opened_at=at,
        due_at=dispute.due_at,
    )
