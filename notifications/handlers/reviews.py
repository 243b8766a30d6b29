"""What became of a review."""

from datetime import datetime

from django.urls import reverse

from catalog.models import Product
from events.contracts import ReviewPublished, ReviewRejected, ReviewWithdrawn
from events.registry import subscribe
from notifications import services
from notifications.models import Kind


def tell_author(event: ReviewPublished | ReviewRejected | ReviewWithdrawn, kind: Kind, *, at: datetime) -> None:
    """Tell what became of a review: once for each publication, rejection and removal."""
    product = Product.objects.get(pk=event.product_id)
    services.tell(
        ref=f"{kind}:{event.review_id}:{event.occurred_at.isoformat()}",
        user_id=event.user_id,
        kind=kind,
        params={"product": product.name, "product_en": product.name_en},
        link=reverse("shop:reviews"),
        at=at,
    )


@subscribe(ReviewPublished, "notifications.review_published")
def review_published(event: ReviewPublished, *, at: datetime) -> None:
    tell_author(event, Kind.REVIEW_PUBLISHED, at=at)


@subscribe(ReviewRejected, "notifications.review_rejected")
def review_rejected(event: ReviewRejected, *, at: datetime) -> None:
    tell_author(event, Kind.REVIEW_REJECTED, at=at)


@subscribe(ReviewWithdrawn, "notifications.review_removed")
def review_removed(event: ReviewWithdrawn, *, at: datetime) -> None:
    # Authors know what they took back themselves, and of a rejection they are told as such.
    if event.cause == "removed":
        tell_author(event, Kind.REVIEW_REMOVED, at=at)
