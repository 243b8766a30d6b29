"""Orders, and the money that goes back."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from events.contracts.base import Contract, contract


@dataclass(frozen=True, kw_only=True)
class Line:
    """One order line as others need to know it. Amounts in yuan for the whole line.

    `settles_at` is when the time to complain of what was delivered ends; None before delivery, and in older events.
    """

    id: int
    product_id: int
    sku_id: int
    category_id: int
    category: str
    seller_id: int | None
    quantity: int
    list: Decimal
    cash: Decimal
    points_paid: Decimal
    discount: Decimal
    settles_at: datetime | None = None


@contract("order.placed")
class OrderPlaced(Contract):
    order_id: int
    user_id: int | None
    storefront_id: int
    placed_at: datetime
    pay_deadline: datetime


@contract("order.paid")
class OrderPaid(Contract):
    order_id: int
    user_id: int | None
    storefront_id: int
    paid_at: datetime
    total: Decimal
    lines: tuple[Line, ...]


@contract("order.delivered")
class OrderDelivered(Contract):
    """Told per delivery: `lines` are those whose last piece was delivered now, `complete` says that none is left."""

    order_id: int
    user_id: int | None
    storefront_id: int
    paid_at: datetime
    delivered_at: datetime
    complete: bool
    lines: tuple[Line, ...]


@contract("order.settled")
class OrderSettled(Contract):
    """The time to complain of these delivered lines has ended. Lines without a warranty are settled by delivery: `settles_at`
    of OrderDelivered says so, and nothing more is told."""

    order_id: int
    user_id: int | None
    storefront_id: int
    paid_at: datetime
    settled_at: datetime
    lines: tuple[Line, ...]


@contract("order.closed")
class OrderClosed(Contract):
    """Unpaid and over: cancelled or expired."""

    order_id: int
    user_id: int | None
    storefront_id: int
    reason: str
    closed_at: datetime


@dataclass(frozen=True, kw_only=True)
class RefundedLine:
    """`amount` is the money given back now for this line, `cash` what was paid for it."""

    id: int
    product_id: int
    category: str
    amount: Decimal
    cash: Decimal
    quantity: int
    complete: bool


@contract("order.refunded")
class OrderRefunded(Contract):
    """The shop has given the money up, wherever it goes: `target` is wallet, order_credit, or original while it is still on
    its way to the payer (RefundSettled tells the end of that). "" in older events."""

    refund_ref: str
    order_id: int
    user_id: int | None
    storefront_id: int
    paid_at: datetime
    refunded_at: datetime
    amount: Decimal
    complete: bool
    lines: tuple[RefundedLine, ...]
    target: str = ""


@contract("refund.requested")
class RefundRequested(Contract):
    """Money of a refund is to go back the way it came; `refund_id` is the order's refund, `amount` all of it."""

    refund_id: int
    order_id: int
    amount: Decimal
    requested_at: datetime
