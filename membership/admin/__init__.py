"""What operators see of membership."""

from membership.admin import activity, members, points, prices, rules

__all__ = ["activity", "members", "points", "prices", "rules"]
