"""What a race is."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from torture.crowd import Act, Crowd, naive

# So often the twin may try to lose.
TRIES = 60


@dataclass(frozen=True)
class Twin:
    """The same thing done naively: `begin` fills the scratch table, `reads` and `writes` are what each process does, and
    `broken` finds a row when more happened than may happen."""

    begin: str
    reads: str
    writes: str
    broken: str


# The commonest mistake: read that it is free, then take it.
_ONE = "INSERT INTO naive.thing VALUES (1, 'free', 100, NULL)"
_TAKE = (
    "UPDATE naive.thing SET state = 'taken', holder = %(who)s WHERE id = %(c0)s;"
    " INSERT INTO naive.gain VALUES (%(c0)s, 1, %(who)s)"
)
_TWICE = "SELECT id FROM naive.gain GROUP BY id HAVING COUNT(*) > 1"
TAKEN_TWICE = Twin(_ONE, "SELECT id FROM naive.thing WHERE state = 'free'", _TAKE, _TWICE)
SPENT_TWICE = Twin(
    _ONE,
    "SELECT amount FROM naive.thing WHERE amount >= 60",
    "UPDATE naive.thing SET amount = %(c0)s - 60; INSERT INTO naive.gain VALUES (1, 60, %(who)s)",
    "SELECT 1 FROM naive.gain HAVING SUM(amount) > 100",
)
# Once per reference: looks whether it is there, and writes it when it is not.
WRITTEN_TWICE = Twin(
    "SELECT 1",
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM naive.gain WHERE id = 1)",
    "INSERT INTO naive.gain VALUES (1, 1, %(who)s)",
    _TWICE,
)
# One half of the racers ends the thing, the other pays for it; both have seen it open.
ENDED_AND_PAID = Twin(
    _ONE,
    "SELECT id FROM naive.thing WHERE state = 'free'",
    "UPDATE naive.thing SET state = CASE WHEN %(who)s %% 2 = 0 THEN 'closed' ELSE 'paid' END;"
    " INSERT INTO naive.gain VALUES (%(who)s %% 2, 1, %(who)s)",
    "SELECT 1 FROM naive.gain HAVING COUNT(DISTINCT id) > 1",
)


class Race(ABC):
    """One kind of race, between as many processes as `acts` has entries; told apart by `name`."""

    name: str
    twin: Twin

    def __init__(self, width: int) -> None:
        self.width = width

    @abstractmethod
    def begin(self) -> Any:
        """Set a scene; what is returned is handed to the other two."""

    @abstractmethod
    def acts(self, scene: Any) -> Sequence[Act]:
        """What each process does."""

    @abstractmethod
    def judge(self, scene: Any, answers: Sequence[Any]) -> str:
        """What is wrong with how it ended; "" when it ended well."""


def make_scratch() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS naive")
        cursor.execute("CREATE TABLE IF NOT EXISTS naive.thing (id int, state text, amount numeric, holder int)")
        cursor.execute("CREATE TABLE IF NOT EXISTS naive.gain (id int, amount numeric, who int)")


def drop_scratch() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS naive CASCADE")


def rounds_until_broken(race: Race, crowd: Crowd) -> int | None:
    """How many rounds the naive twin of a race held; None when it never broke, so that the race proves nothing."""
    for number in range(1, TRIES + 1):
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE naive.thing, naive.gain")
            cursor.execute(race.twin.begin)
        width = max(2, min(race.width, len(crowd)))
        crowd.together([(naive, (race.twin.reads, race.twin.writes, {"who": who})) for who in range(1, width + 1)])
        with connection.cursor() as cursor:
            cursor.execute(race.twin.broken)
            if cursor.fetchone():
                return number
    return None


def wrong(answers: Sequence[Any], good: str, count: int, *refusals: str) -> str:
    """What is wrong when not exactly `count` answers begin with `good` and the others are one of the refusals."""
    tally = Counter("good" if str(one).startswith(good) else str(one) for one in answers)
    strange = set(tally) - {"good", *(f"!{name}" for name in refusals)}
    return f"answers {dict(tally)}" if strange or tally["good"] != count else ""
