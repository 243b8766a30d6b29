"""People and rights in the admin. Loading this package registers them."""

from accounts.admin import groups, users

__all__ = ["groups", "users"]
