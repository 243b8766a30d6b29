"""A clock of the database that can be set: business time is the database's (common.clock).

Every session of a turn with `SESSION` finds a `transaction_timestamp()` before PostgreSQL's own, which adds what a table
says; so web, worker and relay jump together, as they would with a server whose clock is set.
"""

from datetime import datetime

from django.db import connection

# The path that makes our function shadow the server's.
SESSION = "-c search_path=skew,public,pg_catalog"
_INSTALL = """
CREATE SCHEMA IF NOT EXISTS skew;
CREATE TABLE skew.ahead (seconds double precision NOT NULL);
INSERT INTO skew.ahead VALUES (0);
CREATE FUNCTION skew.transaction_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT pg_catalog.transaction_timestamp() + (SELECT seconds FROM skew.ahead) * interval '1 second' $$;
"""


def install() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSTALL)


def set_to(seconds: float) -> None:
    """So far ahead of the true time, or behind it."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE skew.ahead SET seconds = %s", [seconds])


def jump(seconds: float) -> None:
    """From where the clock is."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE skew.ahead SET seconds = seconds + %s", [seconds])


def jump_to(at: datetime) -> None:
    """Let it be this moment now."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE skew.ahead SET seconds = extract(epoch FROM %s - pg_catalog.clock_timestamp())", [at])


def ahead() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT seconds FROM skew.ahead")
        return cursor.fetchone()[0]
