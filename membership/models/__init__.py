from membership.models.activity import Activity, ActivityMark, ActivitySeen, Bucket, Total
from membership.models.members import MemberTier, Override, Recalculation, TierDecision, TierStay
from membership.models.points import EarningRules, PointsAccount, PointsDraw, PointsEntry, PointsLot, PointsRef
from membership.models.prices import ProductTierRate, SkuTierPrice
from membership.models.rules import Benefit, Program, RuleSetVersion, TierRule

__all__ = [
    "Activity",
    "ActivityMark",
    "ActivitySeen",
    "Benefit",
    "Bucket",
    "EarningRules",
    "MemberTier",
    "Override",
    "PointsAccount",
    "PointsDraw",
    "PointsEntry",
    "PointsLot",
    "PointsRef",
    "ProductTierRate",
    "Program",
    "Recalculation",
    "RuleSetVersion",
    "SkuTierPrice",
    "TierDecision",
    "TierRule",
    "TierStay",
    "Total",
]
