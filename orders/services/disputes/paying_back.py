"""The one place from which cases give money back."""

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from accounts.models import User
from catalog.models import Key
from common.money import CENT, ZERO
from orders.models import Dispute, DisputePiece, OrderLine, OrderRefund
from orders.services.refunding import refund
from orders.services.shares import share_of


def refundable_of(dispute: Dispute) -> Decimal:
    """How much may still be given back for the reported pieces, in yuan: what they cost less what came back for them in
    any case, and no more than the line has left.

    A piece stays the same one when its key is replaced, so what came back for a key counts against all that were given
    for it. What did not come from key stock is one piece, however much of the line it is.
    """
    line = dispute.line
    told = list(DisputePiece.objects.filter(line=line).order_by("pk"))
    first = first_keys(told)
    wanted = {first.get(piece.key_id, piece.key_id) for piece in dispute.pieces.all()}
    back = sum((piece.refunded for piece in told if first.get(piece.key_id, piece.key_id) in wanted), ZERO)
    count = len(wanted) if None not in wanted else len(wanted) - 1 + _by_hand(line)
    return max(ZERO, min(line.cash - line.refunded, share_of(line, count) - back))


def first_keys(pieces: Iterable[DisputePiece]) -> dict[int | None, int | None]:
    """The key that was delivered first, by every key that was given instead of it since. `pieces` are a line's, oldest
    first; of a key that was never replaced nothing is told."""
    first: dict[int | None, int | None] = {}
    for piece in pieces:
        if piece.replacement_id is not None:
            first[piece.replacement_id] = first.get(piece.key_id, piece.key_id)
    return first


def _by_hand(line: OrderLine) -> int:
    """How many of the line's delivered pieces did not come from key stock."""
    return line.pieces_delivered - Key.objects.filter(line_id=line.pk, state=Key.State.SOLD).count()


def held_keys(pieces: Iterable[DisputePiece]) -> list[int]:
    """The keys that the buyer has by now of these pieces of a case."""
    held = (piece.replacement_id or piece.key_id for piece in pieces)
    return [pk for pk in held if pk is not None]


def route_of(dispute: Dispute) -> str | None:
    """Where the buyer would like to have money of the case, as `refund` takes it."""
    return OrderRefund.Target.ORIGINAL if dispute.route == Dispute.Route.ORIGINAL else None


def refund_case(dispute: Dispute, amount: Decimal, *, step: str, actor: User | None) -> OrderRefund:
    """Give `amount` yuan back for the case's pieces, once per case and `step` (its first or second decision).

    In the caller's transaction, which holds the order and has seen to it that the actor may. It goes where the buyer
    wished, `dispute.route`, as far as the gateways take it back. Raises RefundTooLarge, CardRedeemed.
    """
    pieces = list(dispute.pieces.all())
    made = refund(
        order_id=dispute.order_id,
        amounts={dispute.line_id: amount},
        ref=f"dispute:{dispute.pk}:{step}",
        reason=f"dispute:{dispute.number}",
        actor=actor,
        to=route_of(dispute),
        by_buyer=True,
        key_ids=held_keys(pieces),
    )
    shares = _split(amount, len(pieces))
    for piece, share in zip(pieces, shares, strict=True):
        piece.refunded += share
    DisputePiece.objects.bulk_update(pieces, ["refunded"])
    return made


def _split(amount: Decimal, parts: int) -> list[Decimal]:
    """The amount in equal parts; the last one takes the cents that are left over."""
    each = (amount / parts).quantize(CENT, rounding=ROUND_DOWN)
    return [each] * (parts - 1) + [amount - each * (parts - 1)]
