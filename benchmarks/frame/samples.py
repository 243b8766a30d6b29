"""Samples and what they say."""

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` (0 to 1) of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest."""
    return min(values), max(values)


def interleave(rounds: int, sides: dict[str, Callable[[], T]], *, seed: int) -> dict[str, list[T]]:
    """Run every side once in each round, in an order drawn anew, so that what the machine does besides hits all alike."""
    chance = random.Random(seed)
    found: dict[str, list[T]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name in chance.sample(list(sides), len(sides)):
            found[name].append(sides[name]())
    return found


class Watch:
    seconds = 0.0


@contextmanager
def timed() -> Iterator[Watch]:
    """`with timed() as watch: …`, then `watch.seconds`."""
    watch = Watch()
    began = time.perf_counter()
    try:
        yield watch
    finally:
        watch.seconds = time.perf_counter() - began
