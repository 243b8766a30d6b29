"""Plain statements, for paths where building a query costs more than running it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def rows_of(count: int, row: str) -> str:
    """The text of so many rows of VALUES: rows_of(2, "%s, %s") is "(%s, %s), (%s, %s)"."""
    return ", ".join([f"({row})"] * count)


def run(statement: str, params: Sequence[Any] | Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def fetch(statement: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of one statement. The text is ours; every value is a parameter."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()
