"""Published reviews as facts for the tier, whatever order their news come in."""

from django.db import transaction

from common import clock
from events.contracts import ReviewPublished, ReviewWithdrawn
from membership.models import Activity
from membership.services.acting import append_facts, locked_member

WITHDRAWN = "withdrawn"


def record_review(*, news: ReviewPublished | ReviewWithdrawn) -> None:
    """Count a published review on the day of its first publication, or count it no more. Of several news the one that
    was told last holds, so `recorded_at` is when it was told. Locks the MemberTier."""
    wanted = 1 if isinstance(news, ReviewPublished) else 0
    subject = f"review:{news.review_id}"
    with transaction.atomic():
        at = clock.now()
        member = locked_member(user_id=news.user_id, storefront_id=news.storefront_id, at=at)
        rows = list(Activity.objects.filter(member=member, subject=subject).order_by("id"))
        if any(row.recorded_at >= news.occurred_at for row in rows):
            return
        change = wanted - sum(row.quantity for row in rows if row.valid)
        if not change and rows:
            return
        # Withdrawn before it was heard of: written down as what does not count, or its publication would count later.
        row = Activity(
            source_ref=f"{subject}:{len(rows) + 1}",
            member=member,
            metric="review",
            subject=subject,
            occurred_at=news.published_at,
            recorded_at=news.occurred_at,
            quantity=change,
            value=news.stars if change >= 0 else None,
            reverses=rows[-1].source_ref if change < 0 else "",
            valid=bool(change),
            invalid_reason="" if change else WITHDRAWN,
        )
        append_facts(member=member, rows=[row], at=at)
