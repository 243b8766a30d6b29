"""A progress bar for commands: one line that moves on a terminal, a line now and then where the output is a file."""

import sys
import time
from typing import TextIO

WIDTH = 28
EVERY_ON_TERMINAL = 0.1
EVERY_IN_FILE = 5.0


class Bar:
    """Call it with (done, of how many) as often as you like; it draws no more often than somebody can read."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream or sys.stderr
        self.moves = self.stream.isatty()
        self.started = time.monotonic()
        self.drawn = 0.0

    def __call__(self, done: int, total: int) -> None:
        at = time.monotonic()
        every = EVERY_ON_TERMINAL if self.moves else EVERY_IN_FILE
        if done < total and at - self.drawn < every:
            return
        self.drawn = at
        share = done / total if total else 1.0
        filled = round(share * WIDTH)
        bar = "█" * filled + "░" * (WIDTH - filled)
        line = f"{self.label} {bar} {done:,}/{total:,} {share:4.0%} {at - self.started:.0f} s"
        self.stream.write(f"\r{line}\x1b[K" if self.moves else f"{line}\n")
        self.stream.flush()

    def close(self) -> None:
        """Leave the finished line behind."""
        if self.moves:
            self.stream.write("\n")
            self.stream.flush()
