import pytest
from django.test import Client

from tests.people import Visitor


@pytest.fixture
def guest(db) -> Visitor:
    """A browser that nobody has signed in to."""
    return Visitor(Client())


@pytest.fixture
def as_member(db):
    """as_member(alice) → her browser."""

    def browser(user) -> Visitor:
        client = Client()
        client.force_login(user)
        return Visitor(client)

    return browser
