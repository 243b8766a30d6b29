"""Second factors in the audit log, what adding one means for the session in which it was added, and passwords set by mail.

django-allauth tells of them by signals and in no other way.
"""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.signals import password_changed, password_reset, password_set
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts.models import User
from accounts.services import end_tokens, factors_of, note_own_password, unlock_owner
from audit.services import record
from common import clock


@receiver(signals.authenticator_added)
def note_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note("factor.added", request, user, authenticator)
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        # Its first code or signature has just been given: nobody is asked for a second one at once.
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
        _end_tokens_of_the_password(request, user, authenticator)


def _end_tokens_of_the_password(request: HttpRequest, user: User, added: Authenticator) -> None:
    """Before the first factor the password alone made tokens; after it, none without a code."""
    if factors_of(user).exclude(pk=added.pk).exists():
        return
    ended = end_tokens(user=user, address=request.client_address)
    if ended:
        text = ngettext(
            "之前只凭密码创建的 %(count)s 个 API 令牌已停用，需要时请重新创建",
            "之前只凭密码创建的 %(count)s 个 API 令牌已停用，需要时请重新创建",
            ended,
        )
        messages.warning(request, text % {"count": ended})


@receiver(signals.authenticator_removed)
def note_removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note("factor.removed", request, user, authenticator)


@receiver(signals.authenticator_reset)
def note_reset(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note("factor.reset", request, user, authenticator)


@receiver(password_reset)
def open_doors(user: User, **kwargs: Any) -> None:
    """A password set through a mail proves more than any number of wrong ones disproves."""
    unlock_owner(user=user)


@receiver([password_changed, password_set, password_reset])
def note_password(request: HttpRequest, user: User, **kwargs: Any) -> None:
    note_own_password(user=user, address=request.client_address)


def _note(action: str, request: HttpRequest, user: User, authenticator: Authenticator) -> None:
    record(
        action=action,
        at=clock.now(),
        actor=user,
        target=user,
        detail={"kind": str(authenticator.type)},
        address=request.client_address,
    )
