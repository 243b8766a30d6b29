"""Coupons in orders. The room of orders calls these in its own transaction, after the wallet and before keys."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.locks import LockOutsideTransaction, lock_one
from common.reasons import read_reason
from marketing.exceptions import CouponGone, CouponNotFound
from marketing.models import Coupon, CouponSlot, CouponUse

State = Coupon.State
# Who gets a whole order refunded can still use the coupon: for at least this long.
AFTER_REFUND = timedelta(days=3)


def use_coupon(*, coupon_id: int, user_id: int, order_id: int, amount: Decimal, at: datetime) -> Coupon:
    """Tie a member's coupon to an order that it takes `amount` (yuan) off. Locks the coupon.

    Raises CouponNotFound for a stranger's, CouponGone when it is used, revoked or over.
    """
    _require_transaction()
    coupon = _locked(coupon_id)
    if coupon.owner_id != user_id:
        raise CouponNotFound
    if coupon.state != State.USABLE or coupon.expires_at < at:
        raise CouponGone
    return _tie(coupon, order_id, amount, at)


def retake_coupon(*, order_id: int, at: datetime) -> Coupon:
    """Late money pays an order that gave its coupon back: tie it again, its end not counting: it was kept at the time.

    Locks the coupon. Raises CouponGone when it went into another order meanwhile, or was revoked.
    """
    _require_transaction()
    last = CouponUse.objects.filter(order_id=order_id).order_by("-pk").first()
    if last is None:
        raise CouponNotFound
    coupon = _locked(last.coupon_id)
    if coupon.state == State.USED and coupon.order_id == order_id:
        return coupon
    if coupon.state != State.USABLE:
        raise CouponGone
    return _tie(coupon, order_id, last.amount, at)


def give_back_coupon(*, order_id: int, at: datetime, cause: str, at_least: timedelta | None = None) -> Coupon | None:
    """The order that held a coupon is over: the member may use it again, for `at_least` this long. Locks the coupon.

    Nothing happens where no coupon is held.
    """
    _require_transaction()
    use = CouponUse.objects.filter(order_id=order_id, given_back_at=None).first()
    if use is None:
        return None
    coupon = _locked(use.coupon_id)
    if not CouponUse.objects.filter(pk=use.pk, given_back_at=None).update(given_back_at=at, cause=cause[:30]):
        return None
    coupon.state, coupon.order_id, coupon.used_at = State.USABLE, None, None
    if at_least is not None:
        coupon.expires_at = max(coupon.expires_at, at + at_least)
    coupon.save(update_fields=["state", "order_id", "used_at", "expires_at"])
    return coupon


def revoke_coupon(*, coupon_id: int, reason: str, actor: User, address: str | None = None) -> Coupon:
    """Take a coupon away before it is used; its place is free again. Locks the coupon, then its slot.

    Raises ReasonNeeded, CouponNotFound, CouponGone for one that is used. Revoking twice changes nothing.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        at = clock.now()
        coupon = _locked(coupon_id)
        if coupon.state == State.REVOKED:
            return coupon
        if coupon.state != State.USABLE:
            raise CouponGone
        coupon.state, coupon.revoked_at, coupon.revoke_reason = State.REVOKED, at, reason
        coupon.save(update_fields=["state", "revoked_at", "revoke_reason"])
        CouponSlot.objects.filter(coupon=coupon).update(coupon=None)
        detail = {"reason": coupon.revoke_reason, "owner": coupon.owner_id}
        record(action="marketing.coupon.revoke", at=at, actor=actor, target=coupon, detail=detail, address=address)
    return coupon


def _tie(coupon: Coupon, order_id: int, amount: Decimal, at: datetime) -> Coupon:
    coupon.state, coupon.order_id, coupon.used_at = State.USED, order_id, at
    coupon.save(update_fields=["state", "order_id", "used_at"])
    CouponUse.objects.create(coupon=coupon, order_id=order_id, amount=amount, at=at)
    return coupon


def _locked(coupon_id: int) -> Coupon:
    try:
        return lock_one(Coupon.objects.filter(pk=coupon_id))
    except Coupon.DoesNotExist as error:
        raise CouponNotFound from error


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("coupons are used in the transaction of their order")
