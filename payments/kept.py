"""What gateways brought into members' wallets, payment by payment, and what of each did not go back to its payer.

What goes back through a gateway is the first payment of its attempt: a second one of the same number goes back in the gateway's
own console only. What staff give back by hand of a top-up is the newest that is left of it, so that the first payment, which
brought the gift, is touched last. Nothing that went back counts against what came after it; the ledger's order decides, for
clocks of servers differ.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from common.money import ZERO
from payments.models import GatewayTransaction, Refund, TopUp, TopUpRefund
from wallet.models import TransferRef

# The place of what is about to happen.
LAST = sys.maxsize


@dataclass(kw_only=True)
class Payment:
    """`place` is that of its transfer in the ledger; `kept` what of `amount` (yuan, without a fee) is still in the shop.

    `attempt_id` only of a first payment, through which money can go back.
    """

    place: int
    at: datetime
    amount: Decimal
    attempt_id: int | None = None
    top_up_id: int | None = None
    kept: Decimal = ZERO

    def __post_init__(self) -> None:
        self.kept = self.amount


@dataclass(frozen=True, kw_only=True)
class Back:
    """What went back: through an attempt's gateway, or by hand of a top-up."""

    place: int
    amount: Decimal
    attempt_id: int | None = None
    top_up_id: int | None = None

    def is_of(self, one: Payment) -> bool:
        if self.attempt_id is not None:
            return one.attempt_id == self.attempt_id
        return one.top_up_id == self.top_up_id


def take(payments: Sequence[Payment], backs: Iterable[Back]) -> None:
    """Take what went back, in the ledger's order, out of what had come before it: the newest first."""
    came = sorted(payments, key=lambda one: one.place, reverse=True)
    for back in sorted(backs, key=lambda one: one.place):
        left = back.amount
        for one in came:
            if one.place < back.place and back.is_of(one):
                part = min(one.kept, left)
                one.kept -= part
                left -= part


def sent_back(refunds: QuerySet[Refund]) -> list[Back]:
    """What of these refunds left a wallet for a gateway and was not refused."""
    live = refunds.filter(attempt__isnull=False, order_refund=None).exclude(state=Refund.State.REFUSED)
    found = {
        f"sent-back:{number}": (pk, amount) for number, pk, amount in live.values_list("number", "attempt", "amount")
    }
    return [Back(place=place, attempt_id=found[ref][0], amount=found[ref][1]) for ref, place in places(found)]


def topped_up(top_ups: QuerySet[TopUp]) -> list[Payment]:
    """All payments of these top-ups in the order in which they came, less what went back of each."""
    rows = GatewayTransaction.objects.filter(attempt__top_up__in=top_ups).select_related("attempt")
    payments = [
        Payment(
            place=row.transfer_id,
            at=row.booked_at,
            amount=row.amount - row.attempt.fee_in(row.amount),
            attempt_id=row.attempt_id if row.provider_txn == row.attempt.provider_txn else None,
            top_up_id=row.attempt.top_up_id,
        )
        for row in rows.order_by("transfer_id")
    ]
    by_hand = TopUpRefund.objects.filter(top_up__in=top_ups).values_list("pk", "top_up", "amount")
    found = {f"topup_refund:{pk}": (top_up_id, amount) for pk, top_up_id, amount in by_hand}
    backs = [Back(place=place, top_up_id=found[ref][0], amount=found[ref][1]) for ref, place in places(found)]
    take(payments, [*backs, *sent_back(Refund.objects.filter(attempt__top_up__in=top_ups))])
    return payments


def firsts(payments: Iterable[Payment]) -> list[Payment]:
    """The first payment of each top-up: if it had a gift, this one brought it."""
    found: dict[int | None, Payment] = {}
    for one in payments:
        found.setdefault(one.top_up_id, one)
    return list(found.values())


def places(refs: Iterable[str]) -> list[tuple[str, int]]:
    """Where in the ledger these references were posted."""
    return list(TransferRef.objects.filter(ref__in=list(refs)).values_list("ref", "transfer_id"))
