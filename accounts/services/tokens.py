"""Tokens for the API. Only their digests are stored: whoever reads the database cannot use them."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from accounts.exceptions import TokenUnknown, TooManyTokens
from accounts.models import ApiToken, User
from accounts.selectors import usable_tokens
from audit.services import record
from common import clock
from common.locks import lock_one

# So that a token found in a log or a repository is known for what it is.
PREFIX = "km_"
MOST = 20
# Noting every use would write a row with each request.
NOTE_USE_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class IssuedToken:
    """A new token. `text` is shown once and cannot be had again."""

    token: ApiToken
    text: str


def issue_token(*, user: User, name: str, address: str | None = None) -> IssuedToken:
    """Make a token for a member who has just shown the password. Locks the user. Raises TooManyTokens."""
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        at = clock.now()
        user = lock_one(User.objects.filter(pk=user.pk))
        if usable_tokens(user).count() >= MOST:
            raise TooManyTokens(most=MOST)
        token = ApiToken.objects.create(
            user=user, name=name, digest=_digest(text), password_mark=user.password_mark, created_at=at
        )
        record(action="token.issue", at=at, actor=user, target=token, address=address)
    return IssuedToken(token, text)


def revoke_token(*, user: User, public_id: str, address: str | None = None) -> None:
    """End one of the member's tokens. Raises TokenUnknown, for one that is already ended or somebody else's too."""
    with transaction.atomic():
        at = clock.now()
        token = user.api_tokens.filter(public_id=public_id, revoked_at=None).first()
        if token is None or not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=at):
            raise TokenUnknown
        record(action="token.revoke", at=at, actor=user, target=token, address=address)


def end_tokens(*, user: User, address: str | None = None) -> int:
    """End all of a member's tokens: what was made with the password alone does not outlive its sufficing. Returns how many."""
    with transaction.atomic():
        at = clock.now()
        ended = usable_tokens(user).update(revoked_at=at)
        if ended:
            record(action="token.end", at=at, actor=user, target=user, detail={"count": ended}, address=address)
    return ended


def live_token(text: str) -> ApiToken | None:
    """The token with whom it speaks for; None for one that is unknown or revoked, whose owner is blocked or has changed the
    password. Notes the use now and then.
    """
    token = ApiToken.objects.filter(digest=_digest(text), revoked_at=None).select_related("user").first()
    if token is None or not token.user.is_active or token.password_mark != token.user.password_mark:
        return None
    at = clock.now()
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=at - NOTE_USE_EVERY)
    if token.last_used_at is None or token.last_used_at < at - NOTE_USE_EVERY:
        with transaction.atomic():
            ApiToken.objects.filter(long_ago, pk=token.pk).update(last_used_at=at)
    return token


def _digest(text: str) -> str:
    # The token is 256 random bits: nothing slower is needed, and it is found by its index.
    return hashlib.sha256(text.encode()).hexdigest()
