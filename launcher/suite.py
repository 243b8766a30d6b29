"""bin/test: every test, on throw-away servers of its own."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from launcher import environment, machine
from launcher.console import say, warn
from launcher.environment import HOME, PYTHON, ROOT
from launcher.home import MARK, Home, folder_name
from launcher.processes import Program, Supervisor
from launcher.stack import Stack

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-cjk")
NO_TESTS = 5


def main(arguments: list[str]) -> int:
    options, rest = _parser().parse_known_args(arguments)
    home = Home(options.data_dir)
    home.open()
    environment.prepare("requirements-test.txt")
    machine.require_space(home.path, 500, "the test run")
    home.end_orphans()
    shutil.rmtree(home.path / "postgres", ignore_errors=True)
    missing = install_missing(missing_packages())
    log = home.path / "servers.log"
    log.unlink(missing_ok=True)
    with Supervisor({MARK: str(home.path)}, log=log) as supervisor:
        stack = Stack(home, throwaway=True)
        stack.start(supervisor)
        # Bytecode is kept: the tests start a hundred processes, and each would compile the whole shop again.
        variables = {**stack.environment(), "KAMENG_ENV": "test", "PYTHONDONTWRITEBYTECODE": ""}
        if browser():
            variables["CHROMIUM"] = browser()
        untested = bool(missing) and _selects_browser_tests(options, rest, variables)
        command = pytest_command(options, rest, without_browser=untested)
        say(" ".join(["pytest", *command[3:]]))
        code = supervisor.run_in_foreground(Program("pytest", command, variables))
    shutil.rmtree(home.path / "postgres", ignore_errors=True)
    if untested:
        warn(f"The browser tests did not run: this machine lacks {' and '.join(missing)}, and may not install them.")
        warn(f"Install them with:  sudo apt install {' '.join(missing)}")
        return code or 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/test",
        description="Runs the tests on servers of their own, or on those of DATABASE_URL and REDIS_URL. "
        "What is not named here goes to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--full", action="store_true", help="also the long tests, marked `full`")
    parser.add_argument("-m", dest="marks", default="", metavar="MARKEXPR", help="as in pytest")
    parser.add_argument(
        "--data-dir",
        type=folder_name,
        default=ROOT / "var" / "test",
        help="where the servers keep their data (var/test)",
    )
    return parser


def pytest_command(options: argparse.Namespace, rest: list[str], without_browser: bool = False) -> list[str]:
    command = [str(PYTHON), "-m", "pytest", *_marks(options, "not browser" if without_browser else "")]
    if not _chooses_workers(rest):
        # Two at a time. By files, because the tests of one may share a running shop; xdist's groups are broken as of
        # xdist 3.8 with pytest 9.2.
        # They are handed out in the order of tests/conftest.py: those that take long first.
        command += ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    return [*command, *rest]


def _marks(options: argparse.Namespace, further: str) -> list[str]:
    wanted = [options.marks, "" if options.full else "not full", further]
    expression = " and ".join(f"({part})" for part in wanted if part)
    return ["-m", expression] if expression else []


def _chooses_workers(rest: list[str]) -> bool:
    """Whether the caller decides about parallel runs, or wants a debugger, which cannot work in parallel."""
    alone = {"-n", "--numprocesses", "--pdb", "--trace", "-p=no:xdist", "-pno:xdist", "--collect-only", "--co"}
    return (
        any(word in alone or word.startswith(("--numprocesses=", "-n")) for word in rest)
        or ("-p", "no:xdist") in zip(rest, rest[1:], strict=False)
    )  # fmt: skip


def _selects_browser_tests(options: argparse.Namespace, rest: list[str], variables: dict[str, str]) -> bool:
    command = [
        str(PYTHON),
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:xdist",
        *_marks(options, "browser"),
        *rest,
    ]
    answer = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True)
    return answer.returncode != NO_TESTS


def browser() -> str:
    """The browser to test with: what CHROMIUM names, else what is installed. Empty when there is none."""
    named = os.environ.get("CHROMIUM", "")
    return named or next((path for name in BROWSERS if (path := shutil.which(name))), "")


def missing_packages() -> list[str]:
    missing = [] if browser() else [PACKAGES[0]]
    folders = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), HOME / ".fonts")
    if not any(True for folder in folders for _ in folder.rglob("*CJK*")):
        missing.append(PACKAGES[1])
    return missing


def install_missing(packages: list[str]) -> list[str]:
    """Installs Debian packages where this user may. Returns what is still missing."""
    if not packages:
        return []
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if not shutil.which("apt-get") or (sudo and not _may_sudo()):
        return packages
    say(f"installing {' and '.join(packages)} for the browser tests")
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    for step in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        answer = subprocess.run([*sudo, *quiet, *step], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if answer.returncode:
            sys.stdout.write(answer.stdout.decode(errors="replace"))
    return missing_packages()


def _may_sudo() -> bool:
    return bool(shutil.which("sudo")) and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0
