"""What orders mean for members: delivered lines count, refunds take back, in whatever order the news comes.

One row a line: `line:<id>:spend` for the cash, `line:<id>:points` for what points paid. Everything is dated by the
payment. An order counts as one while some of its spend does. Where rules count what is settled, `line:<id>:unsettled` says
until then what waits, and `line:<id>:spend` comes with the settlement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction

from events.contracts import Line, OrderDelivered, OrderRefunded, OrderSettled, RefundedLine
from membership.engine.facts import UNSETTLED, Fact, spend_facts
from membership.models import Activity, ActivityMark, MemberTier, TierDecision
from membership.rules.nodes import RuleSet
from membership.selectors.rules import published_versions, version_at
from membership.services.acting import active_day, locked_member, tell_when_active
from membership.services.evaluation import take_locked
from membership.services.facts import mark_alike

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
    rows = [_row(member, fact, at) for line in order.lines for fact in _delivered_facts(rules, order, line)]
    return take_locked(member, [*others, *rows], versions, at=at)


def record_settlement(*, order: OrderSettled, at: datetime) -> TierDecision | None:
    """Count settled lines that waited for it, on the day of the payment; returns the decision, if one was made.

    Lines that count already change nothing. What was found not to count while it waited does not count after that. Locks
    the MemberTier.
    """
    if order.user_id is None:
        return None
    with transaction.atomic(savepoint=False):
        member = locked_member(user_id=order.user_id, storefront_id=order.storefront_id, at=at)
        versions = published_versions(member.program_id)
        rules = version_at(versions, order.paid_at).rules
        mark_alike(member=member, marks=_found_waiting(member, order), at=at)
        rows = [_row(member, fact, at) for line in order.lines for fact in _line_facts(rules, order, line)]
        return take_locked(member, rows, versions, at=at)


def _found_waiting(member: MemberTier, order: OrderSettled) -> dict[str, ActivityMark]:
    """By reference of the spend that comes, why the line was found not to count while it waited."""
    becomes = {f"line:{line.id}:{UNSETTLED}": f"line:{line.id}:spend" for line in order.lines}
    latest = {one.ref: one for one in ActivityMark.objects.filter(member=member, ref__in=becomes).order_by("id")}
    return {becomes[ref]: mark for ref, mark in latest.items() if not mark.valid}


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


def _delivered_facts(rules: RuleSet, order: OrderDelivered, line: Line) -> Iterable[Fact]:
    """What a delivered line says; its spend waits where it counts once it is settled, and that is not yet."""
    waits = rules.counts == "settled" and line.settles_at is not None and line.settles_at > order.delivered_at
    for fact in _line_facts(rules, order, line):
        if waits and not fact.reason:
            fact = replace(fact, ref=f"line:{line.id}:{UNSETTLED}", reason=UNSETTLED)
        yield fact


def _line_facts(rules: RuleSet, order: OrderDelivered | OrderSettled, line: Line) -> Iterable[Fact]:
    return spend_facts(
        rules,
        ref=f"line:{line.id}:spend",
        points_ref=f"line:{line.id}:points",
        at=order.paid_at,
        cash=line.cash,
        points_paid=line.points_paid,
        category=line.category,
        subject=_subject(order.order_id),
    )


def _row(member: MemberTier, fact: Fact, at: datetime) -> Activity:
    return Activity(
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
