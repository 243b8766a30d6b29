"""The embedded Valkey: for this machine and those who know the password, and nothing on disk."""

import pytest
import redis

from launcher.home import Home
from launcher.processes import Supervisor
from launcher.valkey import Valkey


@pytest.fixture
def valkey(tmp_path):
    home = Home(tmp_path / "var")
    home.open()
    valkey = Valkey(home, "password")
    valkey.prepare()
    with Supervisor({}) as supervisor:
        supervisor.start(valkey.program())
        supervisor.wait_until(valkey.is_ready, 20, "Valkey")
        yield valkey


def test_it_refuses_to_evict_and_saves_nothing(valkey):
    with redis.Redis.from_url(valkey.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_without_the_password_it_tells_nothing(valkey):
    stranger = Valkey(valkey.home, "guess")
    stranger.port = valkey.port
    assert not stranger.is_ready()
    with redis.Redis(port=valkey.port) as client, pytest.raises(redis.AuthenticationError):
        client.get("anything")


def test_flush_drops_everything(valkey):
    with redis.Redis.from_url(valkey.url) as client:
        client.set("nudge", 1)
        valkey.flush()
        assert client.get("nudge") is None


def test_where_nobody_listens_nothing_is_ready(tmp_path):
    home = Home(tmp_path / "var")
    home.open()
    absent = Valkey(home, "password")
    absent.prepare()
    assert not absent.is_ready()
