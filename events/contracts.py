"""Every event that one room may tell others, as versioned frozen dataclasses. Payloads never hold keys or secrets."""

import types
import typing
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

REGISTRY: dict[tuple[str, int], type] = {}


def contract(kind: str, version: int = 1):
    """Registers a frozen dataclass as the payload of event `kind` in `version`."""

    def register(cls: type) -> type:
        frozen = dataclass(frozen=True, kw_only=True)(cls)
        frozen.kind, frozen.version = kind, version
        REGISTRY[kind, version] = frozen
        return frozen

    return register


class Contract:
    kind: ClassVar[str]
    version: ClassVar[int]


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


@contract("user.registered")
class UserRegistered(Contract):
    """`invite_code` is what the link that brought them said; nobody has checked it."""

    user_id: int
    storefront_id: int
    registered_at: datetime
    invite_code: str = ""


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
    """Staff should have decided by `due_at`; told once for each deadline. `decided_by_id` may not decide an appeal."""

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


@contract("order.closed")
class OrderClosed(Contract):
    """Unpaid and over: cancelled or expired."""

    order_id: int
    user_id: int | None
    storefront_id: int
    reason: str
    closed_at: datetime


@contract("wallet.topped_up")
class WalletToppedUp(Contract):
    user_id: int
    amount: Decimal
    topped_up_at: datetime


@contract("withdrawal.moved")
class WithdrawalMoved(Contract):
    """A member asked for a withdrawal, or it came to its end: `state` is asked, paid or rejected."""

    withdrawal_id: int
    user_id: int
    state: str
    amount: Decimal
    account: str
    reason: str
    moved_at: datetime


@contract("payout_account.decided")
class PayoutAccountDecided(Contract):
    """Staff looked at where a member wants withdrawals to go."""

    account_id: int
    user_id: int
    verified: bool
    account: str
    reason: str
    decided_at: datetime


@contract("credit.noticed")
class CreditNoticed(Contract):
    """Something about a member's credit line: `what` is granted, due (on `due_on`, a date), frozen or unfrozen."""

    line_id: int
    user_id: int
    what: str
    used: Decimal
    limit: Decimal
    due_on: str
    noticed_at: datetime


@contract("tier.changed")
class TierChanged(Contract):
    decision_id: int
    user_id: int
    from_rank: int | None
    to_rank: int
    to_name: str
    cause: str
    changed_at: datetime


@contract("invitee.spent")
class InviteeSpent(Contract):
    """The spend of somebody who was invited has changed with an order: what is mirrored to the inviter is read again."""

    invitee_id: int
    storefront_id: int
    order_id: int
    heard_at: datetime


@contract("invitee.active")
class InviteeActive(Contract):
    """Somebody who was invited has been active on as many days as the rules ask for. May be told more than once."""

    referral_id: int
    invitee_id: int
    active_days: int
    reached_at: datetime


@contract("reward.granted")
class RewardGranted(Contract):
    """A member got something that they did not see coming on the page: `what` is invite, invited or feedback.

    `name` is a friend's masked name or the kind of feedback.
    """

    ref: str
    user_id: int
    what: str
    name: str
    points: int
    granted_at: datetime


@contract("feedback.declined")
class FeedbackDeclined(Contract):
    feedback_id: int
    user_id: int
    declined_at: datetime


@contract("birthday.gift")
class BirthdayGiftGiven(Contract):
    """What the member's tier gives on a birthday; `coupon` says whether one came with it."""

    ref: str
    user_id: int
    points: int
    coupon: bool
    given_at: datetime


@contract("rebate.paid")
class RebatePaid(Contract):
    """The rebate of a month (such as 2026-10) went into the member's wallet."""

    user_id: int
    month: str
    amount: Decimal
    paid_at: datetime


@contract("comeback.offered")
class ComebackOffered(Contract):
    """Written to somebody who stayed away: `what` is restock, guide or ask. `product_id` is what is there again, if known.

    Whoever does not want such messages is not told of here.
    """

    spell_id: int
    user_id: int
    what: str
    product_id: int | None
    coupon: bool
    offered_at: datetime


@contract("stock.low")
class StockLow(Contract):
    sku_id: int
    available: int
    threshold: int
    noticed_at: datetime


@contract("stock.arrived")
class StockArrived(Contract):
    sku_id: int
    added: int
    arrived_at: datetime


@contract("review.published")
class ReviewPublished(Contract):
    """Told at every publication. `line_id` is the order line that the review is about: one review a line.

    `published_at` is that of the first publication and stays, so that a review which was edited and published again is
    counted once, on one day; `occurred_at` is that of this publication.
    """

    review_id: int
    user_id: int
    storefront_id: int
    product_id: int
    line_id: int
    stars: int
    published_at: datetime
    occurred_at: datetime


@contract("review.withdrawn")
class ReviewWithdrawn(Contract):
    """A review that was told as published counts no more. An edit alone is not told: the review waits, still counted,
    until somebody decides on it. `published_at` as in ReviewPublished; `cause` is author, removed (by staff) or rejected
    (an edited one). A rejected one may be edited and told as published again: of two tellings the later `occurred_at` holds.
    """

    review_id: int
    user_id: int
    storefront_id: int
    product_id: int
    line_id: int
    stars: int
    published_at: datetime
    occurred_at: datetime
    cause: str = "author"


@contract("review.rejected")
class ReviewRejected(Contract):
    """Staff did not let it be seen; its author reads why on the page of own reviews."""

    review_id: int
    user_id: int
    storefront_id: int
    product_id: int
    line_id: int
    occurred_at: datetime


def to_payload(event: Any) -> dict:
    """The event as JSON: decimals as strings, times as ISO 8601 in UTC."""
    return _plain(asdict(event))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        # One moment has one text, whatever zone it was computed in.
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


@contract("keys.export_moved")
class KeyExportMoved(Contract):
    """Somebody asks for keys in plain text, agrees, refuses, cancels or has fetched them; `state` is the approval's."""

    export_id: int
    mark: str
    state: str
    actor_id: int
    actor: str
    keys: int
    occurred_at: datetime


def from_payload(kind: str, version: int, payload: dict) -> Any:
    """The dataclass that was emitted. Raises KeyError for an event that no contract describes."""
    return _build(REGISTRY[kind, version], payload)


def _build(cls: type, payload: dict) -> Any:
    """A field that older events do not have takes its default."""
    return cls(
        **{
            name: _typed(hint, payload[name])
            for name, hint, is_required in _fields(cls)
            if is_required or name in payload
        }
    )


@lru_cache
def _fields(cls: type) -> list[tuple[str, Any, bool]]:
    """Name, type and whether it must be told. Types are written as text, and reading them takes longer than all else."""
    hints = typing.get_type_hints(cls)
    return [(f.name, hints[f.name], f.default is MISSING) for f in fields(typing.cast(Any, cls))]


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_typed(inner, item) for item in value)
    if is_dataclass(hint):
        return _build(typing.cast(type, hint), value)
    if hint is Decimal:
        return Decimal(value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    return value
