"""The set-up of .venv, each in a clone of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from launcher.environment import ROOT
from tests.launcher.conftest import clean_environment

pytestmark = pytest.mark.full

PREPARE = "from launcher import console, environment; "
PREPARE += "raise SystemExit(console.guarded(lambda _: environment.prepare('requirements-local.txt'), []))"


@pytest.fixture
def clone(tmp_path):
    """What git holds plus what is not committed yet, without .venv."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    subprocess.run(["cp", "-r", ROOT / "launcher", folder], check=True)
    return folder


def prepare(clone, python=sys.executable, **variables):
    return subprocess.Popen(
        [python, "-c", PREPARE],
        cwd=clone,
        env=clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def imports(clone, name):
    return subprocess.run([clone / ".venv/bin/python", "-c", f"import {name}"], capture_output=True).returncode == 0


def test_made_once_and_again_only_when_something_changed(clone):
    assert "installing" in prepare(clone).communicate()[0]
    assert imports(clone, "django")
    began = time.monotonic()
    assert prepare(clone).communicate()[0] == ""
    assert time.monotonic() - began < 5

    lock = clone / "requirements-local.txt"
    lock.write_text(lock.read_text() + "# changed\n")
    assert "installing" in prepare(clone).communicate()[0]

    # The Python under it went away with an upgrade.
    (clone / ".venv/bin/python").unlink()
    (clone / ".venv/bin/python").symlink_to("/nonexistent/python3")
    assert "creating .venv" in prepare(clone).communicate()[0]
    assert imports(clone, "django")


def test_two_at_once_wait_for_each_other(clone):
    both = [prepare(clone), prepare(clone)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("creating .venv" in output for output in outputs) == 1
    assert imports(clone, "django")


def test_a_killed_set_up_is_done_again(clone):
    first = prepare(clone)
    for line in first.stdout:
        if line.startswith("· installing") and "packages" in line:
            break
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (clone / ".venv/kameng-stamp.json").exists()
    second = prepare(clone)
    output, _ = second.communicate()
    assert second.returncode == 0, output
    assert imports(clone, "django")
    assert "python" in json.loads((clone / ".venv/kameng-stamp.json").read_text())


def test_a_package_that_is_not_the_locked_one_is_refused(clone):
    lock = clone / "requirements-local.txt"
    before, name, after = lock.read_text().partition("\nnh3==")
    hashes, end, rest = after.partition("# via")
    lock.write_text(before + name + re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, hashes) + end + rest)
    process = prepare(clone)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "hash" in output.lower()
    assert "could not be installed (see above)" in output
    assert "Traceback" not in output
    assert not (clone / ".venv/kameng-stamp.json").exists()


def test_pips_mirror_serves_uv_too(clone, tmp_path):
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\nindex-url = http://127.0.0.1:9/mirror/simple\nretries = 0\n")
    subprocess.run([sys.executable, "-m", "venv", clone / ".venv"], check=True)
    script = "from launcher import environment; print(environment._uv_environment()['UV_DEFAULT_INDEX'])"
    variables = {**clean_environment(PIP_CONFIG_FILE=str(configuration), HOME=str(tmp_path))}
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "PIP_INDEX_URL"):
        variables.pop(name, None)
    answer = subprocess.check_output([sys.executable, "-c", script], cwd=clone, env=variables, text=True)
    assert answer.strip() == "http://127.0.0.1:9/mirror/simple"


def test_a_python_without_venv_is_told_debians_package(clone, tmp_path):
    """As Debian ships it: everything but ensurepip."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text("import sys; sys.modules['ensurepip'] = None")
    process = prepare(clone, PYTHONPATH=str(tmp_path))
    output, _ = process.communicate()
    assert process.returncode == 1
    wanted = "python{}.{}-venv".format(*sys.version_info[:2])
    assert f"{'' if os.geteuid() == 0 else 'sudo '}apt install {wanted}\n" in output
    assert not (clone / ".venv").exists()
