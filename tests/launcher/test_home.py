"""The data folder: one user at a time, secrets that are never lost silently, ports that stay."""

import base64
import os
import socket
import stat
import subprocess
import sys

import pytest

from launcher import machine
from launcher.console import Problem
from launcher.environment import ROOT
from launcher.home import Home
from launcher.stack import Stack


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "var")
    home.open()
    return home


def test_secrets_are_random_long_and_stay(home, tmp_path):
    secrets = home.secrets()
    assert home.secrets() == secrets
    other = Home(tmp_path / "other")
    other.open()
    assert all(other.secrets()[name] != value for name, value in secrets.items())
    name, _, key = secrets["KEY_RING"].partition(":")
    assert (name, len(base64.b64decode(key, validate=True))) == ("k1", 32)
    assert len(secrets["SECRET_KEY"]) >= 50
    assert len(secrets["FINGERPRINT_KEY"]) >= 32
    assert stat.S_IMODE((home.path / "secrets.env").stat().st_mode) == 0o600


def test_a_secret_that_came_later_is_added_to_an_old_file(home):
    home.secrets()
    file = home.path / "secrets.env"
    before = file.read_text()
    file.write_text("\n".join(line for line in before.splitlines() if not line.startswith("SECRET_KEY")))
    (home.path / "postgres").mkdir()
    home.secrets()
    assert set(before.splitlines()) - set(file.read_text().splitlines()) == {
        line for line in before.splitlines() if line.startswith("SECRET_KEY")
    }


def test_a_lost_key_ring_is_not_replaced_beside_data_that_needs_it(home):
    home.secrets()
    (home.path / "postgres").mkdir()
    (home.path / "secrets.env").unlink()
    with pytest.raises(Problem, match="Put the file back from a backup"):
        home.secrets()
    assert not (home.path / "secrets.env").exists()


def test_a_half_written_secrets_file_is_never_seen(home):
    (home.path / "secrets.env.new").write_text("KEY_R")
    assert len(home.secrets()) == 5
    assert not (home.path / "secrets.env.new").exists()


def test_one_launcher_at_a_time(home):
    with pytest.raises(Problem, match=f"in use by process {os.getpid()}"):
        Home(home.path).open()
    assert Home(home.path).is_held()


def test_a_killed_launcher_holds_nothing(tmp_path):
    script = "import os; from launcher.home import Home; home = Home(os.environ['WHERE']); home.open(); os.kill(os.getpid(), 9)"
    path = tmp_path / "var"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "WHERE": str(path)})
    assert not Home(path).is_held()
    Home(path).open()


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match="cannot be used.*\n.*--data-dir"):
        Home(tmp_path / "file").open()


def test_ports_are_remembered_and_yield_to_others(home):
    first = home.port("valkey")
    assert home.port("valkey") == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        second = home.port("valkey")
    assert second != first
    assert home.port("valkey") == second
    assert home.port("postgres") != second


@pytest.mark.parametrize("content", ["", "[1]", '{"valkey": "x"}', '{"valkey": 99999999}', '{"valkey": -1}', "\x00"])
def test_a_damaged_note_of_ports_is_written_anew(home, content):
    (home.path / "ports.json").write_text(content)
    assert machine.is_port_free(home.port("valkey"))


def test_a_port_for_root_is_told(tmp_path):
    words = [sys.executable, "-c", "from launcher import machine; machine.is_port_free(80)"]
    if os.geteuid() == 0:
        words = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service", *words]
    answer = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert "Port 80 is reserved for root. Choose one above 1023" in answer.stderr


@pytest.mark.parametrize(
    ("folder", "why"), [("/proc/shop", "No such file"), ("/tmp/" + "n" * 300, "File name too long")]
)
def test_a_folder_that_cannot_be_made_is_named(folder, why):
    with pytest.raises(Problem, match=f"cannot be used: {why}"):
        Home(folder).open()


def test_nothing_is_put_between_somebodys_files(tmp_path):
    (tmp_path / "letters").touch()
    with pytest.raises(Problem, match="holds other things"):
        Home(tmp_path).open()
    assert [one.name for one in tmp_path.iterdir()] == ["letters"]


def test_an_empty_disk_of_its_own_will_do(tmp_path):
    (tmp_path / "lost+found").mkdir()
    Home(tmp_path).open()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["up", "--data-dir", ""], "an empty name is no folder"),
        (["test", "--data-dir", " "], "an empty name is no folder"),
        (["manage", "--data-dir", "", "check"], "an empty name is no folder"),
        (["up", "--port", "abc"], "a port is a number from 1 to 65535"),
        (["up", "--port", "70000"], "a port is a number from 1 to 65535"),
    ],
)
def test_nonsense_is_refused_before_anything_is_done(words, told, tmp_path):
    ran = subprocess.run([sys.executable, ROOT / "launcher", *words], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 2
    assert told in ran.stderr
    assert not list(tmp_path.iterdir())


def test_links_for_phones_have_an_address_that_phones_reach():
    address = machine.network_address("0.0.0.0")
    assert address != "0.0.0.0"
    with socket.socket() as listener:
        listener.bind((address, 0))  # it is one of ours


def test_a_database_that_is_not_postgresql_is_told_so(home, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://user@host/shop")
    with pytest.raises(Problem, match="DATABASE_URL must begin with postgres://, not with mysql://"):
        Stack(home).start(None)
