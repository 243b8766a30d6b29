from membership.selectors.earning import CheckInShown, check_in_shown
from membership.selectors.invites import Friend, InviteSums, invite_sums, invited_friends, inviter_of_code, masked
from membership.selectors.points import (
    PointsEnding,
    PointsShown,
    audit_points,
    member_points,
    points_balance,
    points_statement,
)
from membership.selectors.prices import HigherPrice, Ladder, MemberPrice, member_prices, price_ladder, rate_text
from membership.selectors.published import PublicRules, public_rules
from membership.selectors.rules import program_for
from membership.selectors.standing import Standing, member_decisions, member_standing
from membership.selectors.tasks import TaskList, TaskShownTo, member_tasks

__all__ = [
    "CheckInShown",
    "Friend",
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
    "invite_sums",
    "invited_friends",
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
    "program_for",
    "public_rules",
    "rate_text",
]
