from membership.selectors.decisions import (
    DecisionText,
    TierNews,
    decision_texts,
    decisions_of,
    member_decisions,
    tier_news,
)
from membership.selectors.differences import open_differences
from membership.selectors.earning import CheckInShown, check_in_shown
from membership.selectors.evaluations import decision_document, evaluated_tiers
from membership.selectors.invites import Friend, InviteSums, invite_sums, invited_friends, inviter_of_code, masked
from membership.selectors.leaving import Spent, spend_of, spent, with_leaving
from membership.selectors.nudges import Effect, nudge_choices, nudge_effects, shown_lately, streak_at_risk
from membership.selectors.perks import (
    NO_PERKS,
    Perks,
    Step,
    audit_perks,
    benefit_text,
    birthday_of,
    members_born_on,
    next_step,
    perks_for,
    perks_of_tier,
    with_priority,
)
from membership.selectors.points import (
    PointsEnding,
    PointsShown,
    audit_points,
    member_points,
    points_balance,
    points_statement,
)
from membership.selectors.prices import (
    HigherPrice,
    Ladder,
    MemberPrice,
    member_prices,
    price_ladder,
    prices_above,
    rate_text,
)
from membership.selectors.published import PublicRules, public_rules
from membership.selectors.rules import program_for
from membership.selectors.spending import counted_spend, own_programs
from membership.selectors.standing import Standing, has_heard_of, mark_of, member_standing, standing_mark
from membership.selectors.tasks import TaskList, TaskShownTo, member_tasks
from membership.selectors.what_ifs import WhatIfResult, latest_what_if, what_if_result

__all__ = [
    "TierNews",
    "has_heard_of",
    "tier_news",
    "mark_of",
    "standing_mark",
    "Effect",
    "nudge_choices",
    "nudge_effects",
    "shown_lately",
    "streak_at_risk",
    "CheckInShown",
    "DecisionText",
    "Spent",
    "decision_document",
    "decision_texts",
    "decisions_of",
    "spend_of",
    "spent",
    "with_leaving",
    "Friend",
    "NO_PERKS",
    "Perks",
    "Step",
    "audit_perks",
    "next_step",
    "benefit_text",
    "birthday_of",
    "members_born_on",
    "own_programs",
    "perks_for",
    "perks_of_tier",
    "with_priority",
    "HigherPrice",
    "InviteSums",
    "Ladder",
    "MemberPrice",
    "PointsEnding",
    "PointsShown",
    "PublicRules",
    "Standing",
    "TaskList",
    "TaskShownTo",
    "audit_points",
    "check_in_shown",
    "counted_spend",
    "invite_sums",
    "invited_friends",
    "evaluated_tiers",
    "inviter_of_code",
    "masked",
    "member_decisions",
    "member_points",
    "member_prices",
    "member_standing",
    "member_tasks",
    "points_balance",
    "points_statement",
    "price_ladder",
    "prices_above",
    "program_for",
    "public_rules",
    "rate_text",
    "WhatIfResult",
    "latest_what_if",
    "what_if_result",
    "open_differences",
]
