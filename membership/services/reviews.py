"""Published reviews as facts for the tier, whatever order their news come in."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction

from common import clock
from events.contracts import ReviewPublished, ReviewWithdrawn
from membership.models import Activity
from membership.services.acting import append_facts, locked_member

WITHDRAWN = "withdrawn"
# Published again with the stars that count already.
REPEATED = "repeated"


def record_review(*, news: ReviewPublished | ReviewWithdrawn) -> None:
    """Count a published review on the day of its first publication, or count it no more. Of several news the one that
    was told last holds, so `recorded_at` is when it was told. Locks the MemberTier."""
    subject = f"review:{news.review_id}"
    with transaction.atomic():
        at = clock.now()
        member = locked_member(user_id=news.user_id, storefront_id=news.storefront_id, at=at)
        known = list(Activity.objects.filter(member=member, subject=subject).order_by("id"))
        if any(row.recorded_at >= news.occurred_at for row in known):
            return
        rows = [
            Activity(
                source_ref=f"{subject}:{number}",
                member=member,
                metric="review",
                subject=subject,
                occurred_at=news.published_at,
                recorded_at=news.occurred_at,
                **says,
            )
            for number, says in enumerate(_changes(known, news), len(known) + 1)
        ]
        append_facts(member=member, rows=rows, at=at)


def _changes(known: Sequence[Activity], news: ReviewPublished | ReviewWithdrawn) -> Iterator[dict[str, Any]]:
    """What the rows have to say of a review. News that changes nothing is written down as what does not count: of what was
    told before it, and is heard of later, nothing may count any more."""
    taken_back = {row.reverses for row in known}
    counted = next((row for row in known if row.valid and row.quantity > 0 and row.source_ref not in taken_back), None)
    is_published = isinstance(news, ReviewPublished)
    if is_published and counted is not None and counted.value == news.stars:
        yield {"value": news.stars, "valid": False, "invalid_reason": REPEATED}
        return
    if counted is not None:
        yield {"quantity": -1, "reverses": counted.source_ref}
    if is_published:
        yield {"quantity": 1, "value": news.stars}
    elif counted is None:
        yield {"value": news.stars, "valid": False, "invalid_reason": WITHDRAWN}
