"""Reading about people."""

from allauth.account.internal.userkit import filter_users_by_email, get_user_by_username
from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from accounts.exceptions import NoExport
from accounts.models import ApiToken, DataExport, Erasure, User
from accounts.names import plain_name


def member_named(username: str) -> User | None:
    """The member with exactly this user name, unless blocked."""
    return User.objects.filter(username=username.strip(), is_active=True).first()


def whoever_is_named(typed: str) -> User | None:
    """Whose password is asked for at a door where this was typed: found as the door itself finds them. Of several who gave
    the same unverified mail, the oldest."""
    name = plain_name(typed)
    by_mail = filter_users_by_email(name, prefer_verified=True, for_login=True) if "@" in name else []
    return min(by_mail, key=lambda user: user.pk, default=None) or get_user_by_username(name)


def usable_tokens(user: User) -> QuerySet[ApiToken]:
    """The tokens that still speak for this member, newest first."""
    return user.api_tokens.filter(revoked_at=None, password_mark=user.password_mark).order_by("-pk")


def staff_with(permission: str) -> QuerySet[User]:
    """Active staff who hold a right such as "orders.decide_dispute": by themselves, by a group, or as superusers."""
    app, codename = permission.split(".")
    right = Permission.objects.filter(content_type__app_label=app, codename=codename)
    holds = Q(is_superuser=True) | Q(user_permissions__in=right) | Q(groups__permissions__in=right)
    return User.objects.filter(holds, is_staff=True, is_active=True).distinct()


def is_alone(actor: User, permission: str) -> bool:
    """Whether a superuser has nobody to ask: no other has the right to agree."""
    return actor.is_superuser and not staff_with(permission).exclude(pk=actor.pk).exists()


def export_of(user: User) -> DataExport | None:
    """The newest copy of a member's data, made or being made; without its content."""
    return user.data_exports.defer("content").order_by("-pk").first()


def own_export(user: User, public_id: str, *, content: bool = False) -> DataExport:
    """The member's own copy with this id. Raises NoExport, for one of somebody else too."""
    found = user.data_exports.filter(public_id=public_id)
    made = found.first() if content else found.defer("content").first()
    if made is None:
        raise NoExport
    return made


def erasure_of(user: User) -> Erasure | None:
    """The wish to be forgotten that still waits."""
    return user.erasures.filter(state=Erasure.State.WAITING).first()
