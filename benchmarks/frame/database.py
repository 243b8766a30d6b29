"""A database of the benchmark's own, on the server that DATABASE_URL names."""

import contextlib
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import ProgrammingError, connection
from psycopg.sql import SQL, Identifier


def address(name: str, server: str) -> str:
    """The address of the database `name` on the server of another one."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def make(name: str, server: str) -> None:
    """Create an empty database, dropping what an earlier run left. `server` is the address of any other one there."""
    connection.close()
    with psycopg.connect(server, autocommit=True) as link:
        _drop(link, name)
        link.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))


def drop(name: str, server: str) -> None:
    connection.close()
    with psycopg.connect(server, autocommit=True) as link:
        _drop(link, name)


def _drop(link: psycopg.Connection, name: str) -> None:
    """Ends our own sessions first. FORCE would want to end an autovacuum too, which only a superuser may; DROP cancels it."""
    link.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = current_user", [name]
    )
    link.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))


def migrate() -> None:
    call_command("migrate", verbosity=0)


def settle() -> None:
    """Statistics as autovacuum would have made them, and what was written on the disk. After filling, before measuring."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        # Only some may order one; for others the next one comes by itself.
        with contextlib.suppress(ProgrammingError):
            cursor.execute("CHECKPOINT")
