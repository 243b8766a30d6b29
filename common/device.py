"""A random name for a browser, kept in its cookie: it holds a guest's cart and opens the orders placed on it.

It is made only when something is to be kept, so that pages which only show things set no cookie.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from common.ids import PUBLIC_ID_LENGTH, public_id

COOKIE = "device"
MAX_AGE = 60 * 60 * 24 * 365
_SHAPE = re.compile(rf"[A-Za-z0-9_-]{{{PUBLIC_ID_LENGTH}}}", re.ASCII)


def device_of(request: HttpRequest) -> str:
    """The device's name, or "" for a browser that has none yet or sent something else."""
    made = getattr(request, "new_device", "")
    sent = request.COOKIES.get(COOKIE, "")
    return made or (sent if _SHAPE.fullmatch(sent) else "")


def ensure_device(request: HttpRequest) -> str:
    """The device's name, made now if there is none; the answer to this request carries the cookie."""
    known = device_of(request)
    if not known:
        known = request.new_device = public_id()
    return known


class DeviceMiddleware:
    """Sends the cookie for a device that was made during the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        made = getattr(request, "new_device", "")
        if made:
            response.set_cookie(
                COOKIE, made, max_age=MAX_AGE, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
            )
        return response
