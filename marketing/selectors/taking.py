"""Coupons that a member can take: claimed for nothing, or bought with points."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from marketing.models import Coupon, CouponSlot, CouponTemplate

MOST_SHOWN = 60


@dataclass(frozen=True)
class OnOffer:
    """A template as one member sees it. `held` counts what they took of it."""

    template: CouponTemplate
    held: int
    is_left: bool

    @property
    def is_full(self) -> bool:
        """Whether the member has taken all that one may."""
        return self.held >= self.template.per_member

    @property
    def can_take(self) -> bool:
        return self.is_left and not self.is_full


def on_offer(
    *, user_id: int | None, storefront_id: int, source: str, events: frozenset[str], at: datetime
) -> list[OnOffer]:
    """What members may take from this source (claim or points) now; `events` are the codes of limited events that the
    member's tier is asked to. What can be taken comes first.
    """
    free = CouponSlot.objects.filter(template=OuterRef("pk"), coupon=None)
    mine = Coupon.objects.filter(owner=user_id, template=OuterRef("pk")) if user_id else Coupon.objects.none()
    mine = mine.order_by().values("template").annotate(count=Count("pk")).values("count")
    templates = (
        CouponTemplate.objects.filter(
            Q(storefront=None) | Q(storefront=storefront_id),
            Q(ends_at=None) | Q(ends_at__gt=at),
            Q(valid_until=None) | Q(valid_until__gt=at),
            Q(event_code="") | Q(event_code__in=events),
            source=source,
            is_active=True,
            starts_at__lte=at,
        )
        .annotate(has_free=Exists(free), held=Coalesce(Subquery(mine), 0))
        .prefetch_related("categories", "products")
        .order_by("points_price", "-pk")[:MOST_SHOWN]
    )
    shown = [
        OnOffer(template, template.held, template.total_limit is None or template.has_free) for template in templates
    ]
    return sorted(shown, key=lambda one: not one.can_take)
