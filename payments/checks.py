"""What must be so before a shop takes real money; `manage.py check --database default` and `migrate` ask."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from payments.models import Channel


@register(Tags.database)
def no_play_money(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """A sandbox pays orders with money that there is not. Services refuse it too; this finds a database that came along."""
    if not settings.PRODUCTION:
        return []
    found: list[CheckMessage] = []
    for alias in _with_channels(databases):
        codes = Channel.objects.using(alias).filter(sandbox=True, is_active=True).values_list("code", flat=True)
        found += [
            Error(
                f"The payment channel {code} is a sandbox, and this is production.",
                hint="Switch it off in a development environment, or begin with an empty database.",
                id="payments.E001",
            )
            for code in codes
        ]
    return found


@register(Tags.database)
def sellers_are_known(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """An Alipay channel from before the seller had to be named books nothing by notifies, only what is asked for."""
    channels = [
        channel
        for alias in _with_channels(databases)
        for channel in Channel.objects.using(alias).filter(provider=Channel.Provider.ALIPAY, is_active=True)
    ]
    return [
        Warning(
            f"The payment channel {channel.code} does not name its seller: notifies of Alipay are refused there.",
            hint="Fill in 卖家账号 PID, which Alipay's console shows.",
            id="payments.W001",
        )
        for channel in channels
        if not channel.settings.get("seller_id")
    ]


def _with_channels(databases: Sequence[str] | None) -> Iterator[str]:
    """Of these databases those with channels: a first migration is checked before there are tables."""
    for alias in databases or []:
        if Channel._meta.db_table in connections[alias].introspection.table_names():
            yield alias
