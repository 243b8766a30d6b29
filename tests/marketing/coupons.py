"""Coupons to test with."""

import itertools
from datetime import timedelta
from decimal import Decimal

from accounts.models import User
from common import clock
from marketing.models import Coupon, CouponTemplate
from marketing.services import issue_coupon, save_template

_numbers = itertools.count(1)


def template(off: str = "", *, rate: str = "", categories=(), products=(), **fields) -> CouponTemplate:
    """A template that takes off `off` yuan, or leaves `rate` of the price; for everything, claimable now, unless told."""
    number = next(_numbers)
    at = clock.now()
    made = CouponTemplate(
        **{
            "code": f"test-{number}",
            "name": f"测试券 {number}",
            "kind": CouponTemplate.Kind.RATE if rate else CouponTemplate.Kind.AMOUNT,
            "amount_off": None if rate else Decimal(off or "5.00"),
            "rate": Decimal(rate) if rate else None,
            "starts_at": at - timedelta(days=1),
            "valid_days": 30,
            **fields,
        }
    )
    made.full_clean(exclude=["created_at"])
    return save_template(template=made, categories=categories, products=products, actor=None)


def give(user: User, made: CouponTemplate | None = None, **fields) -> Coupon:
    """A coupon of the template (or of a new one) in the member's hands."""
    made = made or template(**fields)
    return issue_coupon(template_id=made.pk, user_id=user.pk, ref=f"test:{next(_numbers)}", at=clock.now())
