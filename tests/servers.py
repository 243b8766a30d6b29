"""Real servers that a test may stop, freeze and start again: PostgreSQL, Valkey, and the shop's own web process."""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
from django.db import connection

from launcher import machine
from launcher.home import Home
from launcher.postgres import Postgres
from launcher.processes import Program
from launcher.valkey import Valkey
from tests.sandboxes import ROOT, wait_until
from torture.servers import Running


def database_url() -> str:
    """The database of this test for another process: DATABASE_URL names the one that the tests were given, not theirs."""
    found = connection.settings_dict
    who = ":".join(quote(found[part], safe="") for part in ("USER", "PASSWORD") if found[part])
    where = f"{quote(found['HOST'], safe='')}:{found['PORT'] or 5432}"
    return f"postgres://{who}@{where}/{found['NAME']}"


class Server:
    """A child process. Use as a context manager; it is thawed and ended on leaving."""

    process: subprocess.Popen | None = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    def start(self) -> None:
        raise NotImplementedError

    def freeze(self) -> None:
        """Connections are still accepted by the kernel, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.thaw()
        self.process.send_signal(number)
        self.process.wait()
        self.process = None

    def _launch(self, program: Program, log: Path) -> None:
        running = Running(program, log)
        running.start(wait=False)
        self.process = running.process


class RunningPostgres(Server):
    """A throw-away cluster under `folder`."""

    def __init__(self, folder: Path):
        self.home = Home(folder)
        self.home.open()
        self.postgres = Postgres(self.home, secrets.token_urlsafe(24), throwaway=True)

    @property
    def url(self) -> str:
        return self.postgres.url

    def start(self) -> None:
        if not self.postgres.port:
            self.postgres.prepare()
        self._launch(self.postgres.program(), self.home.path / "postgres.log")
        wait_until(self.postgres.is_ready, 60)

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        super().stop(number)


class RunningValkey(Server):
    def __init__(self, folder: Path):
        self.home = Home(folder)
        self.home.open()
        self.valkey = Valkey(self.home, secrets.token_urlsafe(24))

    @property
    def url(self) -> str:
        return self.valkey.url

    def start(self) -> None:
        if not self.valkey.port:
            self.valkey.prepare()
        self._launch(self.valkey.program(), self.home.path / "valkey.log")
        wait_until(self.valkey.is_ready)


class RunningShop(Server):
    """The web process as bin/up runs it, on a port of its own, with `variables` in its environment."""

    def __init__(self, folder: Path, **variables: str):
        self.log = folder / "web.log"
        self.variables = variables
        self.port = machine.free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--workers", "1", "--blocking-threads", "4", "--no-ws", "kameng.wsgi:application"]
        program = Program("web", [sys.executable, *words], self.variables, folder=ROOT)
        self._launch(program, self.log)
        wait_until(self._answers, 60)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        try:
            return self.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path: str, **more) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30, trust_env=False, **more)
