"""What staff know of a member and no other room tells: a real name, credit, how a dispute about an order ended; and what
after-sale tells of disputes.

Each is a fact of the ledger, dated by when it was recorded, and stays there when it is taken back. Audited.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from audit.services import record
from common.locks import lock_one
from events.contracts import DisputeClosed
from membership.exceptions import NothingToTakeBack, OrderNotTheirs
from membership.models import Activity, MemberTier, TierDecision
from membership.selectors.reputation import disputable_orders, recorded_reputation
from membership.services.acting import locked_member
from membership.services.facts import DISPUTE, ORDER, record_activity, reverse_activity


def record_reputation(
    *, member_id: int, metric: str, value: int, subject: str = "", ref: str, reason: str, actor: Any, at: datetime
) -> TierDecision | None:
    """Record that the real name is confirmed or no longer (`metric` realname, `value` 1 or 0), credit (0 to 100), or a
    dispute about an order of the member's (`subject` order:12) that was upheld or not (1 or 0); once per `ref`.

    Locks the MemberTier. Raises UnknownMetric, OrderNotTheirs.
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        if Activity.objects.filter(member=member, source_ref=ref).exists():
            return None
        if metric == DISPUTE and subject not in disputable_orders(member):
            raise OrderNotTheirs
        detail = {"metric": metric, "value": value, "subject": subject, "ref": ref, "reason": reason}
        record(action="membership.reputation.record", at=at, actor=actor, target=member, detail=detail)
        fact = {"metric": metric, "value": value, "subject": subject, "ref": ref}
        return record_activity(member_id=member.pk, occurred_at=at, at=at, **fact)


def take_back_reputation(
    *, member_id: int, of_ref: str, ref: str, reason: str, actor: Any, at: datetime
) -> TierDecision | None:
    """Take back what staff recorded as `of_ref`, at its own date; once per `ref`.

    Locks the MemberTier. Raises NothingToTakeBack.
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        if Activity.objects.filter(member=member, source_ref=ref).exists():
            return None
        if of_ref not in recorded_reputation(member):
            raise NothingToTakeBack
        detail = {"of": of_ref, "ref": ref, "reason": reason}
        record(action="membership.reputation.take_back", at=at, actor=actor, target=member, detail=detail)
        return reverse_activity(member_id=member.pk, reverses=of_ref, ref=ref, at=at)


def record_dispute(*, case: DisputeClosed, at: datetime) -> TierDecision | None:
    """Count a case of after-sale that was found to be made up as a dispute upheld against the member; once per case.

    Other cases say nothing of a member: who complains rightly, or is mistaken, loses nothing by it. Told when the case is
    over, appeal included. Staff may take it back like what they recorded themselves. Locks the MemberTier.
    """
    if case.user_id is None or not case.abusive:
        return None
    with transaction.atomic():
        member = locked_member(user_id=case.user_id, storefront_id=case.storefront_id, at=at)
        ref = f"dispute:{case.dispute_id}"
        if Activity.objects.filter(member=member, source_ref=ref).exists():
            return None
        subject = f"{ORDER}{case.order_id}"
        return record_activity(
            member_id=member.pk, metric=DISPUTE, value=1, subject=subject, ref=ref, occurred_at=case.closed_at, at=at
        )
