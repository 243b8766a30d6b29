"""Reading about people."""

from django.db.models import QuerySet

from accounts.models import ApiToken, User


def usable_tokens(user: User) -> QuerySet[ApiToken]:
    """The tokens that still speak for this member, newest first."""
    return user.api_tokens.filter(revoked_at=None, password_mark=user.password_mark).order_by("-pk")
