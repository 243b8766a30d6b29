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

__all__ = [
    "HigherPrice",
    "Ladder",
    "MemberPrice",
    "PointsEnding",
    "PointsShown",
    "PublicRules",
    "Standing",
    "audit_points",
    "member_decisions",
    "member_points",
    "member_prices",
    "member_standing",
    "points_balance",
    "points_statement",
    "price_ladder",
    "program_for",
    "public_rules",
    "rate_text",
]
