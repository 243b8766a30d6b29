"""What a race is."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from torture.crowd import Act, Crowd
from torture.races.naive import CRASHED, naive_shop, naively

# So often the naive shop may try to lose, each time with a longer pause (seconds) between reading and writing.
TRIES = 12
PAUSE = 0.02
# Where two do different things, one must be slow for the other to come between: every second time one of them is.
SLOW = 6


class Race(ABC):
    """One kind of race, between as many processes as `acts` has entries; told apart by `name`."""

    name: str
    # Functions by which the shop looks whether a thing was done before, and which the naive one does not ask.
    unasked: Sequence[str] = ()

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


def proof(race: Race, crowd: Crowd) -> tuple[int, str]:
    """Whether the race can be lost: (rounds until its own judge found damage in the naive shop, why it proves nothing or "").

    One after the other its acts must end well there: it is the race that does the damage, not what was taken out.
    """
    made, acts = _begin(race)
    alone = [crowd.together([_naive(race, act, 0.0)])[0] for act in acts]
    found = _crashed(alone) or race.judge(made, [answer for answer, _ in alone])
    if found:
        return 0, f"the naive shop is wrong without a race: {found}"
    if not all(taken for _, taken in alone):
        return 0, "one of its acts passes no guard at all"
    found = ""
    for number in range(1, TRIES + 1):
        made, acts = _begin(race)
        slow = (number // 2 - 1) % len(acts) if number % 2 == 0 else None
        pauses = [PAUSE * number * (SLOW if place == slow else 1) for place in range(len(acts))]
        answers = crowd.together([_naive(race, *one) for one in zip(acts, pauses, strict=True)])
        found = _crashed(answers)
        if not found and race.judge(made, [answer for answer, _ in answers]):
            return number, ""
    return TRIES, f"its judge found nothing wrong with the naive shop in {TRIES} rounds{f' ({found})' if found else ''}"


def _begin(race: Race) -> tuple[Any, Sequence[Act]]:
    with naive_shop():
        made = race.begin()
        return made, race.acts(made)


def _naive(race: Race, act: Act, pause: float) -> Act:
    return naively, (*act, pause, tuple(race.unasked))


def _crashed(answers: Sequence[tuple[Any, int]]) -> str:
    return next((answer for answer, _ in answers if str(answer).startswith(CRASHED)), "")


def wrong(answers: Sequence[Any], good: str, count: int, *refusals: str) -> str:
    """What is wrong when not exactly `count` answers begin with `good` and the others are one of the refusals."""
    tally = Counter("good" if str(one).startswith(good) else str(one) for one in answers)
    strange = set(tally) - {"good", *(f"!{name}" for name in refusals)}
    return f"answers {dict(tally)}" if strange or tally["good"] != count else ""
