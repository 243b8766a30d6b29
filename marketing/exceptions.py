from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, NotFound


class CouponNotFound(NotFound):
    code = "coupon_not_found"
    message = _("没有找到这张优惠券")


class TemplateNotFound(NotFound):
    code = "coupon_template_not_found"
    message = _("没有找到这个优惠券活动")


class CouponUnusable(Conflict):
    """The coupon does not fit this order; the message says why."""

    code = "coupon_unusable"
    message = _("这张优惠券不能用于当前订单：%(reason)s")


class CouponGone(Conflict):
    """Used, revoked or expired since it was last looked at."""

    code = "coupon_gone"
    message = _("这张优惠券已使用或已失效，请重新选择")


class NotClaimable(Conflict):
    """Nobody, or not this member, can take this coupon now."""

    code = "coupon_not_claimable"
    message = _("现在不能领取这张优惠券")


class CouponsSoldOut(Conflict):
    code = "coupons_sold_out"
    message = _("优惠券已被领完")


class CouponLimitReached(Conflict):
    code = "coupon_limit_reached"
    message = _("每人限领 %(limit)s 张，你已领满")


class RefReused(Conflict):
    """One reference named two different coupons."""

    code = "coupon_ref_reused"
    message = _("这个请求已用于另一张优惠券")


class TermsAreFixed(Conflict):
    code = "coupon_terms_fixed"
    message = _("已有会员持有这张优惠券，优惠内容不能再改；请停发后另建一张")


class LimitBelowIssued(BadInput):
    code = "coupon_limit_below_issued"
    message = _("总量不能少于已发放的 %(issued)s 张")


class RatesDoNotRise(BadInput):
    code = "rebate_rates_do_not_rise"
    message = _("至少一档；金额和比例要逐档升高，比例大于 0、不超过 100%")


class NoOwnProgram(BadInput):
    code = "rebate_storefront_without_program"
    message = _("这个分站没有自己的会员计划，不能单独计算有效消费；请留空店铺")


class ProgramsOverlap(Conflict):
    code = "rebate_programs_overlap"
    message = _("同一店铺、同一会员组已有时间重叠的返利计划")


class MonthNotOver(Conflict):
    code = "rebate_month_not_over"
    message = _("这个月还没有结束，不能发放")
