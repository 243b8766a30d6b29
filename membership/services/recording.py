"""What orders mean for members: delivered lines count, refunds take back, in whatever order the news comes.

One row a line: `line:<id>:spend` for the cash, `line:<id>:points` for what points paid. Everything is dated by the
payment. The number of orders is brought into line with the order's net spend after each piece of news, so that every
order of events ends in the same sums.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from common.clock import day_of
from common.locks import lock, lock_one
from events.contracts import Line, OrderDelivered, OrderRefunded, RefundedLine
from membership.models import Activity, MemberTier, TierDecision
from membership.rules.nodes import RuleSet
from membership.selectors.rules import program_for, published_versions, version_at
from membership.services.evaluation import evaluate_locked, refold_locked
from membership.services.ledger import append
from membership.services.members import ensure_member

SPEND, ORDERS = "spend", "orders"
POINTS_PAID = "points_paid"
# A refund of something that never counted, or does not count yet.
NOT_COUNTED = "not_counted"
NOTHING = Decimal("0.00")


def record_order_lines(*, order: OrderDelivered, at: datetime) -> TierDecision | None:
    """Count delivered lines and evaluate the member; returns the decision when the tier changed.

    Lines that are known change nothing. Guests have no tier. Locks the MemberTier.
    """
    if order.user_id is None:
        return None
    with transaction.atomic():
        member = _locked_member(order.user_id, order.storefront_id, at)
        versions = published_versions(member.program_id)
        rules = version_at(versions, order.paid_at).rules
        rows = [row for line in order.lines for row in _line_rows(member, rules, order, line, at)]
        fresh = append(member, rows)
        if not fresh:
            return None
        _apply_waiting_refunds(member, order.order_id, fresh, at)
        _settle_order_count(member, order.order_id, order.paid_at, at)
        if day_of(order.paid_at) < day_of(at):
            return refold_locked(member, versions, at=at, activity_ref=fresh[0].source_ref)
        decisions = evaluate_locked([member], versions, at=at, activity_ref=fresh[0].source_ref)
        return decisions[0] if decisions else None


def record_refund(*, refund: OrderRefunded, at: datetime) -> TierDecision | None:
    """Take back what was refunded, on the day of the purchase, and refold the member.

    What never counted is written down as not counted; if it is delivered later, the refund is applied then.
    Locks the MemberTier.
    """
    if refund.user_id is None:
        return None
    with transaction.atomic():
        member = _locked_member(refund.user_id, refund.storefront_id, at)
        spent = _spent_lines(member, refund.order_id)
        fresh = append(member, [_refund_row(member, refund, line, spent, at) for line in refund.lines])
        if not fresh:
            return None
        _settle_order_count(member, refund.order_id, refund.paid_at, at)
        versions = published_versions(member.program_id)
        return refold_locked(member, versions, at=at, activity_ref=fresh[0].source_ref)


def _locked_member(user_id: int, storefront_id: int, at: datetime) -> MemberTier:
    known = lock(MemberTier.objects.filter(user=user_id, program=program_for(storefront_id)))
    if known:
        return known[0]
    # The order was heard of before the registration.
    member = ensure_member(user_id=user_id, storefront_id=storefront_id, at=at)
    return lock_one(MemberTier.objects.filter(pk=member.pk))


def _subject(order_id: int) -> str:
    return f"order:{order_id}"


def _line_rows(
    member: MemberTier, rules: RuleSet, order: OrderDelivered, line: Line, at: datetime
) -> Iterable[Activity]:
    common = {
        "member": member,
        "metric": SPEND,
        "subject": _subject(order.order_id),
        "occurred_at": order.paid_at,
        "recorded_at": at,
        "category": line.category,
    }
    if line.cash > 0:
        reason = next((rule.reason for rule in rules.exclude if rule.category == line.category), "")
        yield Activity(
            source_ref=f"line:{line.id}:spend", amount=line.cash, valid=not reason, invalid_reason=reason, **common
        )
    if line.points_paid > 0:
        reason = next((rule.reason for rule in rules.exclude if rule.part == POINTS_PAID), POINTS_PAID)
        yield Activity(
            source_ref=f"line:{line.id}:points", amount=line.points_paid, valid=False, invalid_reason=reason, **common
        )


@dataclass(frozen=True)
class Spent:
    """The spend of a line, and what of it is not yet taken back."""

    row: Activity
    left: Decimal


def _spent_lines(member: MemberTier, order_id: int) -> dict[str, Spent]:
    """The spend of an order's lines by reference."""
    rows = list(Activity.objects.filter(member=member, subject=_subject(order_id), metric=SPEND).order_by("id"))
    taken: dict[str, Decimal] = {}
    for row in rows:
        if row.reverses and row.valid:
            taken[row.reverses] = taken.get(row.reverses, NOTHING) + row.amount
    return {
        row.source_ref: Spent(row, row.amount + taken.get(row.source_ref, NOTHING)) for row in rows if not row.reverses
    }


def _refund_row(
    member: MemberTier, refund: OrderRefunded, line: RefundedLine, spent: dict[str, Spent], at: datetime
) -> Activity:
    counted = spent.get(f"line:{line.id}:spend")
    row = Activity(
        source_ref=f"refund:{refund.refund_ref}:{line.id}",
        member=member,
        metric=SPEND,
        subject=_subject(refund.order_id),
        occurred_at=counted.row.occurred_at if counted else refund.paid_at,
        recorded_at=at,
        amount=-line.amount,
        category=line.category,
        reverses=f"line:{line.id}:spend",
    )
    if counted is None or counted.left <= 0:
        row.valid, row.invalid_reason = False, NOT_COUNTED
    elif not counted.row.valid:
        row.valid, row.invalid_reason = False, counted.row.invalid_reason
    else:
        row.amount = -min(line.amount, counted.left)
    return row


def _apply_waiting_refunds(member: MemberTier, order_id: int, fresh: list[Activity], at: datetime) -> None:
    """Refunds that were told before the delivery that they take back."""
    refs = [row.source_ref for row in fresh]
    told = Activity.objects.filter(member=member, subject=_subject(order_id), reverses__in=refs)
    for waiting in told.filter(invalid_reason=NOT_COUNTED).order_by("id"):
        counted = _spent_lines(member, order_id)[waiting.reverses]
        if counted.row.valid and counted.left > 0:
            applied = Activity(
                source_ref=f"{waiting.source_ref}:applied",
                member=member,
                metric=SPEND,
                subject=waiting.subject,
                occurred_at=counted.row.occurred_at,
                recorded_at=at,
                amount=-min(-waiting.amount, counted.left),
                category=counted.row.category,
                reverses=waiting.reverses,
            )
            append(member, [applied])


def _settle_order_count(member: MemberTier, order_id: int, paid_at: datetime, at: datetime) -> None:
    """An order counts while some of its spend does."""
    subject = _subject(order_id)
    rows = Activity.objects.filter(member=member, subject=subject, valid=True).values_list(
        "metric", "amount", "quantity"
    )
    told = [row for row in rows if row[0] == ORDERS]
    spent = sum((amount for metric, amount, _ in rows if metric == SPEND), NOTHING)
    change = int(spent > 0) - sum(quantity for _, _, quantity in told)
    if change:
        number = len(told) + 1
        row = Activity(
            source_ref=f"{subject}:orders:{number}",
            member=member,
            metric=ORDERS,
            subject=subject,
            occurred_at=paid_at,
            recorded_at=at,
            quantity=change,
            reverses=f"{subject}:orders:{number - 1}" if change < 0 else "",
        )
        append(member, [row])
