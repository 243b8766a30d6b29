"""Reading about people."""

from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from accounts.models import ApiToken, User


def member_named(username: str) -> User | None:
    """The member with exactly this user name, unless blocked."""
    return User.objects.filter(username=username.strip(), is_active=True).first()


def usable_tokens(user: User) -> QuerySet[ApiToken]:
    """The tokens that still speak for this member, newest first."""
    return user.api_tokens.filter(revoked_at=None, password_mark=user.password_mark).order_by("-pk")


def staff_with(permission: str) -> QuerySet[User]:
    """Active staff who hold a right such as "orders.refund_order", by themselves, by a group or as superusers."""
    app, codename = permission.split(".")
    held = {"content_type__app_label": app, "codename": codename}
    by_right = Q(user_permissions__in=Permission.objects.filter(**held)) | Q(
        groups__permissions__in=Permission.objects.filter(**held)
    )
    return User.objects.filter(Q(is_superuser=True) | by_right, is_active=True, is_staff=True).distinct()
