"""Middleware that belongs to no room."""

from collections.abc import Callable

from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from common import clock
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


class OneMomentMiddleware:
    """Pages that only read ask the database for the time once."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        with clock.one_moment():
            return self.get_response(request)


class LanguageMiddleware:
    """Chinese unless the visitor's cookie says otherwise. Programs, which keep no cookies, may say it in Accept-Language.

    For pages that header does not count: it has a thousand forms, and every cached page would depend on it.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for_program = request.path_info.startswith(settings.API_PATH)
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if chosen in _LANGUAGES:
            language = chosen
        elif for_program:
            language = translation.get_language_from_request(request)
        else:
            language = settings.LANGUAGE_CODE
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", language)
            if for_program:
                patch_vary_headers(response, ["Accept-Language", "Cookie"])
            return response


class AdminPolicyMiddleware:
    """The admin has a content security policy of its own; no page outside it gets its looser scripts. Inside CSPMiddleware."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.get_admin_response = csp(settings.ADMIN_CONTENT_SECURITY_POLICY)(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        inside = request.path_info.startswith(settings.ADMIN_PATH)
        return self.get_admin_response(request) if inside else self.get_response(request)
