"""Tiers, points and activity stay whole: they name nobody but a number. Words and days that somebody told us go."""

from django.db.models import Q

from common.privacy import belongs, nobodys

nobodys(
    "rules, prices, tasks and what staff try out",
    "membership.Program",
    "membership.RuleSetVersion",
    "membership.TierRule",
    "membership.Benefit",
    "membership.TierStay",
    "membership.Recalculation",
    "membership.ActivitySeen",
    "membership.PassOffer",
    "membership.CheckInReward",
    "membership.EarningRules",
    "membership.SkuTierPrice",
    "membership.ProductTierRate",
    "membership.Task",
    "membership.TaskArm",
    "membership.WhatIf",
    "membership.PointsRef",
)
belongs("membership.MemberTier", of="user", keep=["state", "evaluation"])
belongs("membership.TierDecision", of="member__user", keep=["activity_ref", "trace", "gap", "day"])
belongs("membership.Override", of="member__user", keep=["ref", "reason"])
belongs("membership.Difference", of="member__user", keep=["detail", "note"])
belongs(
    "membership.Activity",
    of="member__user",
    keep=["source_ref", "metric", "subject", "category", "reverses", "invalid_reason"],
)
belongs("membership.ActivityMark", of="member__user", keep=["ref", "reason"])
belongs("membership.Bucket", of="member__user", keep=["day", "metric", "category"])
belongs("membership.Total", of="member__user", keep=["metric", "category", "first_day"])
belongs("membership.Pass", of="user", keep=["public_id", "ref"])
belongs("membership.ActiveDay", of="user", keep=["day"])
belongs("membership.CheckIn", of="user", keep=["day"])
belongs("membership.EarningPreference", of="user")
belongs("membership.Feedback", of="user", keep=["public_id", "answer"], blank={"text": "（提交人已注销账户）"})
belongs("membership.InviteCode", of="user", remove=True)
belongs("membership.Referral", of=lambda user: Q(invitee=user) | Q(inviter=user))
belongs("membership.Nudge", of="user", keep=["public_id", "subject", "day"], blank={"detail": {}})
belongs("membership.Dwell", of="user", keep=["mark"])
belongs("membership.Birthday", of="user", remove=True)
belongs("membership.PointsBack", of="user", keep=["refunds"])
belongs("membership.PointsAccount", of="user")
belongs("membership.PointsEntry", of="account__user", keep=["ref", "reverses", "memo", "memo_en"])
belongs("membership.PointsLot", of="account__user")
belongs("membership.PointsDraw", of="lot__account__user")
belongs("membership.TaskProgress", of="user", keep=["window"])
belongs("membership.TaskStep", of="user", keep=["subject", "window"])
belongs("membership.TaskShown", of="user", keep=["day", "segment"])
