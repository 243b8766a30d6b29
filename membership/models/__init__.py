from membership.models.activity import Activity, ActivityMark, ActivitySeen, Bucket, Total
from membership.models.earning import ActiveDay, CheckIn, CheckInReward, EarningPreference
from membership.models.feedback import Feedback
from membership.models.invites import InviteCode, Referral
from membership.models.members import Difference, MemberTier, Override, Recalculation, TierDecision, TierStay
from membership.models.nudges import Dwell, Nudge
from membership.models.passes import Pass, PassOffer
from membership.models.perks import Birthday, PointsBack
from membership.models.points import EarningRules, PointsAccount, PointsDraw, PointsEntry, PointsLot, PointsRef
from membership.models.prices import ProductTierRate, SkuTierPrice
from membership.models.rules import Benefit, Program, RuleSetVersion, TierRule
from membership.models.tasks import Task, TaskArm, TaskProgress, TaskShown, TaskStep
from membership.models.what_if import WhatIf

__all__ = [
    "ActiveDay",
    "Activity",
    "ActivityMark",
    "ActivitySeen",
    "Benefit",
    "Birthday",
    "Bucket",
    "Difference",
    "CheckIn",
    "CheckInReward",
    "Dwell",
    "EarningPreference",
    "EarningRules",
    "Feedback",
    "InviteCode",
    "MemberTier",
    "Nudge",
    "Override",
    "Pass",
    "PassOffer",
    "PointsAccount",
    "PointsBack",
    "PointsDraw",
    "PointsEntry",
    "PointsLot",
    "PointsRef",
    "ProductTierRate",
    "Program",
    "Recalculation",
    "Referral",
    "RuleSetVersion",
    "SkuTierPrice",
    "Task",
    "TaskArm",
    "TaskProgress",
    "TaskShown",
    "TaskStep",
    "TierDecision",
    "TierRule",
    "TierStay",
    "Total",
    "WhatIf",
]
