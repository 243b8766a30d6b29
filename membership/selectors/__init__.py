from membership.selectors.prices import HigherPrice, Ladder, MemberPrice, member_prices, price_ladder
from membership.selectors.published import PublicRules, public_rules
from membership.selectors.rules import program_for
from membership.selectors.standing import Standing, member_decisions, member_standing

__all__ = [
    "HigherPrice",
    "Ladder",
    "MemberPrice",
    "PublicRules",
    "Standing",
    "member_decisions",
    "member_prices",
    "member_standing",
    "price_ladder",
    "program_for",
    "public_rules",
]
