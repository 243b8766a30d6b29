from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenancy.selectors import storefront_for_host


class StorefrontMiddleware:
    """Sets `request.storefront` from the host."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.storefront = storefront_for_host(request.get_host())
        return self.get_response(request)
