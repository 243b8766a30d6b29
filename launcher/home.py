"""The data folder of one running shop: who may use it, its secrets, its remembered ports."""

import argparse
import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher import machine
from launcher.console import Problem, say

# Every process that we start carries this variable, so that a later start can tell its own orphans from strangers.
MARK = "KAMENG_LAUNCHED_FOR"

SECRETS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "KEY_RING": lambda: "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
    "FINGERPRINT_KEY": lambda: secrets.token_urlsafe(48),
    "DATABASE_PASSWORD": lambda: secrets.token_urlsafe(24),
    "REDIS_PASSWORD": lambda: secrets.token_urlsafe(24),
}
# Without these what is stored can no longer be read, so they are never made anew beside existing data.
IRREPLACEABLE = ("KEY_RING", "FINGERPRINT_KEY", "DATABASE_PASSWORD")

# What may be there before us. bin/test, bin/bench and torture keep theirs within the folder of bin/up.
NOT_OTHERS = {"lost+found", "test", "bench", "torture"}


def folder_name(text: str) -> str:
    """--data-dir, for argparse: an empty variable in somebody's script must not mean the folder they are in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name is no folder")
    return text


class Home:
    def __init__(self, path: str | Path):
        self.path = Path(path).resolve()
        self._lock: int | None = None

    def open(self) -> None:
        """Creates the folder and takes it for this process. Raises Problem when it is somebody else's or in use."""
        try:
            # 0711: PostgreSQL may have to run as another user and pass through; the files inside are private.
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._require_ours()
            self._take_lock()
        except OSError as error:
            raise Problem(
                f"The data folder {self.path} cannot be used: {error.strerror}.\n"
                "Start as the user it belongs to, or choose another folder with --data-dir."
            ) from None

    def _require_ours(self) -> None:
        """Secrets and databases do not go between somebody's files. A mounted disk has its lost+found."""
        if not (self.path / "lock").exists() and any(one.name not in NOT_OTHERS for one in self.path.iterdir()):
            raise Problem(
                f"The folder {self.path} holds other things and no data of a shop.\n"
                "Choose an empty folder, or one that is not there yet, with --data-dir."
            )

    def _take_lock(self) -> None:
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            holder = self.holder()
            raise Problem(
                f"The data folder {self.path} is in use by process {holder.get('pid', '?')}"
                f"{', the shop at ' + holder['url'] if holder.get('url') else ''}.\n"
                "Stop that one first (Ctrl-C, or kill with its number), or choose another folder with --data-dir."
            ) from None
        self._lock = lock
        self.announce()

    def announce(self, **facts: Any) -> None:
        """Writes who holds the lock, and facts about it, for whoever finds it held."""
        assert self._lock is not None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)

    def holder(self) -> dict[str, Any]:
        try:
            found = json.loads((self.path / "lock").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_held(self) -> bool:
        """Whether another process runs on this folder."""
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def end_orphans(self) -> None:
        """Ends what a killed launcher left behind. Only while holding the lock: then nobody else's can be there."""
        mark = f"{MARK}={self.path}".encode()
        orphans = machine.processes_where(lambda proc: mark in (proc / "environ").read_bytes().split(b"\0"))
        if orphans:
            say(f"ending {len(orphans)} processes that an earlier start left behind")
            machine.end_processes(orphans, signal.SIGTERM, patience=5)

    def folder(self, name: str) -> Path:
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def port(self, name: str) -> int:
        """A free port for `name`, the same as last time when possible."""
        ports = self.ports()
        taken = {value for key, value in ports.items() if key != name}
        port = ports.get(name, 0)
        while not 0 < port < 65536 or port in taken or not machine.is_port_free(port):
            port = machine.free_port()
        self.replace(self.path / "ports.json", json.dumps({**ports, name: port}, indent=1))
        return port

    def known_port(self, name: str) -> int:
        """The port that the process which holds this folder has chosen for `name`."""
        try:
            return self.ports()[name]
        except KeyError:
            raise Problem(
                f"The shop on {self.path} has not started its {name}. Wait until it is ready; if it runs on a server of "
                "your own, set the same DATABASE_URL and REDIS_URL here."
            ) from None

    def ports(self) -> dict[str, int]:
        try:
            return {key: int(value) for key, value in json.loads((self.path / "ports.json").read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def secrets(self) -> dict[str, str]:
        """The secrets of this folder, made on first use and kept in secrets.env.

        Raises Problem when they are gone but the data that they open is still there."""
        file = self.path / "secrets.env"
        stored = {}
        with contextlib.suppress(FileNotFoundError):
            lines = file.read_text().splitlines()
            stored = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        missing = [name for name in SECRETS if not stored.get(name)]
        lost = [name for name in missing if name in IRREPLACEABLE]
        if lost and (self.path / "postgres").exists():
            raise Problem(
                f"{file} has no {', '.join(lost)}, but {self.path / 'postgres'} holds data that needs it.\n"
                "Put the file back from a backup. Without it the card keys in the database cannot be read any more;\n"
                f"to begin anew with an empty shop, move {self.path} away."
            )
        if missing:
            stored.update({name: SECRETS[name]() for name in missing})
            head = "# Made by bin/up on its first start. Back this up with the data: without it no stored key opens.\n"
            self.replace(file, head + "".join(f"{name}={value}\n" for name, value in stored.items()))
        return stored

    def replace(self, file: Path, text: str) -> None:
        """Writes a private file so that it is there whole or not at all, whenever the power goes."""
        fresh = file.with_name(file.name + ".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(file)
