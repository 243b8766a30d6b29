"""bin/up when things go wrong: killed, out of disk, as other users, on other servers."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from launcher import machine
from launcher.environment import ROOT
from tests.launcher.conftest import Up, clean_environment, manage, ports, processes_of

pytestmark = pytest.mark.full


def wait_for_none(data, seconds=30):
    deadline = time.monotonic() + seconds
    while left := processes_of(data):
        assert time.monotonic() < deadline, [(pid, Path(f"/proc/{pid}/cmdline").read_text()) for pid in left]
        time.sleep(0.1)


def test_a_killed_launcher_leaves_nobody_and_nothing_lost(place):
    shop = Up(place / "killed").ready()
    assert manage(shop.data, "dbshell", "--", "-c", "CREATE TABLE kept AS SELECT 7 AS number").returncode == 0
    assert len(processes_of(shop.data)) > 10
    shop.process.kill()
    shop.wait_for_end()
    wait_for_none(shop.data)
    again = Up(shop.data, port=shop.port).ready()
    answer = manage(shop.data, "dbshell", "--", "-Atc", "SELECT number FROM kept")
    assert answer.stdout == "7\n", answer.stderr
    assert again.stop() == 0


def test_orphans_of_a_massacre_are_ended_by_the_next_start(place):
    """The launcher and what it started die at once; their own children stay, and hold the port."""
    shop = Up(place / "massacre").ready()
    web, postgres = shop.pid("web"), shop.pid("postgres")
    # Frozen first, so that the kernel's word reaches them too late to be acted upon.
    for pid in (web, postgres):
        os.kill(pid, signal.SIGSTOP)
    shop.process.kill()
    shop.wait_for_end()
    os.kill(web, signal.SIGKILL)
    time.sleep(1)
    orphans = processes_of(shop.data)
    assert postgres in orphans
    again = Up(shop.data, port=shop.port).ready()
    assert again.get("/readyz") == 200
    assert not set(orphans) & set(processes_of(shop.data))
    assert again.stop() == 0


@pytest.mark.parametrize("seconds", [0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 3.0, 5.0])
def test_a_start_killed_at_any_moment_is_followed_by_a_good_one(place, seconds):
    data = place / f"early-{seconds}"
    first = Up(data)
    time.sleep(seconds)
    first.process.kill()
    first.wait_for_end()
    # The same set-up of the servers, and sooner done than a whole shop.
    answer = manage(data, "dbshell", "--", "-Atc", "SELECT 1")
    assert answer.stdout == "1\n", answer.stderr
    assert processes_of(data) == []


def test_ctrl_c_during_the_set_up_stops_what_runs(place):
    shop = Up(place / "early")
    shop.wait_for("PostgreSQL listens on")
    assert shop.stop(signal.SIGINT) == 130
    assert "Traceback" not in shop.output
    assert processes_of(shop.data) == []


def test_servers_of_the_users_own_are_used_and_left_running(place):
    """DATABASE_URL and REDIS_URL, here of a cluster that another launcher keeps."""
    host = Up(place / "host").ready()
    address = f"postgres://kameng:{secret(host, 'DATABASE_PASSWORD')}@127.0.0.1:{ports(host.data)['postgres']}"
    made = manage(host.data, "dbshell", "--", "-c", "CREATE DATABASE guest")
    assert made.returncode == 0, made.stderr
    redis = f"redis://:{secret(host, 'REDIS_PASSWORD')}@127.0.0.1:{ports(host.data)['valkey']}/5"
    guest = Up(place / "guest", DATABASE_URL=f"{address}/guest", REDIS_URL=redis).ready()
    assert not (guest.data / "postgres").exists()
    assert f"using the server at 127.0.0.1:{ports(host.data)['postgres']} (DATABASE_URL)" in guest.output
    tables = manage(host.data, "dbshell", "--", "-Atc", r"\dt", DATABASE_URL=f"{address}/guest")
    assert "django_migrations" in tables.stdout
    assert guest.stop() == 0
    assert host.get("/readyz") == 200
    assert host.stop() == 0


def secret(shop, name):
    lines = (shop.data / "secrets.env").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(name + "="))


def test_a_server_that_does_not_answer_is_named(place):
    nobody = machine.free_port()
    shop = Up(place / "nobody", DATABASE_URL=f"postgres://u:p@127.0.0.1:{nobody}/x")
    assert shop.wait_for_end() == 1
    assert f"DATABASE_URL points at 127.0.0.1:{nobody}, where nothing answers" in shop.output


def test_root_without_namespaces_hands_the_cluster_to_nobody(place):
    """A container's root may not open a namespace; `unshare` here refuses as it does there."""
    tools = place / "tools"
    tools.mkdir()
    (tools / "unshare").write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n")
    (tools / "unshare").chmod(0o755)
    variables = {"PATH": f"{tools}:{os.environ['PATH']}"}
    # Closed to others, like root's own folder.
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    shop = Up(closed / "data", **variables).ready()
    owner = (shop.data / "postgres").stat().st_uid
    assert owner == (65534 if os.geteuid() == 0 else os.geteuid())
    assert shop.stop() == 0
    # And back where namespaces are allowed.
    assert Up(closed / "data").ready().stop() == 0


def can_mount():
    return subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode == 0


# A small disk can only be made where user namespaces are allowed; elsewhere there is nothing to test it on.
SIZES = [(50, "a new database needs 200 MB"), (220, "No space left on device")] if can_mount() else []


@pytest.mark.parametrize(("megabytes", "words"), SIZES)
def test_a_full_disk_is_told_and_healed_by_space(place, megabytes, words):
    disk = place / f"disk-{megabytes}"
    disk.mkdir()
    fill = f"head -c 215M /dev/zero > '{disk}/filler'" if megabytes > 200 else "true"
    up = f"'{ROOT}/bin/up' --no-demo --port {machine.free_port()} --data-dir '{disk}/data'"
    script = (
        f"mount -t tmpfs -o size={megabytes}m disk '{disk}' && {fill}; {up}; code=$?; ls -a '{disk}/data'; exit $code"
    )
    answer = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=clean_environment()
    )
    text = answer.stdout + answer.stderr
    assert answer.returncode == 1, text
    assert "disk of" in text or "disk is full" in text, text
    assert "Traceback" not in text
    # No half a cluster where a later start would look for a whole one.
    assert "postgres\n" not in answer.stdout


@pytest.fixture
def somebody(place):
    """An ordinary user with a clone and a home of their own. Only root can act as one."""
    user = pwd.getpwnam("daemon").pw_uid
    folder = place / "somebody"
    folder.mkdir()
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "clone"], check=True)
    subprocess.run(["cp", "-r", ROOT / "launcher", folder / "clone"], check=True)
    (folder / "home").mkdir()
    subprocess.run(["chown", "-R", str(user), folder], check=True)
    return user


@pytest.mark.parametrize("named", [True, False] if os.geteuid() == 0 else [])
def test_an_ordinary_user_from_a_fresh_clone(place, somebody, named):
    """And one that is a bare number, as containers like it."""
    user = somebody if named else 54321
    folder = place / "somebody"
    subprocess.run(["chown", "-R", str(user), folder], check=True)
    system = {"HOME": str(folder / "home"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    shop = Up(folder / "data", root=folder / "clone", user=user, **system)
    shop.wait_for("kameng is ready", 600)
    assert (shop.data / "postgres").stat().st_uid == user
    assert shop.get("/readyz") == 200
    assert shop.stop() == 0
    assert processes_of(shop.data) == []
    shutil.rmtree(folder)
