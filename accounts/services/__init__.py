from accounts.services.codes import check_code, check_new_app, factors_of, has_second_factor, has_typed_factor
from accounts.services.locking import unlock, unlock_owner
from accounts.services.members import create_member, note_own_password, register
from accounts.services.signing_in import (
    check_password_again,
    count_again,
    count_try,
    forgive_again,
    forgive_try,
    note_wrong_try,
)
from accounts.services.staff import block, create_staff, remove_factors, set_rights, set_temporary_password, unblock
from accounts.services.tokens import IssuedToken, end_tokens, issue_token, live_token, revoke_token

__all__ = [
    "IssuedToken",
    "block",
    "check_code",
    "check_new_app",
    "check_password_again",
    "count_again",
    "count_try",
    "create_member",
    "create_staff",
    "end_tokens",
    "factors_of",
    "forgive_again",
    "forgive_try",
    "has_second_factor",
    "has_typed_factor",
    "issue_token",
    "live_token",
    "note_own_password",
    "note_wrong_try",
    "register",
    "remove_factors",
    "revoke_token",
    "set_rights",
    "set_temporary_password",
    "unblock",
    "unlock",
    "unlock_owner",
]
