"""The stage: servers of our own in a folder of our own, and a fresh, migrated database for each family of faults."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from django.apps import apps
from django.conf import settings
from django.db import connections

from launcher import machine
from launcher.console import Problem
from launcher.environment import PYTHON, ROOT
from launcher.home import MARK, Home
from launcher.postgres import DATABASE, Postgres
from launcher.processes import Program
from launcher.valkey import Valkey
from torture import servers
from torture.servers import Running

MERCHANT, MERCHANT_KEY = "1000", "torture-key-of-the-sandbox"


class Stage:
    """Use as a context manager: leaving it stops everything. `opened` is what runs besides the two servers."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.log = self.home.path / "servers.log"
        self.opened: dict[str, Running] = {}
        self.database = DATABASE
        self.number = 0
        self.options = ""

    def __enter__(self) -> "Stage":
        self.home.open()
        self.home.end_orphans()
        os.environ[MARK] = str(self.home.path)
        machine.require_space(self.home.path, 2000, "torture")
        self.log.unlink(missing_ok=True)
        self.secrets = self.home.secrets()
        # Not a throw-away cluster: it may lose what it acknowledged, and that is what is tried here.
        self.server = Postgres(self.home, self.secrets["DATABASE_PASSWORD"])
        self.cache = Valkey(self.home, self.secrets["REDIS_PASSWORD"])
        try:
            self._start_servers()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_servers(self) -> None:
        self.server.prepare()
        self.postgres = Running(self.server.program(), self.log, self.server.is_ready)
        self.postgres.start()
        self.cache.prepare()
        self.valkey = Running(self.cache.program(), self.log, self.cache.is_ready)
        self.valkey.start()
        self._make_template()

    def _make_template(self) -> None:
        """The migrated database that each turn gets a copy of; one that this code's migrations have made is good again."""
        stamp, wanted = self.home.path / "migrated", _all_migrations()
        with self._maintenance() as link:
            names = [row[0] for row in link.execute("SELECT datname FROM pg_database")]
            for name in names:
                if name.startswith("torture_"):
                    _drop(link, name)
            if DATABASE in names and stamp.exists() and stamp.read_text() == wanted:
                return
            stamp.unlink(missing_ok=True)
            _drop(link, DATABASE)
            link.execute(f'CREATE DATABASE "{DATABASE}"')
        migrate = [str(PYTHON), "manage.py", "migrate", "--verbosity", "0"]
        done = subprocess.run(migrate, cwd=ROOT, env={**os.environ, **self.environment()}, capture_output=True)
        if done.returncode:
            raise Problem(f"The database could not be migrated:\n{done.stderr.decode(errors='replace')}")
        stamp.write_text(wanted)

    def close(self) -> None:
        self.clear()
        for running in (getattr(self, "valkey", None), getattr(self, "postgres", None)):
            if running is not None:
                running.stop()

    # Addresses

    @property
    def database_url(self) -> str:
        whole = self.server.url.rpartition("/")[0] + "/" + self.database
        return f"{whole}?options={quote(self.options)}" if self.options else whole

    def environment(self, **more: str) -> dict[str, str]:
        """What leads a process of the shop to this stage."""
        return {
            "KAMENG_ENV": "test",
            "DJANGO_SETTINGS_MODULE": "kameng.settings",
            **{name: self.secrets[name] for name in ("SECRET_KEY", "KEY_RING", "FINGERPRINT_KEY")},
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.cache.url,
            "MEDIA_ROOT": str(self.home.folder("media")),
            "MAIL_SINK": str(self.home.folder("mail")),
            "SANDBOX_EPAY_PID": MERCHANT,
            "SANDBOX_EPAY_KEY": MERCHANT_KEY,
            "SANDBOX_KEYS": str(self.keys_file),
            "LOG_LEVEL": "ERROR",
            # What is tried is whether the books hold, not whether hoarders and robots are slowed down.
            **{f"UNPAID_CAP_{who}": "1000000" for who in ("ACCOUNT", "DEVICE", "ADDRESS")},
            "API_CALLS_PER_MINUTE": "0",
            **more,
        }

    @property
    def keys_file(self) -> Path:
        """The play keys that shop and sandbox share, see sandbox.keys."""
        return self.home.folder("sandbox") / "keys.json"

    def allow(self, address: str) -> None:
        """Let this very process call an address of this machine."""
        settings.OUTGOING_ALLOW = [address.partition("//")[2]]

    # Databases

    def fresh(self, family: str, options: str = "") -> None:
        """An empty, migrated database for what comes next; its connections are opened with `options`."""
        self.clear()
        self.number += 1
        self.options = options
        last, self.database = self.database, f"torture_{family}_{self.number}"
        with self._maintenance() as link:
            if last != DATABASE:
                _drop(link, last)
            link.execute(f'CREATE DATABASE "{self.database}" TEMPLATE "{DATABASE}"')
        self.cache.flush()
        self._lead_django_there()

    def _lead_django_there(self) -> None:
        """This very process too, and those that it starts."""
        os.environ.update(self.environment())
        if not apps.ready:
            return
        connections.close_all()
        ours = connections.settings["default"]
        ours["NAME"] = self.database
        ours["OPTIONS"] = {**ours["OPTIONS"], "options": self.options}

    def _maintenance(self) -> psycopg.Connection:
        return psycopg.connect(self.server.url.rpartition("/")[0] + "/postgres", autocommit=True)

    @property
    def server_pid(self) -> int:
        """PostgreSQL's own first process; what we started may be a wrapper that gave it its rights."""
        return int((self.server.data / "postmaster.pid").read_text().splitlines()[0])

    def reconnect(self) -> None:
        """Our own connections, after their server went away."""
        connections.close_all()

    # Processes

    def open(self, program: Program, ready: Any = lambda: True, *, wait: bool = True) -> Running:
        running = self.opened[program.name] = Running(program, self.log, ready)
        running.start(wait=wait)
        return running

    def open_sandbox(self, *, scale: float = 0.02) -> str:
        """A payment sandbox that repeats its notifies `scale` as slowly as a real gateway; returns its address."""
        port = machine.free_port()
        data = self.home.folder("sandbox") / self.database
        # What an earlier run's gateway had been paid is no money of this shop's.
        shutil.rmtree(data, ignore_errors=True)
        program = servers.sandbox(port, data, self.keys_file, self.environment(), scale=scale)
        self.open(program, lambda: servers.answers_http(port))
        return f"http://127.0.0.1:{port}"

    def open_web(self, gateway: str = "", *, workers: int = 2, **more: str) -> str:
        """The web server; returns its address. It may call `gateway`."""
        self.port = machine.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables = {"PUBLIC_URL": self.url, "OUTGOING_ALLOW": gateway.partition("//")[2], **more}
        program = servers.web(self.port, self.environment(**self.variables), workers=workers)
        self.open(program, lambda: servers.answers_http(self.port))
        return self.url

    def open_worker(self, name: str = "worker", *, hands: int = 2, **more: str) -> Running:
        variables = self.environment(**{**getattr(self, "variables", {}), **more})
        return self.open(servers.worker(variables, name=name, hands=hands))

    def open_beat(self, name: str = "beat") -> Running:
        schedule = self.home.path / f"{name}-{self.number}"
        program = servers.beat(self.environment(**getattr(self, "variables", {})), schedule)
        program.name = name
        return self.open(program)

    def revive(self) -> bool:
        """What a supervisor does: start again what has ended, without waiting for it. Whether anything had."""
        ended = [running for running in list(self.opened.values()) if not running.is_alive]
        for running in ended:
            running.kill()
            running.start(wait=False)
        return bool(ended)

    def clear(self) -> None:
        """End what runs besides the two servers."""
        for running in reversed(list(self.opened.values())):
            running.kill()
        self.opened.clear()


def _drop(link: psycopg.Connection, database: str) -> None:
    """Ends our own sessions first. FORCE would want to end an autovacuum too, which only a superuser may; DROP cancels it."""
    ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = current_user"
    link.execute(ours, [database])
    link.execute(f'DROP DATABASE IF EXISTS "{database}"')


def _all_migrations() -> str:
    """A digest of everything that decides how a fresh database looks."""
    digest = hashlib.sha256()
    for file in sorted([*ROOT.glob("*/migrations/*.py"), ROOT / "requirements-test.txt"]):
        digest.update(file.read_bytes())
    return digest.hexdigest()
