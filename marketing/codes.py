"""Coupons that lower rooms name by the code of their template: which of them there are not."""

from collections.abc import Iterable

from common.registries import set_code_keeper
from marketing.models import CouponTemplate


def unknown_templates(codes: Iterable[str]) -> set[str]:
    wanted = set(codes)
    return wanted - set(CouponTemplate.objects.filter(code__in=wanted).values_list("code", flat=True))


set_code_keeper("coupon", unknown_templates)
