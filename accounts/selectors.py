"""Reading about people."""

from django.db.models import QuerySet

from accounts.models import ApiToken, User


def member_named(username: str) -> User | None:
    """The member with exactly this user name, unless blocked."""
    return User.objects.filter(username=username.strip(), is_active=True).first()


def usable_tokens(user: User) -> QuerySet[ApiToken]:
    """The tokens that still speak for this member, newest first."""
    return user.api_tokens.filter(revoked_at=None, password_mark=user.password_mark).order_by("-pk")
