"""What staff do to accounts: block them, give a temporary password, and hand out rights.

Rights never grow sideways: whoever is no superuser touches no superuser and no colleague who holds more, and gives away
only groups whose permissions he holds himself. Everything is in the audit log.
"""

import secrets
from collections.abc import Iterable

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.exceptions import NotYours, NotYourself, RightsBeyondOwn, UserNotFound
from accounts.models import User
from accounts.names import plain_name
from audit.services import record
from common import clock
from common.locks import lock_one
from common.reasons import read_reason
from common.texts import listed
from tenancy.models import MAIN_ID

PASSWORD_BYTES = 9


def block(*, user_id: int, reason: str, actor: User, address: str | None = None) -> User:
    """Shut an account out: open sessions and tokens end with their next request. Locks the user.

    Raises UserNotFound, NotYourself, NotYours, ReasonNeeded.
    """
    return _set_active(False, user_id=user_id, reason=reason, actor=actor, address=address)


def unblock(*, user_id: int, reason: str, actor: User, address: str | None = None) -> User:
    """Let a blocked account in again. Locks the user; raises like `block`."""
    return _set_active(True, user_id=user_id, reason=reason, actor=actor, address=address)


def _set_active(active: bool, *, user_id: int, reason: str, actor: User, address: str | None) -> User:
    reason = read_reason(reason)
    with transaction.atomic():
        user = _locked(user_id, actor)
        if user.is_active == active:
            return user
        user.is_active = active
        user.save(update_fields=["is_active"])
        action = "user.unblock" if active else "user.block"
        record(action=action, at=clock.now(), actor=actor, target=user, detail={"reason": reason}, address=address)
    return user


def set_temporary_password(*, user_id: int, actor: User, address: str | None = None) -> str:
    """Give the account a random password and return it, for staff to read out once; all its sessions end.

    Locks the user. Raises UserNotFound, NotYourself, NotYours.
    """
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with transaction.atomic():
        user = _locked(user_id, actor)
        user.set_password(password)
        user.save(update_fields=["password", "password_changed_at"])
        record(action="user.reset_password", at=clock.now(), actor=actor, target=user, address=address)
    return password


def remove_factors(*, user_id: int, reason: str, actor: User, address: str | None = None) -> int:
    """Take all second factors off an account whose owner lost them; afterwards the password alone signs in.

    Locks the user. Returns how many there were. Raises UserNotFound, NotYourself, NotYours, ReasonNeeded.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        user = _locked(user_id, actor)
        count = Authenticator.objects.filter(user_id=user.pk).delete()[0]
        detail = {"reason": reason, "count": count}
        record(action="factor.lifted", at=clock.now(), actor=actor, target=user, detail=detail, address=address)
    return count


def set_rights(
    *,
    user_id: int,
    is_staff: bool,
    is_superuser: bool,
    group_ids: Iterable[int],
    actor: User,
    address: str | None = None,
) -> User:
    """Make somebody staff with these groups, or a member again. Locks the user.

    Who is not staff keeps no group. Raises UserNotFound, NotYourself, NotYours, RightsBeyondOwn.
    """
    wanted = list(Group.objects.filter(pk__in=list(group_ids)).order_by("name")) if is_staff else []
    with transaction.atomic():
        user = _locked(user_id, actor)
        is_superuser = is_staff and is_superuser
        if is_superuser != user.is_superuser and not actor.is_superuser:
            raise NotYours
        had = list(user.groups.order_by("name"))
        _check_within_own([group for group in wanted if group not in had], actor)
        before = _rights(user, had)
        user.is_staff, user.is_superuser = is_staff, is_superuser
        user.save(update_fields=["is_staff", "is_superuser"])
        user.groups.set(wanted)
        detail = {"before": before, "after": _rights(user, wanted)}
        record(action="user.rights", at=clock.now(), actor=actor, target=user, detail=detail, address=address)
    return user


def create_staff(
    *,
    username: str,
    password: str,
    display_name: str,
    group_ids: Iterable[int],
    actor: User,
    address: str | None = None,
) -> User:
    """A new account that may enter the admin with these groups.

    Raises NotYours, RightsBeyondOwn, and django's ValidationError for a name that is taken or malformed.
    """
    if not actor.has_perm("accounts.manage_staff"):
        raise NotYours
    with transaction.atomic():
        at = clock.now()
        user = User(
            username=plain_name(username), display_name=display_name, date_joined=at, home_storefront_id=MAIN_ID
        )
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save()
        record(action="user.create_staff", at=at, actor=actor, target=user, address=address)
        return set_rights(
            user_id=user.pk, is_staff=True, is_superuser=False, group_ids=group_ids, actor=actor, address=address
        )


def may_touch(user: User, actor: User) -> bool:
    """Whether `actor` outranks `user`: members are open to staff with the right permission, colleagues only to managers."""
    if actor.is_superuser or not user.is_staff:
        return True
    if user.is_superuser or not actor.has_perm("accounts.manage_staff"):
        return False
    return user.get_all_permissions() <= actor.get_all_permissions()


def _check_within_own(groups: list[Group], actor: User) -> None:
    """Raises RightsBeyondOwn for groups that hold more than `actor` does."""
    if actor.is_superuser:
        return
    own = actor.get_all_permissions()
    beyond = [
        group.name
        for group in groups
        if any(f"{one.content_type.app_label}.{one.codename}" not in own for one in _permissions(group))
    ]
    if beyond:
        raise RightsBeyondOwn(groups=listed(beyond))


def _permissions(group: Group) -> Iterable:
    return group.permissions.select_related("content_type")


def _rights(user: User, groups: list[Group]) -> dict:
    return {"staff": user.is_staff, "superuser": user.is_superuser, "groups": [group.name for group in groups]}


def _locked(user_id: int, actor: User) -> User:
    """The user, locked, when `actor` may act on somebody like that."""
    try:
        user = lock_one(User.objects.filter(pk=user_id))
    except User.DoesNotExist as error:
        raise UserNotFound from error
    if user.pk == actor.pk:
        raise NotYourself
    if not may_touch(user, actor):
        raise NotYours
    return user
