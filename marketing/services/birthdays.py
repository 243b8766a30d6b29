"""Gifts on a member's birthday: points, a coupon, or both, as the benefits of their tier say. Once a year."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from common.clock import day_of
from common.exceptions import DomainError
from events.contracts import BirthdayGiftGiven
from events.services import emit
from marketing.models import Coupon, CouponTemplate
from marketing.services.issuing import issue_coupon
from membership.models import PointsEntry
from membership.selectors import Perks, members_born_on, month_days, perks_for
from membership.services import grant_points

logger = logging.getLogger(__name__)
# No two gifts are closer than this, also when a birthday is corrected around the turn of the year.
REST = timedelta(days=180)


def give_birthday_gifts(*, at: datetime) -> int:
    """Give today's gifts, each member's in a transaction of its own; returns to how many. Run again, it gives what is left.

    A coupon that cannot be given (sold out, switched off) is tried again at the next run of the day.
    """
    given = 0
    for user in members_born_on(month_days(day_of(at))):
        perks = perks_for(user_id=user.pk, storefront_id=user.home_storefront_id)
        if not perks.gift_points and not perks.gift_coupon:
            continue
        try:
            given += _give(user, perks, at)
        except DomainError as refusal:
            logger.warning("birthday gift of user %s: %s", user.pk, refusal.code)
    return given


def _give(user: User, perks: Perks, at: datetime) -> bool:
    with transaction.atomic():
        if _had_one(user, at):
            return False
        is_new = any(list(_parts(user, perks, at)))
        if is_new:
            told = BirthdayGiftGiven(
                ref=_ref(user, day_of(at).year),
                user_id=user.pk,
                points=perks.gift_points,
                coupon=bool(perks.gift_coupon),
                given_at=at,
            )
            emit(told, at=at)
    return is_new


def _ref(user: User, year: int) -> str:
    return f"birthday:{year}:{user.pk}"


def _had_one(user: User, at: datetime) -> bool:
    """Whether this year's gift was given, whatever the tier was and the birthday then; or last year's just now."""
    this, last = (_ref(user, day_of(at).year - ago) for ago in (0, 1))
    points = PointsEntry.objects.filter(ref__in=[this, last]).values_list("ref", "at")
    coupons = Coupon.objects.filter(source_ref__in=[this, last]).values_list("source_ref", "issued_at")
    return any(ref == this or given_at > at - REST for ref, given_at in points.union(coupons))


def _parts(user: User, perks: Perks, at: datetime) -> Iterator[bool]:
    """Give each part, points before the coupon (docs/locking.md); tells of each whether it was given now."""
    ref = _ref(user, day_of(at).year)
    if perks.gift_points:
        yield grant_points(
            user_id=user.pk, amount=perks.gift_points, cause=PointsEntry.Cause.GIFT, ref=ref, at=at
        ).is_new
    if perks.gift_coupon:
        template = CouponTemplate.objects.filter(code=perks.gift_coupon).values_list("pk", flat=True).first()
        known = Coupon.objects.filter(source_ref=ref).exists()
        issue_coupon(template_id=template or 0, user_id=user.pk, ref=ref, at=at)
        yield not known
