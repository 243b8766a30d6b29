"""Facts that other rooms know: check-ins, published reviews, points, invitees, disputes, real name, credit; taking them
back; finding that they do not count, and clearing them again.

Every function locks the MemberTier, writes the ledger, its sums and the evaluation in one transaction, and returns the
last decision, if one was made. A reference that is known changes nothing, so that news may come twice and in any order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from audit.services import record
from common.locks import lock_one
from membership.engine.versions import Timeline
from membership.exceptions import UnknownMetric
from membership.models import Activity, ActivityMark, MemberTier, TierDecision
from membership.selectors.rules import published_versions, version_at
from membership.services.acting import reversal, tell_inviter
from membership.services.evaluation import refold_locked, take_locked
from membership.services.ledger import settle, touched_days

SPEND, DISPUTE = "spend", "dispute"
# What a subject that is an order begins with.
ORDER = "order:"
COUNTS = frozenset(
    {"orders", "checkin", "review", "online_days", "activity", "contrib", "invitee_active", "disputes_upheld"}
)
AMOUNTS = frozenset({SPEND, "invitee_spend"})
STATES = {"realname": 1, "credit": 100}
MAX_STARS = 5


def record_activity(
    *,
    member_id: int,
    metric: str,
    occurred_at: datetime,
    at: datetime,
    ref: str,
    quantity: int = 0,
    amount: Decimal | None = None,
    value: int | None = None,
    category: str = "",
    subject: str = "",
) -> TierDecision | None:
    """Record one fact, dated `occurred_at` and heard of `at`, under a reference that is unique for all time.

    `quantity` is points (activity, contrib) or a number (checkin, review, online_days, invitee_active), `amount` yuan
    (spend, invitee_spend), `value` the stars of a review (1 to 5), whether a dispute was upheld (0 or 1), or a state
    (realname 0 or 1, credit 0 to 100). `subject` says what belongs together; spend with one is an order.
    Locks the MemberTier. Raises UnknownMetric for a metric or figures that cannot be recorded.
    """
    _check(metric, quantity, amount, value)
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        versions = published_versions(member.program_id)
        reason = ""
        if metric == SPEND:
            rules = version_at(versions, occurred_at).rules
            reason = next((rule.reason for rule in rules.exclude if rule.category and rule.category == category), "")
        row = Activity(
            source_ref=ref,
            member=member,
            metric=metric,
            subject=subject,
            occurred_at=occurred_at,
            recorded_at=at,
            amount=amount or Decimal(0),
            quantity=1 if metric == DISPUTE else quantity,
            value=value,
            category=category,
            valid=not reason,
            invalid_reason=reason,
        )
        return take_locked(member, [row], versions, at=at)


def reverse_activity(
    *, member_id: int, reverses: str, ref: str, at: datetime, amount: Decimal | None = None, quantity: int = 0
) -> TierDecision | None:
    """Take back a fact, on the day that it is dated: by `amount` or `quantity`, as a whole where neither is said.

    A reversal that comes before its fact waits for it. Locks the MemberTier.
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        target = Activity.objects.filter(member=member, source_ref=reverses).first()
        row = reversal(member, reverses, target, ref=ref, at=at, amount=amount or Decimal(0), quantity=quantity)
        return take_locked(member, [row], published_versions(member.program_id), at=at)


def flag_activity(*, member_id: int, refs: Sequence[str], reason: str, actor: Any, at: datetime) -> TierDecision | None:
    """Find that facts do not count, such as those of a wash trade, and fold the member without them. Audited.

    The facts stay as they are, and count again with their own dates once they are cleared. Locks the MemberTier.
    """
    return _mark(member_id, refs, valid=False, reason=reason, actor=actor, at=at)


def clear_activity(
    *, member_id: int, refs: Sequence[str], reason: str, actor: Any, at: datetime
) -> TierDecision | None:
    """Let facts count again that were found not to, such as on appeal. Audited. Locks the MemberTier."""
    return _mark(member_id, refs, valid=True, reason=reason, actor=actor, at=at)


def _mark(
    member_id: int, refs: Sequence[str], *, valid: bool, reason: str, actor: Any, at: datetime
) -> TierDecision | None:
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        rows = list(Activity.objects.filter(member=member, source_ref__in=refs).order_by("id"))
        if not rows:
            return None
        by = getattr(actor, "pk", None)
        marks = [
            ActivityMark(member=member, ref=row.source_ref, valid=valid, reason=reason, actor_id=by, at=at)
            for row in rows
        ]
        ActivityMark.objects.bulk_create(marks)
        action = "membership.activity.clear" if valid else "membership.activity.flag"
        detail = {"refs": [row.source_ref for row in rows], "reason": reason}
        record(action=action, at=at, actor=actor, target=member, detail=detail)
        for order_id in sorted({int(row.subject.removeprefix(ORDER)) for row in rows if _of_an_order(row)}):
            tell_inviter(user_id=member.user_id, order_id=order_id, at=at)
        versions = published_versions(member.program_id)
        settle(member, touched_days(member, rows), Timeline(versions))
        return refold_locked(member, versions, at=at, activity_ref=rows[-1].source_ref, reversal=not valid)


def _of_an_order(row: Activity) -> bool:
    return row.metric == SPEND and row.subject.startswith(ORDER)


def mark_alike(*, member: MemberTier, marks: Mapping[str, ActivityMark], at: datetime) -> None:
    """Find of a locked member's facts, by reference, what was found of another's that they repeat.

    Facts that are yet to come are found so as they come. What a person found of the member's own facts stays.
    """
    latest = {one.ref: one for one in ActivityMark.objects.filter(member=member, ref__in=marks).order_by("id")}
    wanted = [
        (ref, mark)
        for ref, mark in marks.items()
        if (known := latest.get(ref)) is None
        or (known.actor_id is None and (known.valid, known.reason) != (mark.valid, mark.reason))
    ]
    there = set(
        Activity.objects.filter(member=member, source_ref__in=[ref for ref, _ in wanted]).values_list(
            "source_ref", flat=True
        )
    )
    ActivityMark.objects.bulk_create(
        ActivityMark(member=member, ref=ref, valid=mark.valid, reason=mark.reason, at=at)
        for ref, mark in wanted
        if ref not in there
    )
    for valid, reason in sorted({(mark.valid, mark.reason) for ref, mark in wanted if ref in there}):
        refs = [ref for ref, mark in wanted if ref in there and (mark.valid, mark.reason) == (valid, reason)]
        _mark(member.pk, refs, valid=valid, reason=reason, actor=None, at=at)


def _check(metric: str, quantity: int, amount: Decimal | None, value: int | None) -> None:
    if metric in AMOUNTS:
        fits = amount is not None and amount > 0
    elif metric in STATES:
        fits = value is not None and 0 <= value <= STATES[metric]
    elif metric == DISPUTE:
        fits = value in (0, 1)
    else:
        fits = metric in COUNTS and quantity > 0 and (value is None or metric == "review" and 1 <= value <= MAX_STARS)
    if not fits:
        raise UnknownMetric
