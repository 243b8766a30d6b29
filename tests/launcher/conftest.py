"""The launcher is tested from outside: real processes on real folders."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from launcher import environment, machine
from launcher.environment import ROOT
from launcher.home import MARK

# A launcher that these tests start must find what a user's would: no servers, no settings of the test run.
NOT_INHERITED = (
    "DATABASE_URL",
    "REDIS_URL",
    "KAMENG_ENV",
    "SECRET_KEY",
    "KEY_RING",
    "FINGERPRINT_KEY",
    "PUBLIC_URL",
    MARK,
)


# A shell that starts us in the background leaves SIGINT ignored, and so it would be for every bin/up that we press Ctrl-C in.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def clean_environment(**changes: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if name not in NOT_INHERITED}, **changes}


class Up:
    """One run of bin/up."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        port: int = 0,
        root: Path = ROOT,
        user: int = 0,
        demo: bool = False,
        logs: Path | None = None,
        **variables: str,
    ):
        self.data = data
        self.port = port or machine.free_port()
        self.log = (logs or data.parent) / f"up-{self.port}.log"
        words = [str(root / "bin/up"), "--data-dir", str(data), "--port", str(self.port), *arguments]
        words += [] if demo else ["--no-demo"]
        if user:
            words = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *words]
        with self.log.open("wb") as target:
            self.process = subprocess.Popen(
                words, env=clean_environment(**variables), stdout=target, stderr=subprocess.STDOUT, cwd="/"
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, f"bin/up ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.output}"
            time.sleep(0.1)

    def ready(self) -> "Up":
        self.wait_for("kameng is ready")
        return self

    def wait_for_end(self, seconds: float = 90) -> int:
        return self.process.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait_for_end()

    def pid(self, name: str) -> int:
        """The process that the launcher started for one of its programs."""
        words = {
            "web": b"granian",
            "worker": b"worker",
            "beat": b"beat",
            "sandbox": b"sandbox",
            "postgres": b"postgres",
            "valkey": b"valkey-server",
        }[name]
        for pid in processes_of(self.data):
            stat = Path(f"/proc/{pid}/stat").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if int(stat.rpartition(")")[2].split()[1]) == self.process.pid and words in command:
                return pid
        raise AssertionError(f"{name} does not run:\n{self.output}")

    def get(self, path: str) -> int:
        """The status of a page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


def processes_of(data: Path) -> list[int]:
    """Every process that works for this data folder, PostgreSQL's own children too."""
    mark = f"{MARK}={data}".encode()

    def belongs(proc: Path) -> bool:
        return mark in (proc / "environ").read_bytes().split(b"\0") or (proc / "cwd").readlink() == data / "postgres"

    return machine.processes_where(belongs)


def manage(data: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [str(ROOT / "bin/manage"), "--data-dir", str(data), *arguments]
    return subprocess.run(words, capture_output=True, text=True, env=clean_environment(**variables))


@pytest.fixture(scope="session", autouse=True)
def _installed():
    """So that a bin/up under test finds its environment made, and does not take the test's own packages away."""
    environment.prepare("requirements-test.txt")


@pytest.fixture(scope="module")
def place():
    """A folder whose name has what folder names may have, open to every user."""
    folder = Path(tempfile.mkdtemp(prefix="kameng 卡盟 ")).resolve()
    folder.chmod(0o755)
    yield folder
    end_everything_of(folder)
    shutil.rmtree(folder)


def end_everything_of(folder: Path) -> None:
    """What a failed test may have left: launchers first, or they would start their programs again."""
    name = str(folder).encode()
    for file in ("cmdline", "environ"):
        left = machine.processes_where(lambda proc, file=file: name in (proc / file).read_bytes())
        machine.end_processes(left, signal.SIGKILL, patience=5)


def ports(data: Path) -> dict[str, int]:
    return json.loads((data / "ports.json").read_text())


def lines_in_order(output: str, *patterns: str) -> None:
    """Asserts that lines which match the patterns come one after the other."""
    position = 0
    for pattern in patterns:
        found = re.compile(pattern).search(output, position)
        assert found, f"{pattern!r} does not follow in:\n{output[position:]}"
        position = found.end()
