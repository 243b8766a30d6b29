"""Pieces of SQL that carry their parameters along. A value is always bound; only our own names stand in the text."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from string import Formatter
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

# Bound values say their type, so that PostgreSQL never has to guess it from the place where they stand.
_CASTS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (Decimal, "numeric"),
    (int, "bigint"),
    (datetime, "timestamptz"),
    (date, "date"),
    (str, "text"),
)


@dataclass(frozen=True, slots=True)
class Sql:
    text: str
    params: tuple[Any, ...] = ()

    def __str__(self) -> str:
        raise TypeError("a fragment is put into SQL by fill(), which keeps its parameters")


NULL = Sql("NULL")
TRUE = Sql("TRUE")
FALSE = Sql("FALSE")


def bound(value: Any) -> Sql:
    """A value as a parameter. A list becomes an array of what its first element is; it must not be empty."""
    if isinstance(value, list):
        return Sql(f"%s::{_cast(value[0])}[]", (value,))
    return Sql(f"%s::{_cast(value)}", (value,))


def _cast(value: Any) -> str:
    for kind, name in _CASTS:
        if isinstance(value, kind):
            return name
    raise TypeError(f"no SQL type for {type(value).__name__}")


def fill(template: str, **parts: Any) -> Sql:
    """A template with its {names} replaced: fragments as they are, other values as bound parameters.

    The template is ours and says no percent sign.
    """
    texts: list[str] = []
    params: list[Any] = []
    for literal, name, _, _ in Formatter().parse(template):
        texts.append(literal)
        if name is None:
            continue
        part = parts[name] if isinstance(parts[name], Sql) else bound(parts[name])
        texts.append(part.text)
        params += part.params
    return Sql("".join(texts), tuple(params))


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    found = list(parts)
    return Sql(separator.join(part.text for part in found), tuple(value for part in found for value in part.params))


def name(text: str) -> Sql:
    """An identifier of our own making: letters, digits and underscores."""
    if not text.replace("_", "").isalnum() or not text.isascii():
        raise ValueError(f"not an identifier: {text!r}")
    return Sql(text)


def run(statement: Sql) -> list[tuple[Any, ...]]:
    """Execute and fetch everything; an empty list where there is nothing to fetch."""
    with connection.cursor() as cursor:
        execute(cursor, statement)
        return cursor.fetchall() if cursor.description else []


def execute_count(statement: Sql) -> int:
    """Execute; returns how many rows it wrote."""
    with connection.cursor() as cursor:
        execute(cursor, statement)
        return cursor.rowcount


def execute(cursor: CursorWrapper, statement: Sql) -> None:
    cursor.execute(statement.text, statement.params)
