"""Calls to addresses that somebody typed: gateways, suppliers, webhooks.

The check happens where the connection is made, on the address that is really connected to, so that neither a redirect
nor a name that resolves differently the second time gets past it. Redirects are not followed, environment proxies not used.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import httpcore
import httpx
from django.conf import settings

TIMEOUT = httpx.Timeout(3.0, connect=2.0)
TOTAL = 10.0
MAX_BODY = 2 * 1024 * 1024


NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What Python's own table may not know yet: protocol assignments such as Teredo, addresses for documentation.
# All that is handed out to the public lies in 2000::/3 (IANA), so an IPv4 address in any other dress is none either.
PUBLIC_V6 = ipaddress.ip_network("2000::/3")
NEVER_PUBLIC = tuple(map(ipaddress.ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20", "192.0.0.0/24")))


class OutgoingRefused(httpx.ConnectError):
    """The address is not a public one, and OUTGOING_ALLOW does not name it."""


def is_public(text: str) -> bool:
    """Whether an address may be called: global unicast, also after unwrapping IPv4 inside IPv6 (mapped, NAT64, 6to4)."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in NAT64:
            inner = ipaddress.ip_address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
        elif address not in PUBLIC_V6:
            return False
    if any(address in network for network in NEVER_PUBLIC):
        return False
    return address.is_global and not address.is_multicast


def allowed(host: str, port: int, resolved: str) -> bool:
    return f"{host}:{port}" in settings.OUTGOING_ALLOW or is_public(resolved)


class _Deadline:
    """One end for a whole exchange: a server that drips a byte a second never runs into the timeout of a single read."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def cap(self, timeout: float | None, error: type[Exception]) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise error("no time left")
        return left if timeout is None else min(timeout, left)


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.cap(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.cap(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        capped = self._deadline.cap(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, capped), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, total: float) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = _Deadline(total)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        resolved = [str(entry[4][0]).partition("%")[0] for entry in found]
        if not resolved or not all(allowed(host, port, one) for one in resolved):
            raise OutgoingRefused(f"{host} is not a public address")
        capped = self._deadline.cap(timeout, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(resolved[0], port, capped, local_address, socket_options)
        return _DeadlineStream(stream, self._deadline)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise OutgoingRefused("unix sockets are not for outgoing calls")


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    # Reading the certificate bundle takes longer than many an exchange.
    return httpx.create_ssl_context(trust_env=False)


class _GuardedTransport(httpx.HTTPTransport):
    def __init__(self, total: float) -> None:
        super().__init__(verify=_ssl_context(), trust_env=False, retries=0)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(),
            network_backend=_GuardedBackend(total),
            max_connections=20,
        )


def client(timeout: httpx.Timeout | float = TIMEOUT, *, total: float = TOTAL) -> httpx.Client:
    """A client for one short exchange of `total` seconds at most. Use as a context manager, never inside a transaction.

    Raises httpx.HTTPError of some kind for everything that goes wrong on the way, OutgoingRefused (one of them) for
    private addresses, and httpx.InvalidURL, which is none, for what is no address.
    """
    return httpx.Client(transport=_GuardedTransport(total), timeout=timeout, follow_redirects=False, trust_env=False)


def read_capped(response: httpx.Response, limit: int = MAX_BODY) -> bytes:
    """The body of a streamed response. Raises httpx.DecodingError past `limit` bytes."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise httpx.DecodingError("the answer is too long", request=response.request)
    return bytes(body)
