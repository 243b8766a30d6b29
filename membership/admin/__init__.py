"""What operators see of membership."""

from membership.admin import activity, earning, feedback, members, points, prices, rules

__all__ = ["activity", "earning", "feedback", "members", "points", "prices", "rules"]
