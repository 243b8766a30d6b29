from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenancy.selectors import storefront_for_host

PROBES = ("/healthz", "/readyz")


class StorefrontMiddleware:
    """Sets `request.storefront` from the host. Probes go without: they must answer when the database does not."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path not in PROBES:
            request.storefront = storefront_for_host(request.get_host())
        return self.get_response(request)
