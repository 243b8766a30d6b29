"""The shop against a model in plain Python, and that a shop with a fault is found out."""

import re

import pytest

from orders.services import closing
from payments.selectors import withdrawals
from payments.services import refunding
from tests.faults import machines
from torture.faults import model
from torture.model.facts import ZERO

pytestmark = pytest.mark.django_db(transaction=True)
SEED = 20261130
# What the fast lane does in all.
WITHIN = 2 * machines.STEPS


@pytest.fixture(autouse=True)
def _hoarding_allowed(settings):
    machines.hoarding_allowed(settings)


def test_the_shop_does_what_the_model_says():
    machines.do_as_the_model_says(seed=SEED)


@pytest.mark.full
@pytest.mark.damages_books
class TestAShopWithAFault:
    @pytest.fixture(autouse=True)
    def _as_soon_as_possible(self, monkeypatch):
        monkeypatch.setattr(model, "PHASES", [model.Phase.generate])

    def found(self) -> str:
        told, _ = machines.run(seed=SEED, steps=WITHIN)
        return told.wrong[0]

    def test_that_keeps_the_keys_of_cancelled_orders(self, monkeypatch):
        monkeypatch.setattr(closing, "release_keys", lambda line_ids: 0)
        assert re.search(r"keys \d+ available: (\d+|nothing), and the model says", self.found())

    def test_that_lets_a_top_up_go_back_without_its_gift(self, monkeypatch):
        monkeypatch.setattr(refunding, "due_back", lambda grant, amount, attempt_id: ZERO)
        assert re.search(r"money back \d+: \w+ [\d.]+ 0.00, and the model says", self.found())

    def test_that_pays_out_what_came_with_a_gift(self, monkeypatch):
        monkeypatch.setattr(withdrawals, "_gifted", lambda user, with_gifts: ZERO)
        assert re.search(r"NotWithdrawable was due|may withdraw [\d.]+, and the model says", self.found())
