"""PostgreSQL on a disk that is small enough to fill: a tmpfs in a mount namespace of its own, which ends with us."""

import os
import signal
import subprocess
from dataclasses import replace

import psycopg
from psycopg import errors

from launcher import machine
from launcher.home import MARK
from launcher.postgres import NOBODY
from launcher.processes import Program
from torture.servers import Running, wait_until
from torture.stage import Stage

# More than the cluster needs; and more than that while somebody clears up.
SPARE, RESCUE = 48, 400
# Two segments of WAL must fit into what is spare.
SETTINGS = ("-c", "max_wal_size=32MB", "-c", "min_wal_size=32MB", "-c", "wal_recycle=off")
_FILL = """
INSERT INTO filler SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 400) AS row, generate_series(1, 60)
GROUP BY row
"""


class CannotMount(Exception):
    """This machine lets us mount nothing."""


class SmallDisk:
    """Use as a context manager: the stage's PostgreSQL moves onto the small disk, and on leaving back to its own."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.data = stage.server.data
        self.fills = 0

    def __enter__(self) -> "SmallDisk":
        as_root = os.geteuid() == 0
        inside = ["unshare", "--mount"] if as_root else ["unshare", "--user", "--map-root-user", "--mount"]
        if subprocess.run([*inside, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
            raise CannotMount
        self._stop_own()
        self.size = _megabytes(self.data) + SPARE
        script = (
            'mkdir -p "$0.disk" && mount -t tmpfs -o size="$1"m,mode=700 tmpfs "$0.disk" && cp -a "$0/." "$0.disk/"'
            ' && mount --bind "$0.disk" "$0" && echo ready && exec sleep infinity'
        )
        self.holder = subprocess.Popen(
            [*inside, "sh", "-c", script, str(self.data), str(self.size)],
            stdout=subprocess.PIPE,
            env={**os.environ, MARK: str(self.stage.home.path)},
            preexec_fn=machine.tied_to_us(signal.SIGKILL),
        )
        if self.holder.stdout.readline() != b"ready\n":
            self._back()
            raise CannotMount
        enter = ["nsenter", "--target", str(self.holder.pid), "--mount"]
        enter += [] if as_root else ["--user", "--preserve-credentials"]
        self.enter = enter
        program = self.stage.server.program()
        words = program.command if as_root else self._as_nobody(program)
        there = replace(program, command=[*enter, "--", *words, *SETTINGS], before_start=None)
        self.running = Running(there, self.stage.log, self._answers)
        self.running.start()
        self.stage.reconnect()
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.reconnect()
        self.running.stop()
        self._back()

    def _as_nobody(self, program: Program) -> list[str]:
        """Root of the namespace is refused as the real one is."""
        start = next(number for number, word in enumerate(program.command) if word.endswith("/postgres"))
        who = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
        return [*who, *program.command[start:]]

    def _stop_own(self) -> None:
        self.stage.reconnect()
        self.stage.postgres.stop()

    def _back(self) -> None:
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.stage.postgres.start()
        self.stage.reconnect()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.stage.database_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def fill(self) -> None:
        """Until not even a row fits; the server may end over it."""
        self.fills += 1
        try:
            with psycopg.connect(self.stage.database_url, autocommit=True) as link:
                link.execute("CREATE UNLOGGED TABLE IF NOT EXISTS filler (x text STORAGE EXTERNAL)")
                while True:
                    link.execute(_FILL)
        except (errors.DiskFull, psycopg.OperationalError):
            return

    def clear(self) -> bool:
        """What an operator does: more room, a start where that is needed, and the big thing deleted. Whether it was down."""
        self._resize(self.size + RESCUE)
        was_down = not self.running.is_alive
        if was_down:
            self.running.kill()
            self.running.start()
        wait_until(self._answers, 60, "PostgreSQL after the disk was full")
        with psycopg.connect(self.stage.database_url, autocommit=True) as link:
            link.execute("DROP TABLE IF EXISTS filler")
        self.size = max(self.size, self._used() + SPARE)
        self._resize(self.size)
        return was_down

    def _resize(self, megabytes: int) -> None:
        command = [*self.enter, "--", "mount", "-o", f"remount,size={megabytes}m", str(self.data)]
        subprocess.run(command, check=True, capture_output=True)

    def _used(self) -> int:
        command = [*self.enter, "--", "du", "-sm", str(self.data)]
        return int(subprocess.run(command, check=True, capture_output=True).stdout.split()[0])


def _megabytes(folder: object) -> int:
    return int(subprocess.run(["du", "-sm", str(folder)], check=True, capture_output=True).stdout.split()[0])
