"""Gifts on a member's birthday: points, a coupon, or both, as the benefits of their tier say. Once a year."""

import logging
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from common.clock import day_of, today_range
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

    A coupon that cannot be given (sold out, switched off) keeps no points back, and is tried again at the next run of the day.
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
        if _had_one(user, perks, at):
            return False
        points = _give_points(user, perks, at)
        coupon = _give_coupon(user, perks, at)
        if points or coupon:
            ref = _ref(user, day_of(at).year)
            told = BirthdayGiftGiven(ref=ref, user_id=user.pk, points=points, coupon=coupon, given_at=at)
            emit(told, at=at)
    return bool(points or coupon)


def _ref(user: User, year: int) -> str:
    return f"birthday:{year}:{user.pk}"


def _had_one(user: User, perks: Perks, at: datetime) -> bool:
    """Whether this year's gift was given, whatever the tier was and the birthday then; or last year's just now.

    Points that were given today without their coupon are no whole gift yet.
    """
    this, last = (_ref(user, day_of(at).year - ago) for ago in (0, 1))
    points = PointsEntry.objects.filter(ref__in=[this, last]).values_list("ref", "at")
    coupons = Coupon.objects.filter(source_ref__in=[this, last]).values_list("source_ref", "issued_at")
    if perks.gift_points and perks.gift_coupon:
        half = PointsEntry.objects.filter(ref=this, amount=perks.gift_points, at__gte=today_range(at)[0])
        points = points.exclude(pk__in=half.values("pk"))
    return any(ref == this or given_at > at - REST for ref, given_at in points.union(coupons))


def _give_points(user: User, perks: Perks, at: datetime) -> int:
    """Before the coupon (docs/locking.md). How many were given now."""
    if not perks.gift_points:
        return 0
    ref = _ref(user, day_of(at).year)
    given = grant_points(user_id=user.pk, amount=perks.gift_points, cause=PointsEntry.Cause.GIFT, ref=ref, at=at)
    return given.amount if given.is_new else 0


def _give_coupon(user: User, perks: Perks, at: datetime) -> bool:
    """Whether one was given now; why it could not be goes to the log."""
    if not perks.gift_coupon:
        return False
    template = CouponTemplate.objects.filter(code=perks.gift_coupon).values_list("pk", flat=True).first()
    ref = _ref(user, day_of(at).year)
    try:
        issue_coupon(template_id=template or 0, user_id=user.pk, ref=ref, at=at)
    except DomainError as refusal:
        logger.warning("birthday coupon %s of user %s: %s", perks.gift_coupon, user.pk, refusal.code)
        return False
    return True
