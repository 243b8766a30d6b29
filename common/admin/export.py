"""Tables for spreadsheets: streamed, with cells that no spreadsheet runs as a formula."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

from defusedcsv import csv
from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

CHUNK = 2000
# What defusedcsv does not know: full-width signs that a Chinese spreadsheet reads as ASCII, and characters skipped
# before the sign is looked at.
_RISKY = ("=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠")
_SKIPPED = "\t\r\n \u00a0\u3000\ufeff"


def neutral(text: str) -> str:
    """The text, made harmless in a spreadsheet where it would start a formula behind blanks or in full width."""
    rest = text.lstrip(_SKIPPED)
    if (rest != text and rest.startswith(_RISKY)) or text.startswith(("＝", "＋", "－", "＠", "\t", "\r")):
        return "'" + text
    return text


def cell(value: Any) -> Any:
    """One value as a spreadsheet should have it: Shanghai time, plain numbers, words for yes and no, no markup."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, SafeString):
        value = strip_tags(value)
    return neutral(str(value))


def csv_response(rows: QuerySet, columns: Iterable[str], *, model_admin: Any, filename: str) -> StreamingHttpResponse:
    """The rows as a CSV download for spreadsheets (UTF-8 with a mark). `columns` are names as in list_display."""
    columns = list(columns)
    response = StreamingHttpResponse(_lines(rows, columns, model_admin), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def csv_table(columns: Iterable[Any], rows: Iterable[Iterable[Any]], *, filename: str) -> StreamingHttpResponse:
    """A table in hand as a CSV download, cell by cell as `csv_response` writes them."""
    writer = csv.writer(_Echo())
    head = "\ufeff" + writer.writerow([str(name) for name in columns])
    lines = (writer.writerow([cell(value) for value in row]) for row in rows)
    response = StreamingHttpResponse(chain([head], lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


class _Echo:
    """A file that hands back what is written, so that a writer can feed a stream."""

    def write(self, text: str) -> str:
        return text


def _lines(rows: QuerySet, columns: list[str], model_admin: Any) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow([str(label_for_field(name, rows.model, model_admin)) for name in columns])
    for row in rows.iterator(chunk_size=CHUNK):
        yield writer.writerow([_value(name, row, model_admin) for name in columns])


def _value(name: str, row: Any, model_admin: Any) -> Any:
    field, _attribute, value = lookup_field(name, row, model_admin)
    if field is not None and getattr(field, "choices", None):
        value = getattr(row, f"get_{field.name}_display")()
    return cell(value)
