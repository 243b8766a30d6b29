"""Pages by key: each is found where the last one ended, so that deep pages cost what the first one costs. Nothing is counted.

A cursor holds the last row's values in the columns of the order, sealed: it tells nobody an internal number, and nobody
can make one up.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.api.reading import StrictCharField, StrictIntegerField, StrictSerializer
from common.crypto import DecryptionFailed, seal, unseal
from common.exceptions import NotFound

MOST = 100
USUAL = 20
MAX_CURSOR = 600


class Paged(StrictSerializer):
    """The query of a list in pages."""

    limit = StrictIntegerField(min_value=1, max_value=MOST, default=USUAL)
    cursor = StrictCharField(max_length=MAX_CURSOR, required=False, help_text=_("上一页的 next"))


def next_field() -> serializers.CharField:
    return serializers.CharField(allow_null=True, help_text=_("下一页的 cursor，没有下一页时为 null"))


class BadCursor(NotFound):
    code = "bad_cursor"
    message = _("没有这一页，请从第一页重新开始")


@dataclass(frozen=True)
class Page:
    """`next` is the cursor of the page after this one, None on the last."""

    items: list[Any]
    next: str | None


def page_of(queryset: QuerySet, *, order: Sequence[str], limit: int, cursor: str | None, scope: str) -> Page:
    """The page that begins after `cursor`, or the first. `order` are field names as for order_by, none of them nullable,
    the last one unique; annotations may be among them. `scope` ties a cursor to its list. Raises BadCursor.
    """
    if cursor:
        queryset = queryset.filter(_after(order, _open(cursor, scope, len(order))))
    return cut_page(list(queryset.order_by(*order)[: limit + 1]), order=order, limit=limit, scope=scope)


def cut_page(rows: list[Model], *, order: Sequence[str], limit: int, scope: str) -> Page:
    """A page out of up to `limit` + 1 rows: the one too many says that there is another."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], _seal([getattr(rows[limit - 1], name.lstrip("-")) for name in order], scope))


def _after(order: Sequence[str], values: list[Any]) -> Q:
    """Rows behind these values: later in the first column, or equal there and later in the second, and so on."""
    behind, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field = name.lstrip("-")
        comparison = "lt" if name.startswith("-") else "gt"
        behind |= equal & Q(**{f"{field}__{comparison}": value})
        equal &= Q(**{field: value})
    return behind


def _key() -> bytes:
    return salted_hmac("common.api.paging", "cursor", algorithm="sha256").digest()


def _seal(values: list[Any], scope: str) -> str:
    text = json.dumps(values, default=_exact).encode()
    return base64.urlsafe_b64encode(seal(_key(), text, scope.encode())).decode().rstrip("=")


def _exact(value: Any) -> str:
    """Times to the microsecond, amounts to the last digit: rounded, they would skip or repeat rows."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _open(cursor: str, scope: str, count: int) -> list[Any]:
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values = json.loads(unseal(_key(), sealed, scope.encode()))
    except (ValueError, DecryptionFailed) as error:
        raise BadCursor from error
    if len(values) != count:
        raise BadCursor
    return values
