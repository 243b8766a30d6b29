"""PostgreSQL clusters that keep a second copy of their log elsewhere, as docs/recovery.md says, and can be brought back from it."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

from launcher import machine
from launcher.home import Home
from launcher.postgres import DATABASE, SETTINGS, Postgres

PASSWORD = "only-for-tests"
STANDBY = "copy"


class Cluster:
    """One server on a data folder of its own. `log_copy` is where the other machine keeps the log."""

    def __init__(self, folder: Path, log_copy: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.log_copy = folder, log_copy
        home = Home(folder)
        home.open()
        self.postgres = Postgres(home, PASSWORD)
        self.process: subprocess.Popen | None = None
        self.settings: dict[str, str] = {"wal_level": "replica"}

    @property
    def url(self) -> str:
        return self.postgres.url

    @property
    def data(self) -> Path:
        return self.postgres.data

    @property
    def _rights(self) -> list[str]:
        return self.postgres._rights(self.data)

    def create(self) -> None:
        """A new cluster whose owner may also stream its log, and that waits at each commit for the copy of it."""
        self.postgres.prepare()
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")
        self._as_superuser(f"ALTER ROLE {DATABASE} REPLICATION;", f"GRANT pg_read_all_stats TO {DATABASE};")
        self.settings["synchronous_standby_names"] = STANDBY

    def start(self) -> None:
        if not self.postgres.port:
            self.postgres.port = machine.free_port()
        settings = {**SETTINGS, **self.settings, "port": str(self.postgres.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*self._rights, str(self.postgres.bin / "postgres"), "-D", str(self.data), *options]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
        deadline = time.monotonic() + 300
        while not self.postgres.is_ready():
            assert self.process.poll() is None, (self.folder / "postgres.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "the server does not get ready"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()

    def destroy(self) -> None:
        """The machine is gone: every process killed, every file of the database removed."""
        self.process.kill()
        self.process.wait()
        self.postgres.end_orphans()
        shutil.rmtree(self.data)

    def tool(self, name: str, *arguments: str) -> list[str]:
        return [str(self.postgres.bin / name), *arguments]

    def stream_log(self) -> subprocess.Popen:
        """pg_receivewal on the other machine; a commit returns once its copy is on disk there."""
        self.log_copy.mkdir(exist_ok=True)
        receive = self.tool(
            "pg_receivewal", "--directory", str(self.log_copy), "--slot", STANDBY, "--dbname", self._dsn(STANDBY)
        )
        with (self.folder / "receive.log").open("ab") as log:
            subprocess.run([*receive, "--create-slot", "--if-not-exists"], check=True, stdout=log, stderr=log)
            streaming = subprocess.Popen(
                [*receive, "--synchronous"], stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + 60
        while self._ask("SELECT sync_state FROM pg_stat_replication") != "sync":
            assert time.monotonic() < deadline, (self.folder / "receive.log").read_text()
            time.sleep(0.1)
        return streaming

    def back_up(self, to: Path) -> None:
        """A base backup while the shop sells, checked."""
        copy = self.tool(
            "pg_basebackup", "--pgdata", str(to), "--checkpoint=fast", "--wal-method=none", "--dbname", self._dsn()
        )
        subprocess.run(copy, check=True, capture_output=True, text=True)
        check = self.tool("pg_verifybackup", "--no-parse-wal", str(to))
        subprocess.run(check, check=True, capture_output=True, text=True)

    def restore(self, backup: Path) -> None:
        """A new server from a base backup and the copied log, up to the last commit in it."""
        shutil.copytree(backup, self.data)
        self.data.chmod(0o700)
        (self.data / "postgresql.auto.conf").write_text("")
        (self.data / "recovery.signal").touch()
        # The segment that was being written has an ending of its own.
        wanted = f"'{self.log_copy}/%f'"
        fetch = f"cp {wanted} '%p' || cp {wanted[:-1]}.partial' '%p'"
        self.settings = {**self.settings, "restore_command": fetch, "recovery_target_timeline": "latest"}

    def is_open(self) -> bool:
        """Whether recovery is over and writes are taken."""
        return self._ask("SELECT pg_is_in_recovery()") == "f"

    def _dsn(self, application: str = "drill") -> str:
        where = f"host=127.0.0.1 port={self.postgres.port} user={DATABASE} password={PASSWORD} dbname={DATABASE}"
        return f"{where} application_name={application}"

    def _ask(self, sql: str) -> str:
        command = self.tool("psql", "-X", "-A", "-t", "-c", sql, self._dsn())
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _as_superuser(self, *statements: str) -> None:
        command = [
            *self._rights,
            str(self.postgres.bin / "postgres"),
            "--single",
            "-j",
            "-D",
            str(self.data),
            "postgres",
        ]
        text = "".join(f"{one}\n\n" for one in statements)
        ran = subprocess.run(command, input=text, text=True, check=True, capture_output=True, cwd="/")
        assert "ERROR" not in ran.stdout + ran.stderr, ran.stderr
