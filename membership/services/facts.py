"""Facts that other rooms know: check-ins, published reviews, points, invitees, disputes, real name, credit.

Every function locks the MemberTier, writes the ledger, its sums and the evaluation in one transaction, and returns the
decision when the tier changed. A reference that is known changes nothing, so that news may come twice and in any order.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from common.clock import day_of
from common.locks import lock_one
from membership.models import Activity, MemberTier, TierDecision
from membership.selectors.rules import published_versions
from membership.services.evaluation import evaluate_locked, refold_locked
from membership.services.ledger import append


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
    (spend, invitee_spend), `value` the stars of a review (1 to 5) or a state (realname 0 or 1, credit 0 to 100).
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        row = Activity(
            source_ref=ref,
            member=member,
            metric=metric,
            subject=subject,
            occurred_at=occurred_at,
            recorded_at=at,
            amount=amount or Decimal(0),
            quantity=quantity,
            value=value,
            category=category,
        )
        if not append(member, [row]):
            return None
        versions = published_versions(member.program_id)
        if day_of(occurred_at) < day_of(at):
            return refold_locked(member, versions, at=at, activity_ref=ref)
        decisions = evaluate_locked([member], versions, at=at, activity_ref=ref)
        return decisions[0] if decisions else None
