"""Outgoing calls: only to public addresses, and never for longer than their time."""

import socket
import threading
import time

import httpx
import pytest

from common import outgoing


@pytest.fixture
def dripping_server():
    """Sends one byte of an endless header every 50 ms, so no single read ever times out."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    threading.Thread(target=drip, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_a_dripping_server_is_left_in_time(dripping_server, settings):
    settings.OUTGOING_ALLOW = [f"127.0.0.1:{dripping_server}"]
    began = time.monotonic()
    with pytest.raises(httpx.TimeoutException), outgoing.client(5, total=0.5) as client:
        client.get(f"http://127.0.0.1:{dripping_server}/")
    assert 0.4 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
    ],
)
def test_private_addresses_are_refused(address, settings):
    settings.OUTGOING_ALLOW = []
    with pytest.raises(outgoing.OutgoingRefused), outgoing.client() as client:
        client.get(address)


def test_only_the_named_port_is_opened(settings):
    settings.OUTGOING_ALLOW = ["127.0.0.1:1"]
    with pytest.raises(httpx.ConnectError) as named, outgoing.client() as client:
        client.get("http://127.0.0.1:1/")
    assert not isinstance(named.value, outgoing.OutgoingRefused)
    with pytest.raises(outgoing.OutgoingRefused), outgoing.client() as client:
        client.get("http://127.0.0.1:2/")
