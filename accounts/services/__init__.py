from accounts.services.members import create_member, register
from accounts.services.signing_in import count_try, forgive_try
from accounts.services.staff import block, create_staff, set_rights, set_temporary_password, unblock
from accounts.services.tokens import IssuedToken, issue_token, revoke_token, user_of_token

__all__ = [
    "IssuedToken",
    "block",
    "count_try",
    "create_member",
    "create_staff",
    "forgive_try",
    "issue_token",
    "register",
    "revoke_token",
    "set_rights",
    "set_temporary_password",
    "unblock",
    "user_of_token",
]
