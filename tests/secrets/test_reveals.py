"""Whoever sees keys sees their own, on pages that nobody keeps, and not without end."""

from datetime import timedelta

import pytest
from django.test import Client

from audit.services import Limit
from orders.models import Order
from orders.selectors import delivered_of
from tests.api.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def bought(shelf, alice) -> Order:
    return shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)


@pytest.fixture
def at_home(alice) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_every_answer_with_a_buyers_keys_is_kept_by_nobody(bought, at_home, alice):
    pages = [f"/orders/{bought.public_id}/{rest}" for rest in ("", "keys.txt", "keys.csv")]
    answers = [at_home.get(path) for path in [*pages, "/library/keys.csv"]]
    answers.append(at_home.post("/library/", {"line": bought.lines.get().pk}))
    answers.append(Caller(alice).raw("GET", f"/orders/{bought.public_id}/"))
    for answer in answers:
        assert answer.status_code == 200 and b"TEST-" in answer.content
        assert "no-store" in answer["Cache-Control"]


def test_opening_and_saving_keys_has_an_end(bought, at_home, monkeypatch):
    monkeypatch.setattr("shop.visitor._OPENING", Limit("open_keys_few", burst=2, every=timedelta(hours=1)))
    path = f"/orders/{bought.public_id}/"
    assert at_home.get(f"{path}keys.txt").status_code == 200
    assert b"TEST-" in at_home.post("/library/", {"line": bought.lines.get().pk}).content
    refused = at_home.get(f"{path}keys.csv", follow=True)
    assert refused.redirect_chain and "操作太频繁" in refused.content.decode()
    again = at_home.post("/library/", {"line": bought.lines.get().pk})
    texts = [one.text.encode() for one in delivered_of(bought)]
    assert not any(text in again.content for text in texts) and "操作太频繁" in again.content.decode()
    assert at_home.get(path).status_code == 200, "what was bought stays in sight"
