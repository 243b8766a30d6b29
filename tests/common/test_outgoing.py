"""Outgoing calls: only to public addresses, and never for longer than their time."""

import http.server
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
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2001:0:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::]/",
        "http://[ff02::1]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://192.168.1.1:6379/",
        "http://[::127.0.0.1]/",
        "http://[::a9fe:a9fe]/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[fec0::1]/",
        "http://[3fff::1]/",
        "http://[5f00::1]/",
        "http://192.0.0.8/",
        # The resolver reads these as 127.0.0.1.
        "http://2130706433/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://user@127.0.0.1/",
        "https://127.0.0.1/",
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


@pytest.fixture
def small_server():
    """Answers every request with what `replies` holds for its path, and counts them."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            status, headers, body = self.server.replies[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.replies = [], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_redirects_are_not_followed(small_server, settings):
    port = small_server.server_port
    settings.OUTGOING_ALLOW = [f"127.0.0.1:{port}"]
    small_server.replies = {"/from": (302, {"Location": f"http://127.0.0.1:{port}/to"}, b""), "/to": (200, {}, b"")}
    with outgoing.client() as client:
        assert client.get(f"http://127.0.0.1:{port}/from").status_code == 302
    assert small_server.asked == ["/from"]


def test_proxies_of_the_environment_are_not_used(small_server, settings, monkeypatch):
    """A proxy would resolve the name again, past the check."""
    settings.OUTGOING_ALLOW = []
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{small_server.server_port}")
    with pytest.raises(outgoing.OutgoingRefused), outgoing.client() as client:
        client.get("http://10.0.0.1/")
    assert small_server.asked == []


def test_a_name_with_one_private_address_among_its_addresses_is_refused(settings, monkeypatch):
    settings.OUTGOING_ALLOW = []

    def answers(host, port, **more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(outgoing.OutgoingRefused), outgoing.client() as client:
        client.get("http://rebinding.example/")


def test_the_address_that_was_checked_is_the_one_that_is_called(small_server, settings, monkeypatch):
    """A name is resolved once: what a second look-up would say does not matter."""
    port = small_server.server_port
    settings.OUTGOING_ALLOW = [f"shop.example:{port}"]
    small_server.replies = {"/": (200, {}, b"ok")}
    looked_up = []

    def answers(host, port, *more, **named):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with outgoing.client() as client:
        assert client.get(f"http://shop.example:{port}/").text == "ok"
    assert looked_up.count("shop.example") == 1


def test_a_body_without_end_is_cut(small_server, settings):
    port = small_server.server_port
    settings.OUTGOING_ALLOW = [f"127.0.0.1:{port}"]
    small_server.replies = {"/": (200, {}, b"x" * 5000)}
    with outgoing.client() as client:
        with client.stream("GET", f"http://127.0.0.1:{port}/") as response:
            assert outgoing.read_capped(response, 5000) == b"x" * 5000
        with client.stream("GET", f"http://127.0.0.1:{port}/") as response, pytest.raises(httpx.DecodingError):
            outgoing.read_capped(response, 4999)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses_may_be_called(address):
    assert outgoing.is_public(address)
