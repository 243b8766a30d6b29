"""Calls to addresses that somebody typed: gateways, suppliers, webhooks.

The check happens where the connection is made, on the address that is really connected to, so that neither a redirect
nor a name that resolves differently the second time gets past it. Redirects are not followed, environment proxies not used.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx
from django.conf import settings

TIMEOUT = httpx.Timeout(3.0, connect=2.0)
MAX_BODY = 2 * 1024 * 1024


class OutgoingRefused(httpx.ConnectError):
    """The address is not a public one, and OUTGOING_ALLOW does not name it."""


def is_public(text: str) -> bool:
    """Whether an address may be called: global unicast, also after unwrapping IPv4 inside IPv6 (mapped, NAT64, 6to4)."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.ip_address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


def allowed(host: str, port: int, resolved: str) -> bool:
    return f"{host}:{port}" in settings.OUTGOING_ALLOW or is_public(resolved)


class _GuardedBackend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

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
        return self._inner.connect_tcp(resolved[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise OutgoingRefused("unix sockets are not for outgoing calls")


class _GuardedTransport(httpx.HTTPTransport):
    def __init__(self) -> None:
        super().__init__(trust_env=False, retries=0)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=_GuardedBackend(), max_connections=20
        )


def client(timeout: httpx.Timeout | float = TIMEOUT) -> httpx.Client:
    """A client for one short exchange. Use as a context manager, never inside a transaction.

    Raises httpx.HTTPError of some kind for everything that goes wrong on the way, OutgoingRefused for private addresses.
    """
    return httpx.Client(transport=_GuardedTransport(), timeout=timeout, follow_redirects=False, trust_env=False)


def read_capped(response: httpx.Response, limit: int = MAX_BODY) -> bytes:
    """The body of a streamed response. Raises httpx.DecodingError past `limit` bytes."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise httpx.DecodingError("the answer is too long", request=response.request)
    return bytes(body)
