"""The two servers that the shop stands on, ours or the user's, and the environment that leads Django to them."""

import os
import time
from urllib.parse import urlsplit

from launcher import machine
from launcher.console import Problem, say
from launcher.home import Home
from launcher.postgres import Postgres
from launcher.processes import Supervisor
from launcher.valkey import Valkey

# What Django reads; a value that the user has set wins over ours.
DJANGO_SECRETS = ("SECRET_KEY", "KEY_RING", "FINGERPRINT_KEY")


class Stack:
    def __init__(self, home: Home, throwaway: bool = False):
        self.home = home
        self.secrets = home.secrets()
        self.postgres = self.valkey = None
        if not os.environ.get("DATABASE_URL"):
            self.postgres = Postgres(home, self.secrets["DATABASE_PASSWORD"], throwaway)
        if not os.environ.get("REDIS_URL"):
            self.valkey = Valkey(home, self.secrets["REDIS_PASSWORD"])

    def start(self, supervisor: Supervisor) -> None:
        """Starts the servers that are ours and waits for all."""
        if self.postgres:
            self.postgres.prepare()
            supervisor.start(self.postgres.program())
        if self.valkey:
            self.valkey.prepare()
            supervisor.start(self.valkey.program())
        if self.postgres:
            # Long, because recovery after a crash may take its time.
            supervisor.wait_until(self.postgres.is_ready, 120, "PostgreSQL")
            say(f"PostgreSQL listens on 127.0.0.1:{self.postgres.port}")
        else:
            _require_reachable("DATABASE_URL", ("postgres", "postgresql", "psql", "pgsql"), 5432)
        if self.valkey:
            supervisor.wait_until(self.valkey.is_ready, 30, "Valkey")
            say(f"Valkey listens on 127.0.0.1:{self.valkey.port}")
        else:
            _require_reachable("REDIS_URL", ("redis", "rediss"), 6379)

    def find(self) -> None:
        """Points at the servers that another launcher has started on this folder."""
        for name, server in (("postgres", self.postgres), ("valkey", self.valkey)):
            if server:
                server.port = self.home.known_port(name)

    def environment(self) -> dict[str, str]:
        environment = {name: os.environ.get(name) or self.secrets[name] for name in DJANGO_SECRETS}
        if self.postgres:
            environment["DATABASE_URL"] = self.postgres.url
            # psql for `manage.py dbshell`.
            environment["PATH"] = f"{self.postgres.bin}:{os.environ.get('PATH', os.defpath)}"
        if self.valkey:
            environment["REDIS_URL"] = self.valkey.url
        return environment


def _require_reachable(variable: str, schemes: tuple[str, ...], default_port: int) -> None:
    """For a server that is not ours. What the address means beyond scheme, host and port is for Django to judge."""
    address = urlsplit(os.environ[variable])
    if address.scheme not in schemes:
        raise Problem(f"{variable} must begin with {schemes[0]}://, not with {address.scheme or 'nothing'}://.")
    try:
        host, port = address.hostname, address.port or default_port
    except ValueError:
        raise Problem(f"{variable} is not an address: its port is not a number.") from None
    if not host or host.startswith("%2f"):
        return
    deadline = time.monotonic() + 10
    while not machine.answers(host, port):
        if time.monotonic() > deadline:
            raise Problem(f"{variable} points at {host}:{port}, where nothing answers. Start that server, or unset it.")
        time.sleep(0.3)
    say(f"using the server at {host}:{port} ({variable})")
