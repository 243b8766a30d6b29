import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from audit.services import Limit, take
from common import clock
from common.addresses import counted_as
from common.breaker import redis_breaker
from common.exceptions import TooManyRequests

WINDOW = 60


class CallsThrottle(BaseThrottle):
    """How many calls a minute a member, or a stranger's address, may make (API_CALLS_PER_MINUTE, 0 for any number).

    Spares the machine, so it is counted in the cache; while Redis is down in the database, at the price of a write a call.
    """

    seconds = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        most = settings.API_CALLS_PER_MINUTE
        if not most:
            return True
        user = request.user
        caller = f"user:{user.pk}" if user and user.is_authenticated else counted_as(request.client_address)
        count = _counted(f"calls:{caller}:{int(time.time()) // WINDOW}")
        if count is None:
            return self._take(caller, most)
        self.seconds = WINDOW - time.time() % WINDOW
        return count <= most

    def _take(self, caller: str, most: int) -> bool:
        limit = Limit("api calls", burst=most, every=timedelta(seconds=WINDOW / most))
        try:
            take(limit, subject=caller, at=clock.now())
        except TooManyRequests as refusal:
            self.seconds = refusal.params["seconds"]
            return False
        return True

    def wait(self) -> float:
        return self.seconds


def _counted(name: str) -> int | None:
    """How many calls there were in this window, this one too; None while Redis is down."""
    is_first = cache.add(name, 1, 2 * WINDOW)
    try:
        count = 1 if is_first else cache.incr(name)
    except ValueError:  # gone between the two calls
        count = 1
    return None if redis_breaker.is_open else count
