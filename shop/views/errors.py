"""Error pages: what happened and what to do next. They ask neither the database nor the session."""

import sys

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from common.api.errors import error_body
from shop.context import look

RETRY_SECONDS = 60
# What the API answers where its own handlers were not reached.
TOLD_PROGRAMS = {
    400: ("bad_request", _("请求无法读取")),
    403: ("permission_denied", _("没有权限执行此操作")),
    404: ("not_found", _("没有找到")),
    500: ("server_error", _("服务器出错，请稍后再试")),
    503: ("unavailable", _("服务暂时不可用，请稍后再试")),
}


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
    if request.path_info.startswith(settings.API_PATH):
        code, message = TOLD_PROGRAMS[status]
        return JsonResponse(error_body(code, message), status=status, headers={"Cache-Control": "no-store"})
    context = {**look(request), "path": request.path}
    return HttpResponse(render_to_string(template, context), status=status, headers={"Cache-Control": "no-store"})
