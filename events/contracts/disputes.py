"""Complaints about delivered lines, told by orders."""

from datetime import datetime
from decimal import Decimal

from events.contracts.base import Contract, contract


@contract("dispute.opened")
class DisputeOpened(Contract):
    """A buyer reported a problem with `pieces` pieces of a delivered line. The seller has until `due_at` to answer."""

    dispute_id: int
    order_id: int
    user_id: int | None
    storefront_id: int
    line_id: int
    product_id: int
    sku_id: int
    category: str
    seller_id: int | None
    reason: str
    pieces: int
    opened_at: datetime
    due_at: datetime


@contract("dispute.asked")
class DisputeAsked(Contract):
    """Staff asked the buyer something; `move_id` is the row of the case's history that holds the words."""

    dispute_id: int
    order_id: int
    user_id: int | None
    storefront_id: int
    move_id: int
    asked_at: datetime


@contract("dispute.decided")
class DisputeDecided(Contract):
    """What a case led to: `told` is what was decided now (replace, refund, partial or reject), `outcome` what holds by it (an
    appeal that is rejected leaves what the first decision gave); `amount` is what was given back now.

    `waits`: the replacement was granted and waits for stock; it is told again once it was given. `final`: no appeal is
    possible any more, else until `appeal_until`. A case may be told of more than once; `move_id` is the row of its history.
    """

    dispute_id: int
    move_id: int
    order_id: int
    user_id: int | None
    storefront_id: int
    line_id: int
    product_id: int
    seller_id: int | None
    told: str
    outcome: str
    amount: Decimal
    waits: bool
    final: bool
    appeal_until: datetime | None
    decided_at: datetime


@contract("dispute.appealed")
class DisputeAppealed(Contract):
    dispute_id: int
    order_id: int
    user_id: int | None
    storefront_id: int
    line_id: int
    seller_id: int | None
    appealed_at: datetime
    due_at: datetime


@contract("dispute.overdue")
class DisputeOverdue(Contract):
    """Staff should have decided by `due_at`; told once for each deadline. Of an appeal, `decided_by_id` decided first, and
    from now on may decide again."""

    dispute_id: int
    order_id: int
    storefront_id: int
    number: str
    appeal: bool
    decided_by_id: int | None
    due_at: datetime
    noticed_at: datetime


@contract("dispute.closed")
class DisputeClosed(Contract):
    """A case is over, once and for all. `outcome` is what holds, "" for one that was withdrawn; `refunded` all that was
    given back by it. `abusive`: rejected, and found to have been made up."""

    dispute_id: int
    order_id: int
    user_id: int | None
    storefront_id: int
    line_id: int
    product_id: int
    seller_id: int | None
    outcome: str
    refunded: Decimal
    abusive: bool
    withdrawn: bool
    closed_at: datetime
