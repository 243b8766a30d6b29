"""bin/test: what it hands to pytest, and what it does without a browser."""

import subprocess
from pathlib import Path

import pytest

from launcher import suite
from launcher.environment import ROOT
from tests.launcher.conftest import clean_environment


def command(*arguments, without_browser=False):
    options, rest = suite._parser().parse_known_args(list(arguments))
    return suite.pytest_command(options, rest, without_browser)[3:]


TWO = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


@pytest.mark.parametrize(
    ("given", "handed_over"),
    [
        ([], ["-m", "(not full)", *TWO]),
        (["--full"], TWO),
        (["-m", "browser or slow"], ["-m", "(browser or slow) and (not full)", *TWO]),
        (["-mbrowser", "--full"], ["-m", "(browser)", *TWO]),
        (["tests/wallet", "-k", "a and b", "-x"], ["-m", "(not full)", *TWO, "tests/wallet", "-k", "a and b", "-x"]),
        (["-n", "0"], ["-m", "(not full)", "-n", "0"]),
        (["-n4"], ["-m", "(not full)", "-n4"]),
        (["--numprocesses=4"], ["-m", "(not full)", "--numprocesses=4"]),
        (["-p", "no:xdist"], ["-m", "(not full)", "-p", "no:xdist"]),
        (["--pdb"], ["-m", "(not full)", "--pdb"]),
    ],
)
def test_arguments_pass_through(given, handed_over):
    assert command(*given) == handed_over


def test_without_a_browser_its_tests_are_left_out():
    assert command(without_browser=True)[:2] == ["-m", "(not full) and (not browser)"]
    assert command("--full", "-m", "x", without_browser=True)[:2] == ["-m", "(x) and (not browser)"]


@pytest.fixture
def bare_machine(tmp_path):
    """A PATH on which there is no browser, no apt-get and no sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env", "python3", "readlink", "dirname", "unshare", "setpriv"):
        (folder / name).symlink_to(_which(name))
    return str(folder)


def _which(name):
    if name == "python3":
        # The real one, behind whatever a version manager puts before it.
        return subprocess.check_output(["python3", "-c", "import sys; print(sys.executable)"], text=True).strip()
    return subprocess.check_output(["sh", "-c", f"command -v {name}"], text=True).strip()


def run(data: Path, path: str, *arguments: str):
    words = [str(ROOT / "bin/test"), "--data-dir", str(data), "-p", "no:xdist", "-c", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        [*words, *arguments], env=clean_environment(PATH=path, CHROMIUM=""), capture_output=True, text=True
    )


@pytest.mark.full
def test_a_missing_browser_is_told_and_the_rest_runs(tmp_path, bare_machine):
    (tmp_path / "test_pages.py").write_text(
        "import os, pytest\n"
        "def test_servers_are_there():\n    assert os.environ['DATABASE_URL'] and os.environ['KAMENG_ENV'] == 'test'\n"
        "@pytest.mark.browser\ndef test_page():\n    assert False, 'ran without a browser'\n"
        "@pytest.mark.full\ndef test_long():\n    assert False, 'not in the fast lane'\n"
    )
    answer = run(tmp_path / "var", bare_machine, str(tmp_path / "test_pages.py"))
    assert "1 passed, 2 deselected" in answer.stdout, answer.stdout + answer.stderr
    assert "The browser tests did not run: this machine lacks chromium" in answer.stdout
    assert "sudo apt install chromium" in answer.stdout
    assert answer.returncode == 1


def test_what_is_missing_is_installed_where_that_is_allowed(bare_machine, monkeypatch):
    """apt-get and sudo are stand-ins that note what they are asked; everything else is as on a machine."""
    folder = Path(bare_machine)
    (folder / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n/bin/cp /bin/true {folder}/chromium\n')
    (folder / "sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    for name in ("apt-get", "sudo"):
        (folder / name).chmod(0o755)
    (folder / "true").symlink_to(_which("true"))
    monkeypatch.setenv("PATH", bare_machine)
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert suite.browser() == ""
    suite.install_missing(["chromium"])
    asked = (folder / "asked").read_text().splitlines()
    assert asked == ["--quiet=2 update", "--quiet=2 install --yes --no-install-recommends chromium"]
    assert suite.browser() == str(folder / "chromium")


@pytest.mark.full
def test_nothing_is_missed_when_no_browser_test_was_asked_for(tmp_path, bare_machine):
    (tmp_path / "test_sums.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    answer = run(tmp_path / "var", bare_machine, str(tmp_path / "test_sums.py"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "browser tests did not run" not in answer.stdout


@pytest.mark.full
def test_a_failing_test_fails_the_run(tmp_path, bare_machine):
    (tmp_path / "test_sums.py").write_text("def test_sum():\n    assert 1 + 1 == 3\n")
    answer = run(tmp_path / "var", bare_machine, str(tmp_path / "test_sums.py"))
    assert answer.returncode == 1
    assert "1 failed" in answer.stdout
