"""bin/up as a user meets it: a first start, what happens beside it, a stop, a second start."""

import json
import os
import re
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

from tests.launcher.conftest import Up, lines_in_order, manage, ports, processes_of


@pytest.fixture(scope="module")
def shop(place):
    """One running shop for all, in the order in which they stand here."""
    return Up(place / "data").ready()


def test_first_start_announces_where_to_go(shop):
    assert f"http://127.0.0.1:{shop.port}/admin/" in shop.output
    assert f"http://127.0.0.1:{ports(shop.data)['sandbox']}/" in shop.output
    assert shop.get("/healthz") == 200
    assert shop.get("/admin/login/") == 200


def test_everything_listens_on_this_machine_only(shop):
    own = {shop.port, *ports(shop.data).values()}
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        fields = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        listening |= {tuple(field[1].split(":")) for field in fields if field[3] == "0A"}
    found = {(int(port, 16), address) for address, port in listening if int(port, 16) in own}
    # 127.0.0.1 as the kernel writes it.
    assert found == {(port, "0100007F") for port in own}


def test_secrets_are_made_and_kept_private(shop):
    file = shop.data / "secrets.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    names = {line.split("=")[0] for line in file.read_text().splitlines() if not line.startswith("#")}
    assert names == {"SECRET_KEY", "KEY_RING", "FINGERPRINT_KEY", "DATABASE_PASSWORD", "REDIS_PASSWORD"}
    for pid in processes_of(shop.data):
        words = Path(f"/proc/{pid}/cmdline").read_text()
        assert not any(secret in words for secret in re.findall(r"=(.+)", file.read_text()))


def test_the_servers_want_a_password(shop):
    with socket.create_connection(("127.0.0.1", ports(shop.data)["valkey"])) as link:
        link.sendall(b"PING\r\n")
        assert link.recv(100).startswith(b"-NOAUTH")
    answer = manage(shop.data, "dbshell", "--", "-c", "SHOW password_encryption", DATABASE_URL=_without_password(shop))
    assert answer.returncode != 0
    assert "password" in answer.stderr


def _without_password(shop):
    return f"postgres://postgres@127.0.0.1:{ports(shop.data)['postgres']}/kameng"


def test_manage_joins_the_running_shop(shop):
    answer = manage(shop.data, "dbshell", "--", "-At", "-c", "SHOW server_encoding; SHOW random_page_cost; SHOW fsync")
    assert answer.stdout.split() == ["UTF8", "1.1", "on"], answer.stderr
    assert shop.process.poll() is None


def test_a_second_start_on_the_same_folder_is_told_who_runs(shop):
    second = Up(shop.data)
    assert second.wait_for_end() == 1
    assert f"in use by process {shop.process.pid}, the shop at http://127.0.0.1:{shop.port}" in second.output


def test_a_port_in_use_is_named_with_its_holder(shop, place):
    other = Up(place / "other", port=shop.port)
    assert other.wait_for_end() == 1
    assert f"Port {shop.port} is in use by python" in other.output
    assert f"bin/up --port {shop.port + 1}" in other.output


@pytest.mark.parametrize("name", ["web", "worker", "postgres", "valkey"])
def test_what_is_killed_is_started_again(shop, name):
    before = shop.pid(name)
    os.kill(before, signal.SIGKILL)
    shop.wait_for(f"{name} ended (killed by SIGKILL); starting it again in 1 s")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if shop.pid(name) != before and shop.get("/readyz") == 200:
                return
        except (AssertionError, OSError):
            pass
        time.sleep(0.2)
    raise AssertionError(shop.output)


def test_data_survives_and_the_stop_is_in_order(shop):
    written = manage(shop.data, "dbshell", "--", "-c", "CREATE TABLE kept AS SELECT '数据' AS word")
    assert written.returncode == 0, written.stderr
    shop.process.send_signal(signal.SIGINT)
    assert shop.wait_for_end() == 0, shop.output
    end = shop.output.rpartition("· stopping")[2]
    lines_in_order(end, r"web +│", r"worker +│", r"valkey +│", r"postgres +│ .*shut down", r"everything is saved")
    assert processes_of(shop.data) == []


def test_manage_starts_the_servers_when_the_shop_is_down(shop):
    answer = manage(shop.data, "dbshell", "--", "-At", "-c", "SELECT word FROM kept")
    assert answer.stdout == "数据\n", answer.stderr
    assert processes_of(shop.data) == []


@pytest.mark.full
def test_a_second_start_finds_everything_again(shop):
    secrets, chosen = (shop.data / "secrets.env").read_text(), ports(shop.data)
    second = Up(shop.data).ready()
    assert "creating the database cluster" not in second.output
    assert (shop.data / "secrets.env").read_text() == secrets
    assert ports(shop.data) == chosen
    assert json.loads((shop.data / "lock").read_text())["pid"] == second.process.pid
    assert second.stop() == 0
    assert processes_of(shop.data) == []
