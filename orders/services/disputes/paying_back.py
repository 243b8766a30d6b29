"""The one place from which cases give money back."""

from decimal import ROUND_DOWN, Decimal

from django.db.models import Sum

from accounts.models import User
from common.money import CENT, ZERO
from orders.models import Dispute, DisputePiece, OrderRefund
from orders.services.refunding import refund, share_of


def refundable_of(dispute: Dispute) -> Decimal:
    """How much may still be given back for the reported pieces, in yuan: what they cost less what came back for them in
    any case, and no more than the line has left."""
    line = dispute.line
    left = line.cash - line.refunded
    pieces = list(dispute.pieces.all())
    if any(piece.key_id is None for piece in pieces):
        return left
    ids = [piece.key_id for piece in pieces]
    back = DisputePiece.objects.filter(key__in=ids).aggregate(sum=Sum("refunded"))["sum"] or ZERO
    return max(ZERO, min(left, share_of(line, len(pieces)) - back))


def refund_case(dispute: Dispute, amount: Decimal, *, step: str, actor: User | None) -> OrderRefund:
    """Give `amount` yuan back for the case's pieces, once per case and `step` (its first or second decision).

    In the caller's transaction, which holds the order. It goes where the buyer wished, `dispute.route`, as far as the
    gateways take it back. Raises RefundTooLarge.
    """
    original = dispute.route == Dispute.Route.ORIGINAL
    made = refund(
        order_id=dispute.order_id,
        amounts={dispute.line_id: amount},
        ref=f"dispute:{dispute.pk}:{step}",
        reason=f"dispute:{dispute.number}",
        actor=actor,
        to=OrderRefund.Target.ORIGINAL if original else None,
    )
    pieces = list(dispute.pieces.all())
    shares = _split(amount, len(pieces))
    for piece, share in zip(pieces, shares, strict=True):
        piece.refunded += share
    DisputePiece.objects.bulk_update(pieces, ["refunded"])
    return made


def _split(amount: Decimal, parts: int) -> list[Decimal]:
    """The amount in equal parts; the last one takes the cents that are left over."""
    each = (amount / parts).quantize(CENT, rounding=ROUND_DOWN)
    return [each] * (parts - 1) + [amount - each * (parts - 1)]
