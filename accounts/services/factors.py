"""What an open session and the password do not reach: acts for which whoever has a second factor shows it.

allauth asks again who somebody is and takes any one way; accounts.adapter takes the password from among them for these
members. What is here is for pages of other rooms.
"""

import time
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from accounts.services.codes import has_second_factor

CODE, PASSKEY = "code", "passkey"


def shown_lately(request: HttpRequest) -> str:
    """With what this session has just shown its second factor when asked again: "code", "passkey", "" for not at all."""
    shown = [one for one in get_authentication_records(request, request.user) if one.get("reauthenticated")]
    if (
        not shown
        or shown[-1]["method"] != "mfa"
        or time.time() - shown[-1]["at"] >= app_settings.REAUTHENTICATION_TIMEOUT
    ):
        return ""
    return PASSKEY if shown[-1].get("type") == Authenticator.Type.WEBAUTHN else CODE


def factor_missing(request: HttpRequest) -> bool:
    """Whether the member has a second factor and has not just shown it."""
    return has_second_factor(request.user) and not shown_lately(request)


def ask_factor(request: HttpRequest, come_back: str) -> HttpResponse:
    """To where it is shown. Nothing that was posted is kept."""
    ways = get_adapter(request).get_reauthentication_methods(request.user)
    return HttpResponseRedirect(f"{ways[0]['url']}?{urlencode({'next': come_back})}")


def factor_first(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page that whoever has a second factor opens by showing it. Strangers are the view's to judge."""

    @wraps(view)
    def asked(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if request.user.is_authenticated and factor_missing(request):
            return ask_factor(request, request.get_full_path())
        return view(request, *args, **kwargs)

    return asked
