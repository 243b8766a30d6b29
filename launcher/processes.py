"""A supervisor in one thread: starts programs, prefixes what they print, restarts what dies, stops all in order.

One thread because Linux ties PR_SET_PDEATHSIG to the thread that started the child, and because a fork among threads
is a trap.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from launcher import machine
from launcher.console import Interrupted, Problem, output, warn
from launcher.environment import ROOT

# Seconds before the first restart of a program that died; doubled each time, up to the last one.
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
# A program that ran this long is healthy again: its next death starts with the first pause.
HEALTHY_AFTER = 60.0


@dataclass
class Program:
    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    input: bytes = b""
    folder: Path = ROOT
    stop_signal: signal.Signals = signal.SIGTERM
    # Sent when `patience` seconds have passed, or when somebody is in a hurry; SIGKILL follows a few seconds later.
    hasten_signal: signal.Signals = signal.SIGKILL
    patience: float = 10.0
    # What the kernel sends when the launcher itself dies.
    death_signal: signal.Signals = signal.SIGTERM
    before_start: Callable[[], None] | None = None
    # Lines that hold one of these are of no use to anybody here.
    mute: tuple[bytes, ...] = ()


@dataclass(eq=False)
class Running:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    rest: bytes = b""
    deaths: int = 0
    restart_at: float | None = None


class Supervisor:
    """Use as a context manager: leaving it stops what was started, last first."""

    def __init__(self, mark: dict[str, str], log: Path | None = None):
        """`mark` is put into every environment; with `log` the programs print into that file instead of the console."""
        self.mark = mark
        self.log = log
        self.running: list[Running] = []
        self.restarts = False
        self.interrupts: list[int] = []
        self._hurry_after: int | None = None
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Supervisor":
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # A handler is needed for the wake-up alone.
        self._handlers = {signal.SIGCHLD: signal.signal(signal.SIGCHLD, lambda *_: None)}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup ignores SIGHUP for us; keep it that way.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._on_interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _on_interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.interrupts.append(number)

    # Starting

    def start(self, program: Program) -> None:
        self.running.append(Running(program, self._spawn(program), time.monotonic()))
        self._watch(self.running[-1])

    def _spawn(self, program: Program, foreground: bool = False) -> subprocess.Popen[bytes]:
        if program.before_start:
            program.before_start()
        target: int | None = None if foreground else subprocess.PIPE
        log = None
        if self.log and not foreground:
            log = self.log.open("ab")
            target = log.fileno()
        try:
            process = subprocess.Popen(
                program.command,
                env={**os.environ, **program.environment, **self.mark},
                cwd=program.folder,
                stdin=None if foreground else subprocess.PIPE,
                stdout=target,
                stderr=None if foreground else subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches the launcher only, and leftovers can be ended together.
                start_new_session=not foreground,
                # Safe here: there is one thread.
                preexec_fn=machine.tied_to_us(program.death_signal, (program.stop_signal, program.hasten_signal)),
            )
        finally:
            if log:
                log.close()
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(program.input)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        return process

    def _watch(self, running: Running) -> None:
        if running.process.stdout:
            os.set_blocking(running.process.stdout.fileno(), False)
            self._selector.register(running.process.stdout, selectors.EVENT_READ, running)

    # The loop

    def pump(self, seconds: float) -> None:
        """Passes on what the programs print and takes note of those that ended, for at most `seconds`."""
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            else:
                self._read(key.data)
        for running in self.running:
            if running.restart_at is None and _has_ended(running.process):
                self._bury(running)
            elif running.restart_at is not None and time.monotonic() >= running.restart_at:
                self._revive(running)

    def _read(self, running: Running) -> bool:
        """Prints the whole lines that are there. False when nothing is left to read."""
        assert running.process.stdout is not None
        try:
            chunk = os.read(running.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(running.process.stdout)
            running.process.stdout.close()
        *lines, running.rest = (running.rest + chunk).split(b"\n")
        if running.rest and (not chunk or len(running.rest) > 65536):
            lines, running.rest = [*lines, running.rest], b""
        for line in lines:
            if any(words in line for words in running.program.mute):
                continue
            output(running.program.name, line.decode(errors="replace").rstrip("\r"))
        return bool(chunk)

    def _bury(self, running: Running) -> None:
        """Takes leave of an ended program: its last words, and the rest of its group."""
        process = running.process
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Before the wait: until then the number cannot belong to anybody else.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        while process.stdout and not process.stdout.closed and self._read(running):
            pass
        if process.stdout and not process.stdout.closed:
            self._selector.unregister(process.stdout)
            process.stdout.close()
        if not self.restarts:
            return
        if time.monotonic() - running.started > HEALTHY_AFTER:
            running.deaths = 0
        pause = min(FIRST_PAUSE * 2**running.deaths, LAST_PAUSE)
        running.deaths += 1
        running.restart_at = time.monotonic() + pause
        warn(f"{running.program.name} ended ({_how(process.returncode)}); starting it again in {pause:.0f} s")

    def _revive(self, running: Running) -> None:
        running.restart_at = None
        try:
            running.process = self._spawn(running.program)
        except (Problem, OSError) as error:
            running.restart_at = time.monotonic() + LAST_PAUSE
            warn(f"{running.program.name} cannot be started: {error}")
            return
        running.started = time.monotonic()
        self._watch(running)

    # Waiting

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Pumps until `ready` says so. Raises Problem on a program's death or after `seconds`, Interrupted on Ctrl-C."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.pump(0.1)
            self._check()
            if time.monotonic() > deadline:
                raise Problem(f"{what} did not become ready within {seconds:.0f} seconds.")

    def run(self, *programs: Program) -> list[int]:
        """Runs programs side by side to their end while the others go on. Returns their exit statuses."""
        for program in programs:
            self.start(program)
        passing = self.running[-len(programs) :]
        try:
            while any(running.process.returncode is None for running in passing):
                self.pump(1.0)
                self._check(besides=passing)
        finally:
            for running in passing:
                if running.process.returncode is None:
                    self._end(running)
                self.running.remove(running)
        return [running.process.returncode for running in passing]

    def run_in_foreground(self, program: Program) -> int:
        """Runs a program that owns the terminal; Ctrl-C reaches it by itself, other signals are passed on."""
        process = self._spawn(program, foreground=True)
        passed_on = len(self.interrupts)
        while not _has_ended(process):
            self.pump(1.0)
            for number in self.interrupts[passed_on:]:
                if number != signal.SIGINT or not _owns_terminal():
                    process.send_signal(number)
            passed_on = len(self.interrupts)
        return process.wait()

    def _check(self, besides: Sequence[Running] = ()) -> None:
        if self.interrupts:
            self._hurry_after = len(self.interrupts)
            raise Interrupted
        for running in self.running:
            code = running.process.returncode
            if code is not None and not self.restarts and running not in besides:
                raise Problem(f"{running.program.name} ended while starting ({_how(code)}). Its lines above say why.")

    def run_forever(self, every_minute: Callable[[], None] = lambda: None) -> None:
        """Until Ctrl-C or a signal; what dies meanwhile is started again."""
        self.restarts = True
        minute = time.monotonic() + 60
        while not self.interrupts:
            due = [running.restart_at for running in self.running if running.restart_at is not None]
            self.pump(max(0.0, min([minute, *due]) - time.monotonic()))
            if time.monotonic() >= minute:
                every_minute()
                minute = time.monotonic() + 60

    # Stopping

    def stop(self) -> None:
        """Stops everything, last started first. A further Ctrl-C from here on hastens."""
        self.restarts = False
        if self._hurry_after is None:
            self._hurry_after = len(self.interrupts)
        for running in reversed(self.running):
            if running.process.returncode is None:
                self._end(running)
        self.running.clear()

    def _end(self, running: Running) -> None:
        program, process = running.program, running.process
        steps = [
            (program.stop_signal, program.patience),
            (program.hasten_signal, 5.0),
            (signal.SIGKILL, 5.0),
        ]
        for number, patience in steps:
            if number == program.hasten_signal and not self._in_hurry():
                warn(f"{program.name} has not stopped within {program.patience:.0f} s; ending it")
            if process.returncode is None and not _has_ended(process):
                process.send_signal(number)
            started = time.monotonic()
            while process.returncode is None and time.monotonic() < started + patience:
                if self._in_hurry() and number == program.stop_signal:
                    break
                self.pump(0.1)
            if process.returncode is not None:
                return

    def _in_hurry(self) -> bool:
        return self._hurry_after is not None and len(self.interrupts) > self._hurry_after


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True once it ended, without taking note of it: its number stays its own until `wait`."""
    if process.returncode is not None:
        return False
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"status {code}"


def _owns_terminal() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
