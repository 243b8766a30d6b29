"""Fixtures that every room's tests use. The people: Alice buys, Bob buys too, Olga operates, Charlie must be refused."""

import itertools
import time
from collections import Counter

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

from accounts.services import create_member
from common import clock
from tenancy.models import MAIN_ID
from tests import database
from tests.shelf import Shelf, books
from wallet.models import Transfer

_names = itertools.count(1)

# How long an example takes depends on what else the machine does.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# Files of few tests that take half a minute and more. Begun last, one of them would run alone while the other worker waits.
LONG = (
    "tests/browser/",
    "tests/shop/test_demo_shop.py",
    "tests/shop/test_probes.py",
    "tests/api/test_schema.py",
    "tests/faults/",
    "tests/races/test_rebates.py",
    "tests/membership/test_killed_passes.py",
    "tests/membership/test_sql_agrees.py",
    "tests/payments/test_end_to_end.py",
    "tests/payments/test_every_gateway.py",
    "tests/kameng/test_settings.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The order in which files are handed to the workers: the long ones, then those with the most tests."""
    files = {item: item.nodeid.partition("::")[0] for item in items}
    counts = Counter(files.values())
    items.sort(key=lambda item: (not files[item].startswith(LONG), -counts[files[item]], files[item]))


@pytest.fixture
def make_member(db):
    """make_member("alice", balance="100.00") → a registered member with money."""

    def make(name: str = "", balance: str = "0", **fields):
        user = create_member(
            username=name or f"member{next(_names)}", password="tea-and-keys-9", storefront_id=MAIN_ID, **fields
        )
        Shelf.fund(user, balance)
        return user

    return make


@pytest.fixture
def alice(make_member):
    return make_member("alice", balance="1000.00")


@pytest.fixture
def bob(make_member):
    return make_member("bob", balance="1000.00")


@pytest.fixture
def charlie(make_member):
    return make_member("charlie")


@pytest.fixture
def olga(db, django_user_model):
    # Not by create_superuser: tests count what is in the audit log.
    rights = {"is_staff": True, "is_superuser": True}
    return django_user_model.objects.create_user("olga", "tea-and-keys-9", **rights)


@pytest.fixture
def shelf(db) -> Shelf:
    return Shelf()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Tests that commit leave nothing but the rows that the migrations made."""
    with django_db_blocker.unblock():
        database.use(database.Migrated())
    yield
    with django_db_blocker.unblock():
        # Not the session of the beginning, which idled beside that of the tests: whoever copied the database sent it away.
        connection.close()
        left = sessions_left()
        connection.close()
    assert not left, f"sessions that tests left open, and what they last asked: {left}"


def sessions_left(patience: float = 5) -> list[tuple]:
    """Who else is still in the database of the tests, which nobody can drop then; a server needs a moment to say goodbye."""
    deadline = time.monotonic() + patience
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT application_name, state, backend_start, state_change, query FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            rows = cursor.fetchall()
        if not rows or time.monotonic() > deadline:
            return rows
        time.sleep(0.1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Whatever a test does to money and keys by the services, the books stay true. `damages_books` is for who breaks them."""
    result = yield
    if _moves_money(item):
        # Events of a travelled past wait for a relay that tests do not run.
        wrong = {name: found for name, found in books().items() if not name.startswith("events.")}
        assert wrong == {}, "the books are wrong after this test"
    return result


def _moves_money(item) -> bool:
    fixtures = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("damages_books") or not (fixtures or item.get_closest_marker("django_db")):
        return False
    return not connection.needs_rollback and Transfer.objects.exists()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    result = yield
    assert clock.travelled() is None, "the test left the clock at another time"
    return result
