"""Second factors in the audit log, what adding one means for the session in which it was added, and passwords set by mail.

django-allauth tells of them by signals and in no other way.
"""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.signals import password_reset
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.models import User
from accounts.services import unlock_owner
from audit.services import record
from common import clock


@receiver(signals.authenticator_added)
def note_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note("factor.added", request, user, authenticator)
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        # Its first code or signature has just been given: nobody is asked for a second one at once.
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)


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


def _note(action: str, request: HttpRequest, user: User, authenticator: Authenticator) -> None:
    record(
        action=action,
        at=clock.now(),
        actor=user,
        target=user,
        detail={"kind": str(authenticator.type)},
        address=request.client_address,
    )
