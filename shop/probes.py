"""What load balancers and monitors ask: is the process alive, can it serve, what are its figures?

A middleware before all others, not two views: an answer about the database must not depend on it by way of sessions,
and a monitor asks by the machine's address, which is no name of the shop's.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare

from common import clock
from common.metrics import CONTENT_TYPE, exposition
from events.selectors import parked_count, relay_lag, silence_of

logger = logging.getLogger(__name__)

# The worker notes its heartbeat twice a minute; events are relayed at once, at the latest by the sweep of each minute.
WORKER_SILENT_AFTER = timedelta(minutes=3)
RELAY_LATE_AFTER = timedelta(minutes=3)
OK, DEGRADED, UNAVAILABLE = "ok", "degraded", "unavailable"


class ProbeMiddleware:
    """Answers /healthz, /readyz and /metrics at once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == METRICS and _may_measure(request):
            return metrics()
        answer = PROBES.get(request.path)
        return self.get_response(request) if answer is None else answer()


def healthz() -> HttpResponse:
    """The process answers. Nothing else is asked, so that a sick database does not restart healthy processes."""
    return _answer({"status": OK})


def readyz() -> HttpResponse:
    """503 only without the database: everything else can be missing while people go on buying."""
    checks = {"database": _database(), "redis": _redis()}
    if checks["database"]["status"] == OK:
        checks |= _background()
    states = {check["status"] for check in checks.values()}
    status = next(state for state in (UNAVAILABLE, DEGRADED, OK) if state in states)
    return _answer({"status": status, "checks": checks}, 503 if status == UNAVAILABLE else 200)


def metrics() -> HttpResponse:
    """Figures of all rooms for Prometheus; 503 without the database."""
    try:
        with transaction.atomic():
            body = exposition()
    except (DatabaseError, InterfaceError) as error:
        logger.error("figures cannot be read: %s", type(error).__name__)
        return _answer({"status": UNAVAILABLE}, 503)
    return HttpResponse(body, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _may_measure(request: HttpRequest) -> bool:
    """Whoever knows the token. To others, and where none is set, there is no such page."""
    token, given = settings.METRICS_TOKEN, request.headers.get("Authorization", "")
    return bool(token) and constant_time_compare(given, f"Bearer {token}")


METRICS = "/metrics"
PROBES = {"/healthz": healthz, "/readyz": readyz}


def _answer(body: dict, status: int = 200) -> HttpResponse:
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def _database() -> dict:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:
        logger.error("the database does not answer: %s", type(error).__name__)
        return {"status": UNAVAILABLE}
    return {"status": OK}


@lru_cache(maxsize=1)
def _redis_client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=settings.REDIS_TIMEOUT,
        socket_connect_timeout=settings.REDIS_TIMEOUT,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )


def _redis() -> dict:
    try:
        _redis_client().ping()
    except (redis.exceptions.RedisError, OSError):
        return {"status": DEGRADED}
    return {"status": OK}


def _background() -> dict[str, dict]:
    try:
        with transaction.atomic():
            at = clock.now()
            silence, lag, parked = silence_of("worker", at=at), relay_lag(at=at), parked_count()
    except (DatabaseError, InterfaceError) as error:
        logger.error("the outbox cannot be read: %s", type(error).__name__)
        return {"worker": {"status": DEGRADED}, "relay": {"status": DEGRADED}}
    silent = silence is None or silence > WORKER_SILENT_AFTER
    return {
        "worker": {
            "status": DEGRADED if silent else OK,
            "seconds_since_heartbeat": None if silence is None else int(silence.total_seconds()),
        },
        "relay": {
            "status": DEGRADED if lag > RELAY_LATE_AFTER or parked else OK,
            "lag_seconds": int(lag.total_seconds()),
            "parked": parked,
        },
    }
