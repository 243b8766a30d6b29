from marketing.discounts import MEMBER, QUANTITY, Discount, PricedLine, Share
from marketing.selectors.books import audit_coupons
from marketing.selectors.coupons import (
    TABS,
    Offer,
    count_usable,
    coupon_for,
    coupons_of,
    figure,
    offers_for,
    scope_text,
    terms_text,
)
from marketing.selectors.rebates import audit_rebates, due_for, pay_date, rebate_progress, rebates_of
from marketing.selectors.taking import OnOffer, on_offer

__all__ = [
    "TABS",
    "figure",
    "MEMBER",
    "QUANTITY",
    "Discount",
    "Offer",
    "OnOffer",
    "PricedLine",
    "Share",
    "audit_coupons",
    "audit_rebates",
    "count_usable",
    "coupon_for",
    "coupons_of",
    "due_for",
    "offers_for",
    "on_offer",
    "pay_date",
    "rebate_progress",
    "rebates_of",
    "scope_text",
    "terms_text",
]
