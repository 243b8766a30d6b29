"""What monitors ask, with servers that are really stopped and frozen."""

import subprocess
import time
from datetime import timedelta

import pytest
from django.test import Client

from common import clock
from events.contracts import StockArrived
from events.models import Delivery, Event, Heartbeat
from events.services import beat_heart
from shop import probes
from tests.servers import RunningPostgres, RunningShop, RunningValkey, database_url


@pytest.fixture
def healthy(db):
    """The worker has just been heard of."""
    beat_heart(name="worker")


def ready(expected: int = 200) -> dict:
    answer = Client().get("/readyz")
    assert answer.status_code == expected
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def test_all_is_well(healthy):
    body = ready()
    assert body["status"] == "ok"
    assert body["checks"]["relay"] == {"status": "ok", "lag_seconds": 0, "parked": 0}
    assert body["checks"]["worker"] == {"status": "ok", "seconds_since_heartbeat": 0}


def test_a_monitor_may_ask_by_any_name_and_without_tls(settings, healthy):
    settings.ALLOWED_HOSTS = ["shop.example"]
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz"):
        answer = Client().get(path, headers={"host": "10.0.0.7:8000"})
        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"


def test_a_worker_never_heard_of_is_degraded(db):
    body = ready()
    assert body["status"] == "degraded"
    assert body["checks"]["worker"] == {"status": "degraded", "seconds_since_heartbeat": None}


def test_a_silent_worker_is_degraded(healthy):
    Heartbeat.objects.update(at=clock.now() - probes.WORKER_SILENT_AFTER - timedelta(seconds=1))
    body = ready()
    assert body["status"] == "degraded"
    assert body["checks"]["worker"]["seconds_since_heartbeat"] == 181


def event(age: timedelta) -> Event:
    return Event.objects.create(
        kind=StockArrived.kind, version=1, payload={}, occurred_at=clock.now() - age, fanned_out_at=None
    )


def test_an_event_that_nobody_relays_is_degraded(healthy):
    event(timedelta(minutes=4))
    body = ready()
    assert body["checks"]["relay"] == {"status": "degraded", "lag_seconds": 240, "parked": 0}
    Event.objects.update(occurred_at=clock.now() - timedelta(minutes=1))
    assert ready()["status"] == "ok"


def test_a_delivery_that_is_long_due_or_parked_is_degraded(healthy):
    fact = event(timedelta(hours=1))
    Event.objects.update(fanned_out_at=clock.now())
    delivery = Delivery.objects.create(event=fact, subscriber="somebody", not_before=clock.now() + timedelta(hours=1))
    assert ready()["status"] == "ok"
    Delivery.objects.update(not_before=clock.now() - timedelta(minutes=5))
    assert ready()["checks"]["relay"]["lag_seconds"] == 300
    delivery.state = Delivery.State.PARKED
    delivery.save()
    assert ready()["checks"]["relay"] == {"status": "degraded", "lag_seconds": 0, "parked": 1}


@pytest.mark.django_db
def test_the_process_is_alive_without_asking_the_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert answer.json() == {"status": "ok"}


def copy_tables(postgres: RunningPostgres) -> None:
    """The tables and rows that the migrations made in the database of the tests; migrating again takes half a minute."""
    tools = postgres.postgres.bin
    dump = subprocess.run([tools / "pg_dump", "--no-owner", database_url()], capture_output=True, check=True).stdout
    psql = [tools / "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", postgres.url]
    subprocess.run(psql, input=dump, stdout=subprocess.DEVNULL, check=True)


@pytest.mark.full
def test_servers_that_stop_freeze_and_come_back(tmp_path, db):
    with RunningPostgres(tmp_path / "postgres") as postgres, RunningValkey(tmp_path / "valkey") as valkey:
        environment = {"KAMENG_ENV": "test", "DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        copy_tables(postgres)
        with RunningShop(tmp_path, **environment) as shop:

            def states() -> tuple[int, dict[str, str]]:
                assert shop.get("/healthz").json() == {"status": "ok"}
                answer = shop.get("/readyz")
                return answer.status_code, {name: one["status"] for name, one in answer.json()["checks"].items()}

            ok = {"database": "ok", "redis": "ok", "worker": "degraded", "relay": "ok"}
            assert states() == (200, ok)
            valkey.freeze()
            began = time.monotonic()
            assert states() == (200, {**ok, "redis": "degraded"})
            assert shop.get("/").status_code == 200
            assert time.monotonic() - began < 5
            valkey.thaw()
            valkey.stop()
            assert states() == (200, {**ok, "redis": "degraded"})
            valkey.start()
            assert states() == (200, ok)

            postgres.stop()
            assert states() == (503, {"database": "unavailable", "redis": "ok"})
            page = shop.get("/")
            assert page.status_code == 503
            assert page.headers["Retry-After"]
            postgres.start()
            assert states() == (200, ok)
            assert shop.get("/").status_code == 200
