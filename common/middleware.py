"""Middleware that belongs to no room."""

from collections.abc import Callable

from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from common.addresses import client_address

Handler = Callable[[HttpRequest], HttpResponse]
_LANGUAGES = {code for code, _ in settings.LANGUAGES}


class ClientAddressMiddleware:
    """Sets `request.client_address`, the one place where it is decided."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.client_address = client_address(request)
        return self.get_response(request)


class LanguageMiddleware:
    """Chinese unless the visitor's cookie says otherwise.

    Django's own looks at Accept-Language too, which would make every cached page depend on a header of a thousand forms.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        language = chosen if chosen in _LANGUAGES else settings.LANGUAGE_CODE
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", language)
            return response


class AdminPolicyMiddleware:
    """The admin has a content security policy of its own; no page outside it gets its looser scripts. Inside CSPMiddleware."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.get_admin_response = csp(settings.ADMIN_CONTENT_SECURITY_POLICY)(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        inside = request.path_info.startswith(settings.ADMIN_PATH)
        return self.get_admin_response(request) if inside else self.get_response(request)
