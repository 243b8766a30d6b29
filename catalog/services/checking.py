"""What importing a key file would do, found out without importing it."""

import itertools
from collections.abc import Iterator
from typing import Any

from django.db import connection

from catalog.keyfiles import KeyRow
from catalog.models import KeyBatch
from catalog.services.sealing import fingerprint

CHUNK = 5_000
SHOWN_ROWS = 200
SHOWN_SAMPLES = 20

# Fingerprints go to a table of the transaction, so that memory does not grow with the file.
_CLEAR = "DROP TABLE IF EXISTS pg_temp.checked_keys, pg_temp.checked_twice, pg_temp.checked_stock"
_STAGE = """
CREATE TEMPORARY TABLE checked_keys (place int, number int, fingerprint bytea, preview text) ON COMMIT DROP
"""
_FILL = """
INSERT INTO checked_keys SELECT * FROM unnest(%s::int[], %s::int[], %s::bytea[], %s::text[])
"""
_IN_FILE = """
CREATE TEMPORARY TABLE checked_twice ON COMMIT DROP AS
SELECT place, number, preview, first_number FROM (
    SELECT place, number, preview,
        first_value(number) OVER same AS first_number, row_number() OVER same AS nth
    FROM checked_keys WINDOW same AS (PARTITION BY fingerprint ORDER BY place)
) AS numbered WHERE nth > 1
"""
_IN_STOCK = """
CREATE TEMPORARY TABLE checked_stock ON COMMIT DROP AS
SELECT c.place, c.number, c.preview FROM checked_keys c
JOIN catalog_key k ON k.product_id = %s AND k.fingerprint = c.fingerprint
WHERE NOT EXISTS (SELECT 1 FROM checked_twice t WHERE t.place = c.place)
"""


def check_rows(batch: KeyBatch, rows: Iterator[KeyRow]) -> dict[str, Any]:
    """The report of a batch, in the caller's transaction.

    `rows`, `fresh`, `errors`, `file_duplicates` and `stock_duplicates` count rows. `samples` holds (number, preview) of
    the first good rows, `error_rows` (number, code, params), `duplicate_rows` (number, preview, number of the first one
    in the file or None for one in stock); the latter two are cut at SHOWN_ROWS.
    """
    report: dict[str, Any] = {"rows": 0, "errors": 0, "samples": [], "error_rows": []}
    with connection.cursor() as cursor:
        cursor.execute(_CLEAR)
        cursor.execute(_STAGE)
        while chunk := list(itertools.islice(rows, CHUNK)):
            _stage(cursor, batch, report, chunk)
        cursor.execute(_IN_FILE)
        cursor.execute("ANALYZE checked_keys")
        cursor.execute(_IN_STOCK, [batch.sku.product_id])
        report["file_duplicates"] = _count(cursor, "checked_twice")
        report["stock_duplicates"] = _count(cursor, "checked_stock")
        cursor.execute(
            "SELECT number, preview, first_number FROM ("
            " SELECT place, number, preview, first_number FROM checked_twice"
            " UNION ALL SELECT place, number, preview, NULL FROM checked_stock"
            ") AS both_kinds ORDER BY place LIMIT %s",
            [SHOWN_ROWS],
        )
        report["duplicate_rows"] = [list(row) for row in cursor.fetchall()]
    taken = report["errors"] + report["file_duplicates"] + report["stock_duplicates"]
    report["fresh"] = report["rows"] - taken
    return report


def _stage(cursor: Any, batch: KeyBatch, report: dict[str, Any], chunk: list[KeyRow]) -> None:
    good = [row for row in chunk if not row.error]
    bad = [row for row in chunk if row.error]
    places = [report["rows"] + place for place, row in enumerate(chunk) if not row.error]
    report["rows"] += len(chunk)
    report["errors"] += len(bad)
    report["samples"] += [[row.number, row.preview] for row in good[: SHOWN_SAMPLES - len(report["samples"])]]
    room = SHOWN_ROWS - len(report["error_rows"])
    report["error_rows"] += [[row.number, row.error.code, row.error.params] for row in bad[:room] if row.error]
    if good:
        cursor.execute(
            _FILL,
            [
                places,
                [row.number for row in good],
                [fingerprint(row.normal, product_id=batch.sku.product_id) for row in good],
                [row.preview for row in good],
            ],
        )


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - one of our own two names
    return cursor.fetchone()[0]
