"""Writes about people."""

from django.db import transaction

from accounts.models import User
from accounts.names import plain_name
from audit.services import record
from common import clock
from events.contracts import UserRegistered
from events.services import emit

MAX_CODE = 20


def register(*, user: User, storefront_id: int, invite_code: str = "") -> User:
    """Save a new, unsaved user who registered through a storefront, and tell the other rooms.

    `invite_code` is passed on as it came, if it is text at all (a forged cookie may hold a NUL, which no database keeps):
    who it belongs to is for those to say who made it.
    """
    with transaction.atomic():
        at = clock.now()
        user.date_joined = at
        user.home_storefront_id = storefront_id
        user.save()
        code = invite_code[:MAX_CODE] if invite_code.isprintable() else ""
        told = UserRegistered(user_id=user.pk, storefront_id=storefront_id, registered_at=at, invite_code=code)
        emit(told, at=at)
    return user


def note_own_password(*, user: User, address: str | None = None) -> None:
    """Write down that an account's owner has chosen its password: from then on it is nobody else's."""
    with transaction.atomic():
        record(action="user.own_password", at=clock.now(), actor=user, target=user, address=address)


def create_member(
    *,
    username: str,
    password: str,
    storefront_id: int,
    email: str = "",
    display_name: str = "",
    invite_code: str = "",
) -> User:
    """Register somebody by name and password. Raises django's ValidationError for a name that is taken or malformed."""
    user = User(username=plain_name(username), email=email, display_name=display_name, home_storefront_id=storefront_id)
    user.set_password(password)
    user.date_joined = clock.now()
    user.full_clean(exclude=["password"])
    return register(user=user, storefront_id=storefront_id, invite_code=invite_code)
