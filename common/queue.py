"""Handing a task to the workers after a commit. It may be lost: whoever sends one has a sweep that finds what was left."""

from typing import Any

import kombu
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from kombu.pools import producers

from common.breaker import redis_breaker

_quick = {
    "socket_timeout": settings.REDIS_TIMEOUT,
    "socket_connect_timeout": settings.REDIS_TIMEOUT,
    "retry_on_timeout": False,
    # Without it kombu goes on connecting for four seconds, 2 s apart.
    "max_retries": 0,
}


def _connection() -> kombu.Connection:
    # A connection of its own: a worker's blocking reads must not inherit these short waits.
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **_quick}
    return kombu.Connection(settings.CELERY_BROKER_URL, transport_options=options)


def send(task: str, *args: Any) -> None:
    """Queue the task of this name. Never raises and never waits longer than Redis' short timeout."""
    if redis_breaker.is_open:
        return
    try:
        with producers[_connection()].acquire(block=True, timeout=settings.REDIS_TIMEOUT) as producer:
            current_app.send_task(task, args=args, producer=producer, retry=False, ignore_result=True)
    except (OperationalError, OSError, kombu.exceptions.KombuError) as error:
        redis_breaker.failed(error)
