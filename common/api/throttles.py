import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from common.addresses import counted_as

WINDOW = 60


class CallsThrottle(BaseThrottle):
    """How many calls a minute a member, or a stranger's address, may make (API_CALLS_PER_MINUTE, 0 for any number).

    Spares the machine and is counted in the cache: while Redis is down everybody passes. What must not be guessed has
    limits of its own (audit.services.take).
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        most = settings.API_CALLS_PER_MINUTE
        if not most:
            return True
        user = request.user
        caller = f"user:{user.pk}" if user and user.is_authenticated else counted_as(request.client_address)
        name = f"calls:{caller}:{int(time.time()) // WINDOW}"
        if cache.add(name, 1, 2 * WINDOW):
            return True
        try:
            return cache.incr(name) <= most
        except ValueError:  # gone between the two calls
            return True

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW
