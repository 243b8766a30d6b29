"""Closing the shop for maintenance."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from shop.views.errors import maintenance

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
