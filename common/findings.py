"""What an audit found: how often a rule is broken, and the first cases."""

from dataclasses import dataclass

from django.db import connection

SHOWN = 20


@dataclass(frozen=True)
class Findings:
    """`examples` are up to SHOWN rows, each a list of texts. False when nothing was found."""

    count: int
    examples: list[list[str]]

    def __bool__(self) -> bool:
        return self.count > 0


def find(sql: str, *values: object) -> Findings:
    """The rows of a query that must have none. One statement, so that sales going on beside it are no violations."""
    with connection.cursor() as cursor:
        # `sql` is a text of ours.
        cursor.execute(f"SELECT count(*) OVER (), found.* FROM ({sql}) AS found LIMIT {SHOWN}", values)  # noqa: S608
        rows = cursor.fetchall()
    return Findings(rows[0][0] if rows else 0, [[str(value) for value in row[1:]] for row in rows])
