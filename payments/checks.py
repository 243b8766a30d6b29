"""What must be so before a shop takes real money; `manage.py check --database default` and `migrate` ask."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from payments.models import Channel


@register(Tags.database)
def no_play_money(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """A sandbox pays orders with money that there is not. Services refuse it too; this finds a database that came along."""
    if not settings.PRODUCTION:
        return []
    found: list[CheckMessage] = []
    for alias in databases or []:
        # A first migration is checked before there are tables.
        if Channel._meta.db_table not in connections[alias].introspection.table_names():
            continue
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
