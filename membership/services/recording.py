"""What orders mean for members: delivered lines count, refunds take back, in whatever order the news comes.

One row a line: `line:<id>:spend` for the cash, `line:<id>:points` for what points paid. Everything is dated by the
payment. An order counts as one while some of its spend does.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from events.contracts import Line, OrderDelivered, OrderRefunded, RefundedLine
from membership.engine.facts import spend_facts
from membership.models import Activity, MemberTier, TierDecision
from membership.rules.nodes import RuleSet
from membership.selectors.rules import published_versions, version_at
from membership.services.acting import active_day, locked_member, tell_when_active
from membership.services.evaluation import take_locked

SPEND = "spend"
# A refund of something that never counted, or does not count yet.
NOT_COUNTED = "not_counted"


def record_order(*, order: OrderDelivered, at: datetime) -> TierDecision | None:
    """Count an order's day as active and its delivered lines, and evaluate the member; returns the decision, if one was made.

    Together, because they happened at one moment: told one after the other, the second would be late and the whole life
    folded again for it. Guests have no tier. Locks the MemberTier.
    """
    if order.user_id is None:
        return None
    with transaction.atomic(savepoint=False):
        member = locked_member(user_id=order.user_id, storefront_id=order.storefront_id, at=at)
        day = active_day(member, at=order.paid_at, heard_at=at)
        decision = _take_lines(member, order, at, [] if day is None else [day])
        if day is not None:
            tell_when_active(user_id=order.user_id, at=at)
    return decision


def record_order_lines(*, order: OrderDelivered, at: datetime) -> TierDecision | None:
    """Count delivered lines and evaluate the member; returns the decision, if one was made.

    Lines that are known change nothing. Guests have no tier. Locks the MemberTier.
    """
    if order.user_id is None:
        return None
    with transaction.atomic(savepoint=False):
        member = locked_member(user_id=order.user_id, storefront_id=order.storefront_id, at=at)
        return _take_lines(member, order, at)


def _take_lines(
    member: MemberTier, order: OrderDelivered, at: datetime, others: Sequence[Activity] = ()
) -> TierDecision | None:
    """Write what a locked member bought, after `others` of the same moment."""
    versions = published_versions(member.program_id)
    rules = version_at(versions, order.paid_at).rules
    rows = [row for line in order.lines for row in _line_rows(member, rules, order, line, at)]
    return take_locked(member, [*others, *rows], versions, at=at)


def record_refund(*, refund: OrderRefunded, at: datetime) -> TierDecision | None:
    """Take back what was refunded, on the day of the purchase, and fold the member again.

    What never counted is written down as not counted; if it is delivered later, the refund is applied then.
    Locks the MemberTier.
    """
    if refund.user_id is None:
        return None
    with transaction.atomic():
        member = locked_member(user_id=refund.user_id, storefront_id=refund.storefront_id, at=at)
        spent = _spent_lines(member, refund)
        rows = [_refund_row(member, refund, line, spent, at) for line in refund.lines if line.amount > 0]
        return take_locked(member, rows, published_versions(member.program_id), at=at)


def _subject(order_id: int) -> str:
    return f"order:{order_id}"


def _line_rows(
    member: MemberTier, rules: RuleSet, order: OrderDelivered, line: Line, at: datetime
) -> Iterable[Activity]:
    for fact in spend_facts(
        rules,
        ref=f"line:{line.id}:spend",
        points_ref=f"line:{line.id}:points",
        at=order.paid_at,
        cash=line.cash,
        points_paid=line.points_paid,
        category=line.category,
        subject=_subject(order.order_id),
    ):
        yield Activity(
            source_ref=fact.ref,
            member=member,
            metric=SPEND,
            subject=fact.subject,
            occurred_at=fact.at,
            recorded_at=at,
            amount=fact.amount,
            category=fact.category,
            valid=not fact.reason,
            invalid_reason=fact.reason,
        )


def _spent_lines(member: MemberTier, refund: OrderRefunded) -> dict[str, Activity]:
    """The spend of the refunded lines by reference, as far as it is known."""
    refs = [f"line:{line.id}:spend" for line in refund.lines]
    return {row.source_ref: row for row in Activity.objects.filter(member=member, source_ref__in=refs)}


def _refund_row(
    member: MemberTier, refund: OrderRefunded, line: RefundedLine, spent: dict[str, Activity], at: datetime
) -> Activity:
    counted = spent.get(f"line:{line.id}:spend")
    reason = NOT_COUNTED if counted is None else counted.invalid_reason
    return Activity(
        source_ref=f"refund:{refund.refund_ref}:{line.id}",
        member=member,
        metric=SPEND,
        subject=_subject(refund.order_id),
        occurred_at=counted.occurred_at if counted is not None else refund.paid_at,
        recorded_at=at,
        amount=-line.amount,
        category=line.category,
        reverses=f"line:{line.id}:spend",
        valid=not reason,
        invalid_reason=reason,
    )
