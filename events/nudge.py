"""A nudge tells a worker that the outbox has something. It may be lost: the sweep finds the row anyway."""

import kombu
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from kombu.pools import producers

from common.breaker import redis_breaker

TASK = "events.tasks.relay_events"
_quick = {"socket_timeout": settings.REDIS_TIMEOUT, "socket_connect_timeout": settings.REDIS_TIMEOUT}


def _connection() -> kombu.Connection:
    # A connection of its own: a worker's blocking reads must not inherit these short waits.
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, **_quick, "retry_on_timeout": False}
    return kombu.Connection(settings.CELERY_BROKER_URL, transport_options=options)


def nudge() -> None:
    """Ask for a relay round. Never raises and never waits longer than Redis' short timeout."""
    if redis_breaker.is_open:
        return
    try:
        with producers[_connection()].acquire(block=True, timeout=settings.REDIS_TIMEOUT) as producer:
            current_app.send_task(TASK, producer=producer, retry=False, ignore_result=True)
    except (OperationalError, OSError, kombu.exceptions.KombuError) as error:
        redis_breaker.failed(error)
