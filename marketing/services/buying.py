"""Coupons for points."""

from django.db import transaction

from common import clock
from marketing.exceptions import NotClaimable
from marketing.models import Coupon, CouponTemplate
from marketing.services.issuing import add_coupon, check_takeable, held_template, known_coupon, template_pk
from membership.models import PointsEntry
from membership.services import spend_points


def buy_coupon(*, user_id: int, template: str, storefront_id: int, ref: str) -> Coupon:
    """A member buys a coupon (by its template's public id) with points, once per `ref`; points and coupon move together.

    Holds the template, locks the points, then as `issue_coupon`. Raises InsufficientPoints and what `claim_coupon` raises;
    then the points stay.
    """
    with transaction.atomic():
        at = clock.now()
        found = held_template(template_pk(template))
        if found.source != CouponTemplate.Source.POINTS or found.points_price is None:
            raise NotClaimable
        spend_points(
            user_id=user_id,
            amount=found.points_price,
            cause=PointsEntry.Cause.COUPON,
            ref=ref,
            at=at,
            memo=found,
        )
        known = known_coupon(ref, found, user_id)
        if known is not None:
            return known
        check_takeable(found, user_id=user_id, storefront_id=storefront_id, at=at)
        return add_coupon(found, user_id, ref, at, most=found.per_member)
