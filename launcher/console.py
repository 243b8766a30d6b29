"""What the launcher says, and how it ends when something is wrong."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import TextIO

COLOURS = {
    "web": "36",
    "worker": "32",
    "beat": "33",
    "sandbox": "35",
    "postgres": "34",
    "valkey": "31",
}
PREFIX_WIDTH = 8


class Problem(Exception):
    """Something that the person at the keyboard can put right. The text says what is wrong and what to do."""


class Interrupted(Exception):
    """Ctrl-C or a polite signal arrived while work was under way."""


class OutputGone(Exception):
    """Whoever read our output went away (`bin/up | head`)."""


def coloured() -> bool:
    return stream().isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if coloured() else text


# Whether progress goes to stderr, apart from the output of a command.
_own_stream = False


def progress_to_stderr() -> None:
    """For a command whose own output may be going into a file."""
    global _own_stream
    _own_stream = True


def stream() -> TextIO:
    return sys.stderr if _own_stream else sys.stdout


def write(text: str) -> None:
    try:
        stream().write(text + "\n")
        stream().flush()
    except OSError as error:
        # From here on into nothing: Python tries again at every flush, and at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream().fileno())
        # A full disk under a redirected output is no reason to close the shop; a closed terminal or pipe is.
        if error.errno in (errno.EPIPE, errno.EIO):
            raise OutputGone from None


def say(text: str) -> None:
    """One line of progress."""
    write(paint("· ", "1;32") + text)


def warn(text: str) -> None:
    write(paint("! ", "1;33") + text)


def output(name: str, line: str) -> None:
    """One line that the process called `name` printed."""
    write(paint(name.ljust(PREFIX_WIDTH) + " │ ", COLOURS.get(name, "37")) + line)


def guarded(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Runs a command; a Problem becomes its text, and never a traceback. Returns the exit status."""
    # A terminal may not know every character that a program prints.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    # Like Ctrl-C, so that a set-up under way takes its children with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return command(arguments)
    except Problem as problem:
        sys.stderr.write(f"\n{problem}\n")
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"\nThe disk is full: {error}. Free some space and start again; nothing was damaged.\n")
        return 1
    except (KeyboardInterrupt, Interrupted):
        return 130
    except OutputGone:
        return 141
