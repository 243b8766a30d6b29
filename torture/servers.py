"""The processes that are tortured: started, killed and started again by hand, so that nothing heals what we break."""

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from launcher import machine
from launcher.console import Problem
from launcher.environment import PYTHON, ROOT
from launcher.processes import Program

PATIENCE = 60.0


def wait_until(ready: Callable[[], object], seconds: float = PATIENCE, what: str = "it", every: float = 0.05) -> None:
    """Raises TimeoutError when `ready` says no for so long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {seconds:.0f} s")
        time.sleep(every)


class Running:
    """One program with its children. It ends with us, however we end."""

    def __init__(self, program: Program, log: Path, ready: Callable[[], bool] = lambda: True) -> None:
        self.program, self.log, self.ready = program, log, ready
        self.process: subprocess.Popen | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def is_alive(self) -> bool:
        """Looks without taking note of an end: until `kill` does, the number of the process cannot become another's."""
        if self.process is None or self.process.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def start(self, *, wait: bool = True) -> None:
        if self.program.before_start:
            self.program.before_start()
        with self.log.open("ab") as target:
            self.process = subprocess.Popen(
                self.program.command,
                env={**os.environ, **self.program.environment},
                cwd=self.program.folder,
                stdin=subprocess.PIPE,
                stdout=target,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=machine.tied_to_us(signal.SIGKILL, (self.program.stop_signal,)),
            )
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(self.program.input)
            self.process.stdin.close()
        if wait:
            self.wait()

    def wait(self, seconds: float = PATIENCE) -> None:
        def is_there() -> bool:
            if not self.is_alive:
                raise Problem(f"{self.name} ended while starting; {self.log} says why.")
            return self.ready()

        wait_until(is_there, seconds, self.name)

    def kill(self) -> None:
        """The program and all its children, at once."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, patience: float = 15.0) -> None:
        if self.is_alive:
            os.kill(self.process.pid, self.program.stop_signal)
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not self.is_alive, patience, self.name)
        self.kill()


def answers_http(port: int, path: str = "/healthz") -> bool:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", path)
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def web(port: int, environment: dict[str, str], *, workers: int = 2) -> Program:
    """As bin/up starts it, but a worker that dies is there again at once."""
    words = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--workers", str(workers), "--blocking-threads", "4", "--no-ws", "--workers-kill-timeout", "5"]
    words += ["--respawn-failed-workers", "--respawn-interval", "0.1", "kameng.wsgi:application"]
    return Program("web", [str(PYTHON), *words], environment)


def worker(environment: dict[str, str], *, name: str = "worker", hands: int = 2) -> Program:
    words = [
        "-m",
        "celery",
        "--quiet",
        "--app",
        "kameng",
        "worker",
        "--loglevel",
        "WARNING",
        "--concurrency",
        str(hands),
    ]
    words += ["--hostname", f"{name}@%h", "--without-mingle", "--without-gossip"]
    return Program(name, [str(PYTHON), *words], {**environment, "PYTHONWARNINGS": "ignore"})


def beat(environment: dict[str, str], schedule: Path) -> Program:
    words = ["-m", "celery", "--quiet", "--app", "kameng", "beat", "--loglevel", "WARNING", "--pidfile="]
    return Program("beat", [str(PYTHON), *words, "--schedule", str(schedule)], environment)


def sandbox(port: int, data: Path, keys: Path, environment: dict[str, str], *, scale: float = 0.02) -> Program:
    words = ["-m", "sandbox", "--host", "127.0.0.1", "--port", str(port), "--data", str(data), "--quiet"]
    words += ["--keys", str(keys), "--retry-scale", str(scale)]
    return Program("sandbox", [str(PYTHON), *words], environment, folder=ROOT)
