"""Money through gateways, in and out."""

from datetime import datetime
from decimal import Decimal

from events.contracts.base import Contract, contract


@contract("wallet.topped_up")
class WalletToppedUp(Contract):
    user_id: int
    amount: Decimal
    topped_up_at: datetime


@contract("refund.settled")
class RefundSettled(Contract):
    """Nothing of a refund by the original route is on its way any more.

    `returned` went to the payer, `credited` could not and is the buyer's in the shop: in the wallet, or for a guest on the
    order. `order_id` is None for the money of a top-up; `number` is what the buyer knows it by.
    """

    ref: str
    order_id: int | None
    user_id: int | None
    number: str
    returned: Decimal
    credited: Decimal
    settled_at: datetime


@contract("withdrawal.moved")
class WithdrawalMoved(Contract):
    """A member asked for a withdrawal, or it came to its end: `state` is asked, paid or rejected."""

    withdrawal_id: int
    user_id: int
    state: str
    amount: Decimal
    reason: str
    moved_at: datetime


@contract("payout_account.decided")
class PayoutAccountDecided(Contract):
    """Staff looked at where a member wants withdrawals to go."""

    account_id: int
    user_id: int
    verified: bool
    reason: str
    decided_at: datetime
