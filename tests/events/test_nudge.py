"""A nudge reaches a worker's queue, or gives up at once: no buyer waits for Redis."""

import time

import pytest
import redis
from celery import current_app
from django.db import transaction

from common import clock
from common.breaker import redis_breaker
from events import services
from events.contracts import StockArrived
from events.models import Event
from events.nudge import nudge
from launcher import machine
from tests.servers import RunningValkey


@pytest.fixture(autouse=True)
def closed_breaker():
    redis_breaker.succeeded()
    yield
    redis_breaker.succeeded()


@pytest.fixture
def broker(tmp_path, settings):
    with RunningValkey(tmp_path) as valkey:
        settings.CELERY_BROKER_URL = valkey.url
        yield valkey


def queued(broker: RunningValkey) -> int:
    return redis.Redis.from_url(broker.url).llen(current_app.conf.task_default_queue)


def seconds(call) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_it_puts_one_task_into_the_queue(broker):
    nudge()
    nudge()
    assert queued(broker) == 2
    assert not redis_breaker.is_open


def test_refused(settings):
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{machine.free_port()}/0"
    assert seconds(nudge) < 1
    assert redis_breaker.is_open
    assert seconds(nudge) < 0.05


def test_frozen_and_back(broker):
    nudge()
    broker.freeze()
    assert seconds(nudge) < 1
    assert redis_breaker.is_open
    assert seconds(lambda: [nudge() for _ in range(100)]) < 0.1
    broker.thaw()
    redis_breaker.succeeded()
    nudge()
    assert not redis_breaker.is_open
    assert queued(broker) >= 2


def test_flushed(broker):
    nudge()
    redis.Redis.from_url(broker.url).flushall()
    nudge()
    assert queued(broker) == 1


@pytest.mark.django_db(transaction=True)
def test_the_fact_is_kept_when_the_nudge_is_lost(broker):
    at = clock.now()
    broker.freeze()

    def sell():
        with transaction.atomic():
            services.emit(StockArrived(sku_id=1, added=1, arrived_at=at), at=at)

    assert seconds(sell) < 1
    assert Event.objects.count() == 1
