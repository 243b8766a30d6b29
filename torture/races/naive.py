"""The shop made naive: its own services, in this process, without what makes two of them wait for each other.

They say to the database what they always say, and what they say is changed on the way: no row is locked, no name either; a
row is moved whatever its state is by now; and what is written once per reference is looked for first and written later.
Between what one has read and what it writes it pauses, as a busy shop does there.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connection

from common.exceptions import DomainError

_ROW_LOCK = re.compile(r'\s+FOR (?:NO KEY )?UPDATE(?: OF "?\w+"?(?:, ?"?\w+"?)*)?(?: SKIP LOCKED| NOWAIT)?')
_NAME_LOCK = re.compile(r"\bpg_advisory_xact_lock\(")
_WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\b")
# Written by Django; columns that are set have no table before them.
_EXPECTED = re.compile(r'"\w+"\."state" = (%s)')
_ONCE = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^)]*)\)\s+VALUES (?P<rows>.*?)\s+ON CONFLICT \((?P<key>[^)]*)\) DO NOTHING",
    re.DOTALL,
)
# What an answer begins with that is no answer of a shop.
CRASHED = "?"


def without_locks(statement: str) -> str:
    return _NAME_LOCK.sub("concat(", _ROW_LOCK.sub("", statement))


def without_conditions(statement: str) -> str:
    """An update that does not ask which state the row is in, an insert that asks before it writes."""
    if statement.startswith("UPDATE"):
        head, where, conditions = statement.partition(" WHERE ")
        statement = head + where + _EXPECTED.sub(r"\1 IS NOT NULL", conditions)
    return _ONCE.sub(_looked_for, statement)


def _looked_for(found: re.Match) -> str:
    keys = [name.strip() for name in found["key"].split(",")]
    same = " AND ".join(f"there.{name} = wanted.{name}" for name in keys)
    return (
        f"INSERT INTO {found['table']} ({found['columns']}) SELECT * FROM (VALUES {found['rows']})"
        f" AS wanted ({found['columns']}) WHERE NOT EXISTS (SELECT 1 FROM {found['table']} there WHERE {same})"
    )


class Naive:
    """What changes a connection's statements. `taken` counts the guards that were taken out."""

    def __init__(self, pause: float) -> None:
        self.pause, self.taken = pause, 0
        self._has_read = False

    def __call__(self, execute: Callable, statement: str, params: Any, many: bool, context: dict) -> Any:
        unlocked = without_locks(statement)
        plain = without_conditions(unlocked)
        self.taken += plain != statement
        writes = bool(_WRITES.search(unlocked))
        if writes and self._has_read:
            self._has_read = False
            time.sleep(self.pause)
        result = execute(plain, params, many, context)
        if unlocked != statement and writes:
            # Reads and writes at once: others have the time to read before this is committed.
            time.sleep(self.pause)
        elif unlocked != statement:
            self._has_read = True
        return result


@contextmanager
def naive_shop(pause: float = 0.0) -> Iterator[Naive]:
    made = Naive(pause)
    with connection.execute_wrapper(made):
        yield made


def naively(act: Callable[..., Any], arguments: tuple, pause: float, unasked: Sequence[str] = ()) -> tuple[Any, int]:
    """What a process of the crowd does: the act in a naive shop. Its answer, and how many guards were taken out.

    `unasked` are functions of the shop that are not asked: they answer None.
    Only the shop's own refusals are answers: a database that was asked for nonsense, or two that waited for each other, is
    no damage that a race is about.
    """
    with naive_shop(pause) as made, ExitStack() as patched:
        for name in unasked:
            patched.enter_context(patch(name, return_value=None))
        try:
            answer = act(*arguments)
        except DomainError as error:
            answer = f"!{type(error).__name__}"
        except Exception as error:
            # Told by whoever asked, as "?": it must not count as the damage.
            answer = f"{CRASHED}{type(error).__name__}: {error}"
    return answer, made.taken
