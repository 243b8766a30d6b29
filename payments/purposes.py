"""What a payment can be for, and what happens to the thing when its money comes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.utils.translation import gettext as _

from common.locks import lock_one
from events.contracts import WalletToppedUp
from events.services import emit
from orders.models import Order
from orders.services import PaymentOutcome, receive_payment
from orders.services.paying import credit_account, left_to_pay
from payments.bonuses import grant_bonus
from payments.exceptions import TransactionTaken
from payments.models import PaymentAttempt, TopUp
from wallet.models import Account, Transfer
from wallet.services import is_posted, lock_line, receive_from_channel, repay_at_once, user_wallet

Purpose = PaymentAttempt.Purpose
Outcome = PaymentAttempt.Outcome


class PayableState(StrEnum):
    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"


@dataclass(frozen=True)
class Payable:
    """An order or a top-up as payments see it. `amount` in yuan is what is still to be paid, without a channel's fee."""

    purpose: str
    row: Order | TopUp
    amount: Decimal
    deadline: datetime
    state: PayableState

    @property
    def column(self) -> dict:
        """The attempt's column that points to it."""
        return {str(self.purpose): self.row}

    def locked(self) -> "Payable":
        """The same, read afresh under a row lock."""
        row = lock_one(type(self.row).objects.filter(pk=self.row.pk))
        return payable(row)

    def subject(self) -> str:
        """What the gateway's page says is being paid."""
        if isinstance(self.row, TopUp):
            return _("余额充值")
        names = list(self.row.lines.order_by("pk").values_list("product_name", flat=True)[:2])
        if len(names) > 1:
            return _("%(name)s 等") % {"name": names[0]}
        return names[0] if names else self.row.number


def payable(row: Order | TopUp) -> Payable:
    if isinstance(row, TopUp):
        state = {TopUp.State.PAID: PayableState.PAID, TopUp.State.UNPAID: PayableState.UNPAID}
        return Payable(Purpose.TOP_UP, row, row.amount, row.pay_deadline, state.get(row.state, PayableState.CLOSED))
    if row.paid_at is not None:
        known = PayableState.PAID
    else:
        known = PayableState.UNPAID if row.state == Order.State.UNPAID else PayableState.CLOSED
    wanted = left_to_pay(row) if known == PayableState.UNPAID else row.total
    return Payable(Purpose.ORDER, row, wanted, row.pay_deadline, known)


def payable_of(attempt: PaymentAttempt) -> Payable:
    return payable(attempt.top_up if attempt.purpose == Purpose.TOP_UP else attempt.order)


def owner_account(attempt: PaymentAttempt) -> Account:
    """Where money of the attempt lies that paid for nothing: a member's wallet, or a guest order's own account."""
    return user_wallet(attempt.top_up.user_id) if attempt.purpose == Purpose.TOP_UP else credit_account(attempt.order)


def owner_of(attempt: PaymentAttempt) -> int | None:
    """The member whose payment it is; None for a guest."""
    return attempt.top_up.user_id if attempt.purpose == Purpose.TOP_UP else attempt.order.buyer_id


def apply_money(attempt: PaymentAttempt, *, amount: Decimal, ref: str, at: datetime) -> str:
    """Book `amount` that the gateway holds onto what the attempt is for, in the caller's transaction; returns an Outcome.

    The attempt is locked by the caller. Raises TransactionTaken when `ref` was booked before.
    """
    return _HANDLERS[attempt.purpose](attempt, amount, ref, at)


def _pay_order(attempt: PaymentAttempt, amount: Decimal, ref: str, at: datetime) -> str:
    outcome = receive_payment(
        order_id=attempt.order_id,
        amount=amount,
        channel=attempt.channel.code,
        ref=ref,
        at=at,
        fee=attempt.fee_in(amount),
        paid_with=attempt.method,
    )
    if outcome == PaymentOutcome.ALREADY_BOOKED:
        raise TransactionTaken
    return Outcome.PAID if outcome == PaymentOutcome.PAID else Outcome.CREDITED


def _credit_top_up(attempt: PaymentAttempt, amount: Decimal, ref: str, at: datetime) -> str:
    """Whatever came is the member's, also too little, too late or twice; a gift comes with the first money in time."""
    top_up = lock_one(TopUp.objects.filter(pk=attempt.top_up_id))
    if is_posted(ref):
        raise TransactionTaken
    # Before the wallet: credit lines are locked first.
    line = lock_line(top_up.user_id) if top_up.repays_credit else None
    fee = attempt.fee_in(amount)
    receive_from_channel(
        channel=attempt.channel.code,
        to=user_wallet(top_up.user_id),
        amount=amount,
        fee=fee,
        kind=Transfer.Kind.TOP_UP,
        ref=ref,
        at=at,
        memo=attempt.number,
    )
    in_time = top_up.state == TopUp.State.UNPAID and amount - fee >= top_up.amount
    top_up.credited += amount - fee
    top_up.state, top_up.paid_at = TopUp.State.PAID, top_up.paid_at or at
    top_up.save(update_fields=["credited", "state", "paid_at"])
    if in_time:
        grant_bonus(top_up, at=at)
    repay_at_once(line, amount - fee, at=at)
    emit(WalletToppedUp(user_id=top_up.user_id, amount=amount - fee, topped_up_at=at), at=at)
    return Outcome.TOPPED_UP


_HANDLERS: dict[str, Callable[[PaymentAttempt, Decimal, str, datetime], str]] = {
    Purpose.ORDER: _pay_order,
    Purpose.TOP_UP: _credit_top_up,
}
