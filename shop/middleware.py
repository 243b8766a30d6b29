"""Closing the shop for maintenance, and requests that no page can mean."""

from collections.abc import Callable

from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse

from shop.views.errors import bad_request, maintenance

# Staff work on; money that gateways report is still taken; whoever looks after the machines still gets answers.
OPEN = ("/admin/", "/pay/notify/", "/healthz", "/readyz")


class MaintenanceMiddleware:
    """With MAINTENANCE on, every page answers 503 and says that nothing is lost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.MAINTENANCE and not request.path.startswith(OPEN):
            return maintenance(request)
        return self.get_response(request)


class NulMiddleware:
    """A NUL character cannot be stored in PostgreSQL. Forms refuse it; wherever else one comes through, in an address or
    a parameter, it is the caller's mistake and not ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DataError) and "NUL (0x00)" in str(exception):
            return bad_request(request)
        return None
