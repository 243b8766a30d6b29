from accounts.services.members import create_member, register
from accounts.services.staff import block, create_staff, set_rights, set_temporary_password, unblock

__all__ = ["block", "create_member", "create_staff", "register", "set_rights", "set_temporary_password", "unblock"]
