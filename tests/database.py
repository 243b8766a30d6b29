"""The rows that migrations make, and a database that is put back to them after a test that commits.

Django would empty every table and make content types and permissions anew, one by one, which takes longer than most tests.
"""

from collections import defaultdict

import pgtrigger
from django.db import connection, transaction
from django.test import TransactionTestCase

from audit.services import witness


class Migrated:
    """What stands in the tables after the migrations, each table's rows as COPY writes them."""

    def __init__(self) -> None:
        self.tables = sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))
        self.rows = {table: _copied(table) for table in sorted(_filled(self.tables))}
        self.pointing_at = _foreign_keys()

    def put_back(self) -> None:
        """Empty what a test has written into, and whatever points there, and put these rows back.

        Sequences go on where they are, so that no test meets the ids of another.
        """
        with transaction.atomic():
            changed = {table for table in _filled(self.tables) if table not in self.rows}
            changed |= {table for table, rows in self.rows.items() if _copied(table) != rows}
            if not changed:
                return
            emptied = self._with_pointing(changed)
            # Tiers and benefits are put back into rules that are published already. The rules stay off until the commit.
            with pgtrigger.ignore(), connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE {', '.join(map(_quoted, sorted(emptied)))}")
                for table in sorted(emptied & self.rows.keys()):
                    with cursor.copy(f"COPY {_quoted(table)} FROM STDIN") as copy:
                        copy.write(self.rows[table])

    def _with_pointing(self, tables: set[str]) -> set[str]:
        """With the tables that have foreign keys to them, and so on: PostgreSQL empties them only together."""
        found, ahead = set(), list(tables)
        while ahead:
            table = ahead.pop()
            if table not in found:
                found.add(table)
                ahead += self.pointing_at[table]
        return found


def use(migrated: Migrated) -> None:
    """From now on tests that commit are put back to these rows."""

    def put_back(self: TransactionTestCase) -> None:
        migrated.put_back()
        witness.forget()

    TransactionTestCase._fixture_teardown = put_back


def _quoted(table: str) -> str:
    return connection.ops.quote_name(table)


def _filled(tables: list[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {_quoted(table)} LIMIT 1)" for table in tables))
        return {table for (table,) in cursor.fetchall()}


def _copied(table: str) -> bytes:
    with connection.cursor() as cursor, cursor.copy(f"COPY {_quoted(table)} TO STDOUT") as copy:
        return b"".join(copy)


def _foreign_keys() -> dict[str, set[str]]:
    """By table, which others have foreign keys to it."""
    found = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT goal.relname, source.relname FROM pg_constraint"
            " JOIN pg_class AS goal ON goal.oid = confrelid JOIN pg_class AS source ON source.oid = conrelid"
            " WHERE contype = 'f' AND goal.relnamespace = current_schema()::regnamespace"
        )
        for goal, source in cursor.fetchall():
            found[goal].add(source)
    return found
