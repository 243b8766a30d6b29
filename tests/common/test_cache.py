"""A cache that forgives: with Redis refused or frozen it is an empty cache, and nobody waits for it."""

import time

import pytest
from django.core.cache import caches

from common.breaker import Breaker, redis_breaker
from common.cache import ForgivingRedisCache
from launcher import machine
from tests.servers import RunningValkey


@pytest.fixture(autouse=True)
def closed_breaker():
    redis_breaker.succeeded()
    yield
    redis_breaker.succeeded()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    with RunningValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def cache_at(url: str) -> ForgivingRedisCache:
    return ForgivingRedisCache(url, {})


def everything(cache: ForgivingRedisCache) -> dict:
    """Each call once, and what it answered."""
    return {
        "set": cache.set("one", 1),
        "get": cache.get("one", "missing"),
        "add": cache.add("two", 2),
        "get_many": cache.get_many(["one", "two"]),
        "set_many": cache.set_many({"three": 3}),
        "has_key": cache.has_key("three"),
        "touch": cache.touch("three"),
        "incr": cache.incr("one") if cache.get("one") else cache.incr("one", 5),
        "get_or_set": cache.get_or_set("four", lambda: 4),
        "delete": cache.delete("three"),
        "delete_many": cache.delete_many(["four"]),
        "clear": cache.clear(),
    }


EMPTY = {
    "set": None,
    "get": "missing",
    "add": True,
    "get_many": {},
    "set_many": ["three"],
    "has_key": False,
    "touch": False,
    "incr": 5,
    "get_or_set": 4,
    "delete": False,
    "delete_many": None,
    "clear": False,
}


def test_with_redis_it_is_a_cache(valkey):
    assert everything(cache_at(valkey.url)) == {
        "set": None,
        "get": 1,
        "add": True,
        "get_many": {"one": 1, "two": 2},
        "set_many": [],
        "has_key": True,
        "touch": True,
        "incr": 2,
        "get_or_set": 4,
        "delete": True,
        "delete_many": None,
        "clear": True,
    }


def test_counting_something_that_is_not_there_is_the_callers_mistake(valkey):
    with pytest.raises(ValueError, match="nothing"):
        cache_at(valkey.url).incr("nothing")


def test_refused_it_is_an_empty_cache():
    assert everything(cache_at(f"redis://127.0.0.1:{machine.free_port()}/0")) == EMPTY


def test_each_call_forgives_by_itself(monkeypatch):
    """Without the breaker, which would hide a call that does not forgive."""
    monkeypatch.setattr(Breaker, "is_open", False)
    assert everything(cache_at(f"redis://127.0.0.1:{machine.free_port()}/0")) == EMPTY


def test_frozen_costs_one_short_wait_and_then_nothing(valkey):
    cache = cache_at(valkey.url)
    cache.set("kept", "yes")
    valkey.freeze()
    try:
        began = time.monotonic()
        assert cache.get("kept") is None
        assert time.monotonic() - began < 1
        began = time.monotonic()
        assert [cache.get("kept") for _ in range(1000)] == [None] * 1000
        assert time.monotonic() - began < 0.5
    finally:
        valkey.thaw()
    redis_breaker.succeeded()
    assert cache.get("kept") == "yes"


def test_the_breaker_opens_for_its_pause_only_and_closes_on_success():
    breaker = Breaker("something", pause=0.05)
    assert not breaker.is_open
    breaker.failed(TimeoutError())
    assert breaker.is_open
    time.sleep(0.06)
    assert not breaker.is_open
    breaker.failed(TimeoutError())
    breaker.succeeded()
    assert not breaker.is_open


def test_the_breaker_says_it_once(caplog):
    breaker = Breaker("something")
    for _ in range(5):
        breaker.failed(TimeoutError("password=hunter2"))
    assert [record.getMessage() for record in caplog.records] == [
        "something does not answer (TimeoutError): going on without it"
    ]


def test_the_shop_uses_it():
    assert isinstance(caches["default"], ForgivingRedisCache)
