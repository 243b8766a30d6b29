"""Rebates."""

from datetime import datetime
from decimal import Decimal

from events.contracts.base import Contract, contract


@contract("rebate.paid")
class RebatePaid(Contract):
    """The rebate of a month (such as 2026-10) went into the member's wallet."""

    user_id: int
    month: str
    amount: Decimal
    paid_at: datetime
