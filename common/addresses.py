"""The client's network address, and the prefix by which addresses are counted."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = str(ipaddress.IPv4Address(0))


def client_address(request: HttpRequest) -> str:
    """The client's address as text, always a valid one.

    X-Forwarded-For is read only as far as TRUSTED_PROXIES of our own proxies have written it: everything further left
    is what the client claims, and goes into no query and no count.
    """
    candidates = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if len(hops) >= settings.TRUSTED_PROXIES:
            candidates.insert(0, hops[-settings.TRUSTED_PROXIES])
    for candidate in candidates:
        try:
            address = ipaddress.ip_address(candidate)
        except ValueError:
            continue
        mapped = getattr(address, "ipv4_mapped", None)
        return str(mapped or address)
    return UNKNOWN


def counted_as(address: str) -> str:
    """The name under which an address is counted: an IPv4 address itself, of an IPv6 address its /64, which one
    household or one rented server has all to itself."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
