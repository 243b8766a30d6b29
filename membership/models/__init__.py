from membership.models.activity import Activity, ActivitySeen, Bucket, Total
from membership.models.members import MemberTier, Recalculation, TierDecision
from membership.models.prices import ProductTierRate, SkuTierPrice
from membership.models.rules import Benefit, Program, RuleSetVersion, TierRule

__all__ = [
    "Activity",
    "ActivitySeen",
    "Benefit",
    "Bucket",
    "MemberTier",
    "ProductTierRate",
    "Program",
    "Recalculation",
    "RuleSetVersion",
    "SkuTierPrice",
    "TierDecision",
    "TierRule",
    "Total",
]
