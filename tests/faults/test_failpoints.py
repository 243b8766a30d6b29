"""Places where a process can be killed: named by what the shop is doing there, and there only when a test asks."""

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection, transaction

from common import failpoints
from tests.sandboxes import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The places are wrapped for this test alone."""
    for owner, name in (
        (failpoints.BaseDatabaseWrapper, "commit"),
        (failpoints.Producer, "publish"),
        (failpoints.httpx.Client, "send"),
        (failpoints.Request, "acknowledge"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(failpoints, "_installed", [])
    failpoints.install(tmp_path)
    yield tmp_path
    failpoints.connection_created.disconnect(failpoints._watch_single_statements)
    if failpoints._one_by_one in connection.execute_wrappers:
        connection.execute_wrappers.remove(failpoints._one_by_one)


def passed(folder) -> list[str]:
    return (folder / "notes").read_text().splitlines()


@pytest.mark.django_db(transaction=True)
def test_a_commit_is_named_by_the_service_that_makes_it(folder, shelf, alice):
    sku = shelf.sku("1.00", keys=1)
    (folder / "notes").write_text("")
    shelf.buy(alice, (sku, 1), from_wallet=True)
    found = passed(folder)
    before, after = (f"orders.services.placing.place commit {when}" for when in ("before", "after"))
    assert found.index(before) < found.index(after)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_no_commit(folder, alice):
    (folder / "notes").write_text("")
    with pytest.raises(RuntimeError), transaction.atomic():
        alice.save()
        raise RuntimeError
    assert passed(folder) == []


def died_of(folder, name: str) -> int:
    """Which signal ends a process that comes to the place `name`; 0 for none."""
    child = os.fork()
    if not child:
        failpoints.reach(name, folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_the_first_to_come_is_killed_and_the_next_goes_on(tmp_path):
    (tmp_path / "kill").write_text("a.place commit before")
    assert died_of(tmp_path, "another.place commit before") == 0
    assert died_of(tmp_path, "a.place commit before") == -signal.SIGKILL
    assert died_of(tmp_path, "a.place commit before") == 0
    assert (tmp_path / "killed").exists()


@pytest.mark.parametrize("kind", ["development", "production"])
def test_nobody_is_killed_in_a_shop(kind, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import kameng.settings"],
        cwd=ROOT,
        env={**os.environ, "KAMENG_ENV": kind, "FAILPOINTS": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "FAILPOINTS kills processes" in done.stderr or "must be set" in done.stderr


def test_a_shop_does_not_load_them():
    code = "import django, sys; django.setup(); print('common.failpoints' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=os.environ.copy())
    assert done.stdout.strip() == "False", done.stderr
