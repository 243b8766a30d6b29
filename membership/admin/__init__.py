"""What operators see of membership."""

from membership.admin import (
    activity,
    birthdays,
    differences,
    earning,
    feedback,
    members,
    nudges,
    overrides,
    points,
    prices,
    rules,
    tiers,
    what_ifs,
)

__all__ = [
    "activity",
    "birthdays",
    "differences",
    "earning",
    "feedback",
    "members",
    "nudges",
    "overrides",
    "points",
    "prices",
    "rules",
    "tiers",
    "what_ifs",
]
