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


Statement = tuple[str, Sequence[Any]]


def fetch_together(statements: Sequence[Statement]) -> list[tuple[Any, ...]]:
    """Several INSERTs or UPDATEs of different tables as one statement; returns the rows of the last.

    They see the database as it was before all of them, and none of the rows that another writes.
    """
    return fetch(*_together(statements))


def run_together(statements: Sequence[Statement]) -> None:
    """The same where the last has no rows to return."""
    run(*_together(statements))


def _together(statements: Sequence[Statement]) -> Statement:
    *others, (last, _) = statements
    parts = ", ".join(f"part_{number} AS ({text})" for number, (text, _) in enumerate(others))
    return f"WITH {parts} {last}" if parts else last, [value for _, params in statements for value in params]
