"""What both doors, the shop's and the admin's, answer to somebody who tries too often or shows too little."""

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _

from accounts.exceptions import PuzzleNeeded, SignInLocked
from accounts.services import has_second_factor, has_typed_factor
from common.exceptions import TooManyRequests

TOO_OFTEN = {TooManyRequests.code, SignInLocked.code, PuzzleNeeded.code}


class SignInLimitMiddleware:
    """A sign-in form that the limit refused is a 429 with Retry-After, so that proxies and programs see it too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(self, request: HttpRequest, response: TemplateResponse) -> TemplateResponse:
        form = (response.context_data or {}).get("form")
        if request.method == "POST" and hasattr(form, "errors"):
            for error in [one for found in form.errors.as_data().values() for one in found]:
                if error.code in TOO_OFTEN:
                    response.status_code = TooManyRequests.status
                    response["Retry-After"] = str(error.params["seconds"])
        return response


class PrivateAccountMiddleware:
    """What the account pages show is kept by no cache, not even the browser's; allauth says so for some of them only."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(settings.ACCOUNT_PATH):
            patch_cache_control(response, no_store=True, private=True)
        return response


class DeskFactorMiddleware:
    """Behind the admin's door a session must have shown a second factor, where STAFF_SECOND_FACTOR says so.

    Whoever has none yet is led to where one is added, and comes in with it: a new member of staff shuts nobody out.
    """

    OPEN = ("login/", "logout/", "jsi18n/")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not settings.STAFF_SECOND_FACTOR or not request.path_info.startswith(settings.ADMIN_PATH):
            return self.get_response(request)
        user, rest = request.user, request.path_info.removeprefix(settings.ADMIN_PATH)
        if not user.is_authenticated or not user.is_staff or rest in self.OPEN or has_shown_factor(request):
            return self.get_response(request)
        if not has_second_factor(user):
            messages.warning(request, _("后台要求两步验证：请先添加验证器或通行密钥，然后即可进入"))
            return HttpResponseRedirect(reverse("mfa_index"))
        page = "mfa_reauthenticate" if has_typed_factor(user) else "mfa_reauthenticate_webauthn"
        return HttpResponseRedirect(f"{reverse(page)}?{urlencode({'next': request.get_full_path()})}")


def has_shown_factor(request: HttpRequest) -> bool:
    """Whether this session gave a code or a passkey's signature, at sign-in or later."""
    return any(one.get("method") == "mfa" for one in get_authentication_records(request, request.user))
