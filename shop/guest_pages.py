"""Pages that are the same for every stranger are kept for some seconds, one copy by storefront, language and theme."""

import hashlib
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from common import device
from shop.context import look

View = Callable[..., HttpResponse]


def kept_for_guests(view: View) -> View:
    """Answer strangers from the cache. The view's page must hold no form token, nonce or cookie.

    A stranger has neither a session nor a device: nothing that could be in a cart, in a message or in a name.
    """

    @wraps(view)
    def answered(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if not settings.GUEST_PAGE_SECONDS or not _is_stranger(request):
            return view(request, *args, **kwargs)
        name = _name(request)
        body = cache.get(name)
        if body is None:
            response = view(request, *args, **kwargs)
            if response.status_code == 200 and not response.cookies:
                cache.set(name, response.content, settings.GUEST_PAGE_SECONDS)
        else:
            response = HttpResponse(body)
        patch_vary_headers(response, ["Cookie"])
        return response

    return answered


def _is_stranger(request: HttpRequest) -> bool:
    known = {settings.SESSION_COOKIE_NAME, device.COOKIE, "messages"}
    return request.method == "GET" and not known & request.COOKIES.keys()


def _name(request: HttpRequest) -> str:
    chosen = look(request)
    address = hashlib.sha256(request.get_full_path().encode()).hexdigest()
    return f"page:{request.storefront.pk}:{chosen['html_lang']}:{chosen['theme']}:{address}"
