"""People and rights in the admin. Loading this package registers them."""

from accounts.admin import groups, leaving, sign_ins, users

__all__ = ["groups", "leaving", "sign_ins", "users"]
