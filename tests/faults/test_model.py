"""The shop against a model in plain Python, and that a shop with a fault is found out."""

import re

import pytest

from orders.services import closing, refunding
from payments.services import withdrawing
from tests.faults import machines
from torture.faults import model

pytestmark = pytest.mark.django_db(transaction=True)
SEED = 20261130
# What the fast lane does in all.
WITHIN = 2 * machines.STEPS


@pytest.fixture(autouse=True)
def _hoarding_allowed(settings):
    machines.hoarding_allowed(settings)


def test_the_shop_does_what_the_model_says():
    machines.do_as_the_model_says(seed=SEED)


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

    @pytest.mark.full
    def test_that_gives_money_back_for_one_refund_twice(self, monkeypatch):
        genuine = refunding.refund_sale

        def twice(**told):
            genuine(**{**told, "ref": f"{told['ref']}:again"})
            return genuine(**told)

        monkeypatch.setattr(refunding, "refund_sale", twice)
        assert re.search(r"account user:\d+:wallet: [\d.]+ [\d.]+, and the model says", self.found())

    @pytest.mark.full
    def test_that_forgets_what_is_asked_for_as_a_withdrawal(self, monkeypatch):
        monkeypatch.setattr(withdrawing, "user_hold", lambda user_id: withdrawing.shop_account("adjustment"))
        assert ":hold: nothing" in self.found()
