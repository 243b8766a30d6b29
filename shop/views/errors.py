"""Error pages: what happened and what to do next. They ask neither the database nor the session."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from shop.context import look

RETRY_SECONDS = 60


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 400, "errors/400.html")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, "errors/403.html")


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form token is missing or old: a tab left open over a sign-in, or cookies refused."""
    return _page(request, 403, "errors/403_form.html")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404, "errors/404.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """An unreachable database is an outage that passes, not a defect: say so and let machines retry."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return maintenance(request)
    return _page(request, 500, "errors/500.html")


def maintenance(request: HttpRequest) -> HttpResponse:
    response = _page(request, 503, "errors/503.html")
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def offline(request: HttpRequest) -> HttpResponse:
    """Kept by the service worker and shown when there is no network."""
    return _page(request, 200, "errors/offline.html")


def _page(request: HttpRequest, status: int, template: str) -> HttpResponse:
    context = {**look(request), "path": request.path}
    return HttpResponse(render_to_string(template, context), status=status, headers={"Cache-Control": "no-store"})
