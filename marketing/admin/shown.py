"""Words and colours that the desk of coupons shares."""

from datetime import datetime

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from common.admin import chip
from marketing.models import Coupon, CouponTemplate

State = Coupon.State
TONES = {State.USABLE: "success", State.USED: "neutral", State.REVOKED: "danger"}


def coupon_chip(coupon: Coupon, at: datetime) -> SafeString:
    if coupon.state == State.USABLE and coupon.expires_at < at:
        return chip(_("已过期"), "warning")
    return chip(coupon.get_state_display(), TONES[State(coupon.state)])


def template_chip(template: CouponTemplate, at: datetime) -> SafeString:
    if not template.is_active:
        return chip(_("已停发"), "neutral")
    if template.starts_at > at:
        return chip(_("未开始"), "info")
    if template.ends_at is not None and template.ends_at <= at:
        return chip(_("已结束"), "neutral")
    return chip(_("发放中"), "success")
