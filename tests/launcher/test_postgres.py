"""The embedded PostgreSQL: made once, never damaged, healed where that is safe."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from launcher import machine
from launcher.console import Problem
from launcher.home import Home
from launcher.postgres import Postgres
from launcher.processes import Supervisor


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "var")
    home.open()
    return home


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cluster as bin/up makes it; tests that spoil one take a copy."""
    home = Home(tmp_path_factory.mktemp("made") / "var")
    home.open()
    Postgres(home, "password").prepare()
    return home.path / "postgres"


@pytest.fixture
def cluster(home, made):
    # With its modes, and its owner where that was handed to somebody else.
    subprocess.run(["cp", "-a", made, home.path / "postgres"], check=True)
    return home.path / "postgres"


def start(home, supervisor):
    postgres = Postgres(home, "password")
    postgres.prepare()
    supervisor.start(postgres.program())
    supervisor.wait_until(postgres.is_ready, 60, "PostgreSQL")
    return postgres


def ask(postgres, sql):
    answer = subprocess.run([postgres.bin / "psql", postgres.url, "-Atc", sql], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def postmaster(cluster):
    return int((cluster / "postmaster.pid").read_text().splitlines()[0])


def test_the_cluster_suits_chinese_text_and_the_stock_queries(home, cluster):
    with Supervisor({}) as supervisor:
        postgres = start(home, supervisor)
        assert (
            ask(postgres, "SELECT datcollate, datctype FROM pg_database WHERE datname = 'kameng'") == "C.UTF-8|C.UTF-8"
        )
        assert ask(postgres, "SELECT usesuper, usecreatedb FROM pg_user WHERE usename = 'kameng'") == "f|t"
        for name, value in {"random_page_cost": "1.1", "fsync": "on", "TimeZone": "UTC"}.items():
            assert ask(postgres, f"SHOW {name}") == value
        # pg_trgm yields nothing for Chinese under plain C.
        ask(postgres, "CREATE EXTENSION pg_trgm")
        assert ask(postgres, "SELECT cardinality(show_trgm('腾讯视频会员')) > 0") == "t"


def test_a_start_that_was_killed_in_initdb_is_done_again(home, made):
    half = home.path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (half / "global").mkdir()
    with Supervisor({}) as supervisor:
        assert ask(start(home, supervisor), "SELECT 1") == "1"
    assert not half.exists()


def test_an_empty_folder_is_filled(home):
    (home.path / "postgres").mkdir()
    Postgres(home, "password").prepare()
    assert (home.path / "postgres" / "PG_VERSION").exists()


def test_a_stale_pid_file_is_no_obstacle(home, cluster):
    # The number of a process that lives: this one.
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n1\n5432\n\n127.0.0.1\n1 2\nready\n")
    with Supervisor({}) as supervisor:
        assert ask(start(home, supervisor), "SELECT 1") == "1"


def test_an_orphaned_server_is_ended_and_its_data_kept(home, cluster):
    postgres = Postgres(home, "password")
    postgres.prepare()
    program = postgres.program()
    # As a killed launcher leaves it: nobody's child, its output going nowhere.
    words = " ".join(f"'{word}'" for word in program.command)
    subprocess.run(["sh", "-c", f"setsid {words} >/dev/null 2>&1 &"], check=True, cwd="/")
    deadline = time.monotonic() + 30
    while not postgres.is_ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    orphan = postmaster(cluster)
    ask(postgres, "CREATE TABLE kept AS SELECT 5 AS number")
    with Supervisor({}) as supervisor:
        assert ask(start(home, supervisor), "SELECT number FROM kept") == "5"
        assert not machine.is_alive(orphan)


def test_a_killed_server_comes_back_with_what_was_committed(home, cluster):
    with Supervisor({}) as supervisor:
        postgres = start(home, supervisor)
        supervisor.restarts = True
        ask(postgres, "CREATE TABLE kept AS SELECT 6 AS number")
        first = postmaster(cluster)
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not (postgres.is_ready() and postmaster(cluster) != first):
            supervisor.pump(0.1)
            assert time.monotonic() < deadline
        assert ask(postgres, "SELECT number FROM kept") == "6"


def test_an_older_cluster_is_left_alone_and_the_way_over_told(home, cluster):
    (cluster / "PG_VERSION").write_text("15\n")
    before = snapshot(cluster)
    with pytest.raises(Problem) as refusal:
        Postgres(home, "password").prepare()
    text = str(refusal.value)
    assert "made by PostgreSQL 15" in text
    assert "brings PostgreSQL 18" in text
    assert "pg_dump" in text
    assert "dbshell < kameng.sql" in text
    assert snapshot(cluster) == before


@pytest.mark.parametrize("content", ["", "\x00\x00", "eighteen", None])
def test_a_damaged_version_file_is_told_and_nothing_touched(home, cluster, content):
    file = cluster / "PG_VERSION"
    file.unlink()
    if content is not None:
        file.write_text(content)
    before = snapshot(cluster)
    with pytest.raises(Problem, match="PG_VERSION"):
        Postgres(home, "password").prepare()
    assert snapshot(cluster) == before


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_full_disk_is_told_before_anything_is_made(tmp_path, monkeypatch):
    home = Home(tmp_path / "var")
    home.open()
    with pytest.raises(Problem, match="disk of .* is full: .* MB are free, a test needs"):
        machine.require_space(home.path, shutil.disk_usage(tmp_path).total // machine.MEGABYTE + 1, "a test")
