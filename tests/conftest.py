"""Fixtures that every room's tests use. The people: Alice buys, Bob buys too, Olga operates, Charlie must be refused."""

import itertools

import pytest

from accounts.services import create_member
from common import clock
from tenancy.models import MAIN_ID
from tests.shelf import Shelf

_names = itertools.count(1)


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
    return django_user_model.objects.create_superuser("olga", "tea-and-keys-9", date_joined=clock.now())


@pytest.fixture
def shelf(db) -> Shelf:
    return Shelf()
