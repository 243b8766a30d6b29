"""A throw-away copy of the database without its last line: no constraint and no trigger on what is raced for."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from torture.crowd import Crowd

# What is scarce, and what says that it was used up.
TABLES = (
    "audit_idempotencyrecord",
    "catalog_key",
    "catalog_reusablesecret",
    "marketing_coupon",
    "marketing_couponslot",
    "marketing_couponuse",
    "membership_activityseen",
    "membership_pointsaccount",
    "membership_pointsdraw",
    "membership_pointsentry",
    "membership_pointslot",
    "membership_pointsref",
    "membership_referral",
    "orders_order",
    "orders_orderline",
    "orders_ordermove",
    "orders_orderrefund",
    "payments_gatewaytransaction",
    "payments_paymentattempt",
    "payments_topup",
    "wallet_account",
    "wallet_byhand",
    "wallet_entry",
    "wallet_transfer",
    "wallet_transferref",
)
# Checks and unique keys; of primary keys those that are references, each of which is written once.
_CONSTRAINTS = """
SELECT conname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
WHERE conrelid = %s::regclass AND (contype IN ('c', 'u', 'x') OR (contype = 'p' AND attname = 'ref'))
"""
_INDEXES = """
SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND NOT indisprimary
"""
# What processes remember by an id must not be met again in the true database.
_FAR_IDS = "SELECT setval(seqrelid, 1000000000) FROM pg_sequence WHERE seqmax > 1000000000"

_IDLE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND state = 'idle'"
_OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = current_user"


@contextmanager
def unguarded(crowd: Crowd) -> Iterator[None]:
    """This process and the crowd are led to the copy within the block. Who else is connected and does nothing is sent away:
    a database that is copied must have nobody in it."""
    true = connection.settings_dict["NAME"]
    copy = f"{true}_naive"
    try:
        crowd.together([(go_to, (copy,))] * len(crowd))
        go_to(copy)
        _drop(copy)
        _maintain((_IDLE, [true]), (f'CREATE DATABASE "{copy}" TEMPLATE "{true}"', None))
        for table in TABLES:
            drop_rules(table)
        with connection.cursor() as cursor:
            cursor.execute(_FAR_IDS)
        yield
    finally:
        go_to(true)
        crowd.together([(go_to, (true,))] * len(crowd))
        _drop(copy)


def drop_rules(table: str) -> None:
    """Take every rule from a table but its columns' types and its foreign keys."""
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {quoted(table)} DISABLE TRIGGER USER")
        cursor.execute(_CONSTRAINTS, [table])
        for (name,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(name)} CASCADE")
        cursor.execute(_INDEXES, [table])
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")


def go_to(database: str) -> None:
    """The next statement of this process goes to another database of the same server."""
    connection.close()
    connection.settings_dict["NAME"] = database


def _drop(database: str) -> None:
    """FORCE would want to end an autovacuum too, which only a superuser may; without it DROP cancels one."""
    _maintain((_OURS, [database]), (f'DROP DATABASE IF EXISTS "{database}"', None))


def _maintain(*statements: tuple[str, list | None]) -> None:
    with connection._nodb_cursor() as cursor:
        for statement, parameters in statements:
            cursor.execute(statement, parameters)
