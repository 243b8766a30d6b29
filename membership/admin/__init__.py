"""What operators see of membership."""

from membership.admin import activity, members, prices, rules

__all__ = ["activity", "members", "prices", "rules"]
