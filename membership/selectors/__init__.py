from membership.selectors.prices import MemberPrice, member_prices
from membership.selectors.rules import program_for

__all__ = [
    "MemberPrice",
    "member_prices",
    "program_for",
]
