from common.privacy import belongs, nobodys

nobodys(
    "offers of the shop",
    "marketing.CouponTemplate",
    "marketing.CouponSlot",
    "marketing.RebateProgram",
    "marketing.RebateStep",
)
belongs("marketing.Coupon", of="owner", keep=["public_id", "source_ref", "revoke_reason"])
belongs("marketing.CouponUse", of="coupon__owner", keep=["cause"])
belongs("marketing.Rebate", of="user", keep=["month", "steps"])
belongs("marketing.RebateCorrection", of="rebate__user")
