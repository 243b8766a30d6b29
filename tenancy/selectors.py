"""Which storefront. Asked on every request, so the short table is kept in the process for a few seconds."""

import time

from django.conf import settings

from tenancy.models import MAIN_ID, Storefront

KEEP_SECONDS = 10.0
_kept: dict[str, tuple[float, Storefront]] = {}


def main_storefront() -> Storefront:
    return _remembered("", lambda: Storefront.objects.get(pk=MAIN_ID))


def storefront_for_host(host: str) -> Storefront:
    """The storefront that owns `host` (port allowed), else the main shop."""
    name = host.rsplit(":", 1)[0].lower() if not host.endswith("]") else host.lower()
    return _remembered(name, lambda: Storefront.objects.filter(host=name).first() or main_storefront())


def address_of(storefront: Storefront) -> str:
    """Where a storefront is found, like https://shop.example: for links that leave the shop. A request's Host is what its
    sender claims."""
    if storefront.is_main:
        return settings.PUBLIC_URL
    return f"{settings.PUBLIC_URL.partition('://')[0]}://{storefront.host}"


def forget() -> None:
    """Drop what is remembered, after a change in this process."""
    _kept.clear()


def _remembered(name: str, read) -> Storefront:
    at = time.monotonic()
    found = _kept.get(name)
    if found is None or at - found[0] > KEEP_SECONDS:
        if len(_kept) > 1000:  # anybody can send any Host
            _kept.clear()
        found = (at, read())
        _kept[name] = found
    return found[1]
