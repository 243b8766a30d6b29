"""What a family of faults tells: how often it did what, what went wrong, and how far it is."""

import sys
import time
from collections import Counter
from collections.abc import Callable

SHOWN = 20
EVERY_ON_TERMINAL, EVERY_IN_FILE = 0.2, 15.0


class Budget:
    """How long a family may go on: for so many seconds, or until so much of what it counts is done."""

    def __init__(self, seconds: float = float("inf"), limit: int | None = None) -> None:
        self.seconds, self.limit = seconds, limit
        self.done = 0
        self.begin()

    def begin(self) -> None:
        """Count the seconds from now: what was set up before is no work."""
        self.began = time.monotonic()

    @property
    def left(self) -> float:
        return self.began + self.seconds - time.monotonic()

    def more(self) -> bool:
        return self.left > 0 and (self.limit is None or self.done < self.limit)

    def use(self, count: int = 1) -> None:
        self.done += count


class Report:
    """`counts` says how often what was done, `wrong` in words what must not be: empty when all is well.

    `worst` keeps the largest of some figures, such as the seconds until all was settled.
    """

    def __init__(self, family: str, budget: Budget, tell: Callable[[str], None] | None = None) -> None:
        self.family, self.budget = family, budget
        self.counts: Counter[str] = Counter()
        self.worst: dict[str, float] = {}
        self.wrong: list[str] = []
        self.notes: list[str] = []
        self._tell = tell
        self._told = 0.0

    def count(self, what: str, times: int = 1) -> None:
        self.counts[what] += times
        self._show()

    def measure(self, what: str, value: float) -> None:
        self.worst[what] = round(max(value, self.worst.get(what, 0.0)), 2)

    def violation(self, text: str) -> None:
        if len(self.wrong) < SHOWN:
            self.wrong.append(text[:2000])
        self.counts["violations"] += 1
        if self._tell:
            self._tell(f"VIOLATION {self.family}: {text[:2000]}\n")

    def note(self, text: str) -> None:
        """Something to know that is no violation, such as a fault that cannot be simulated here."""
        if text not in self.notes:
            self.notes.append(text)

    def _show(self) -> None:
        every = EVERY_ON_TERMINAL if sys.stderr.isatty() else EVERY_IN_FILE
        if self._tell is None or time.monotonic() - self._told < every:
            return
        self._told = time.monotonic()
        said = ", ".join(f"{name} {count:,}" for name, count in sorted(self.counts.items())[:8])
        line = f"{self.family:<10} {max(0.0, self.budget.left):4.0f} s left  {said}"
        self._tell(f"\r{line[:150]}\x1b[K" if sys.stderr.isatty() else f"{line}\n")
