from marketing.models.coupons import Coupon, CouponSlot, CouponTemplate, CouponUse
from marketing.models.rebates import Rebate, RebateCorrection, RebateProgram, RebateStep

__all__ = [
    "Coupon",
    "CouponSlot",
    "CouponTemplate",
    "CouponUse",
    "Rebate",
    "RebateCorrection",
    "RebateProgram",
    "RebateStep",
]
