from membership.selectors.prices import MemberPrice, member_prices, prices_of_rank
from membership.selectors.published import PublicRules, public_rules
from membership.selectors.rules import program_for
from membership.selectors.standing import Standing, member_decisions, member_standing

__all__ = [
    "MemberPrice",
    "PublicRules",
    "Standing",
    "member_decisions",
    "member_prices",
    "member_standing",
    "prices_of_rank",
    "program_for",
    "public_rules",
]
