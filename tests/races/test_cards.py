"""One card in many hands."""

from decimal import Decimal

import pytest

from orders.models import Dispute, Order
from orders.selectors import delivered_of
from orders.services import stock_cards
from tests.complaints import complain, decide
from tests.desk import staff
from tests.orders.test_buying import pay
from tests.shelf import books
from tests.wallet.cards import batch, codes
from wallet.exceptions import CardRedeemed, CardUnusable, CodesGone
from wallet.models import Card
from wallet.selectors import balance_of
from wallet.services import Redeemed, ask_codes, redeem_card, void_cards

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_card_is_one_members(race, make_member):
    petra = staff("petra")
    people = [make_member() for _ in range(6)]
    code = codes(batch(petra, "20.00", count=1))[0]
    calls = [lambda n=n: redeem_card(user=people[n % 6], code=code, address=f"203.0.113.{n}") for n in range(12)]
    results = race.run(*calls)
    fresh = [one for one in results if isinstance(one, Redeemed) and not one.again]
    assert len(fresh) == 1
    assert all(isinstance(one, CardUnusable | Redeemed) for one in results), results
    assert sum(balance_of(person) for person in people) == Decimal("20.00")
    assert books() == {}


def test_voiding_and_redeeming_have_one_winner(race, make_member):
    petra = staff("petra")
    made = batch(petra, "1.00", count=6)
    people = [make_member() for _ in range(6)]
    calls = [
        lambda n=n, code=code: redeem_card(user=people[n], code=code, address=f"203.0.113.{n}")
        for n, code in enumerate(codes(made))
    ]
    *redeemed, voided = race.run(
        *calls, lambda: void_cards(batch_id=made.pk, first=1, last=6, reason="丢失", actor=petra)
    )
    won = sum(isinstance(one, Redeemed) for one in redeemed)
    assert won + voided == 6
    assert Card.objects.filter(state="redeemed").count() == won
    assert sum(balance_of(person) for person in people) == won
    assert books() == {}


def test_a_card_is_redeemed_or_replaced(race, shelf, make_member):
    """Its buyer sends the case and redeems the code while the desk decides."""
    buyer, petra = make_member(), staff("petra")
    sku = shelf.sku("20.00")
    stock_cards(batch_id=batch(petra, "20.00", count=12).pk, sku_id=sku.pk, actor=petra)
    for number in range(5):
        order = shelf.buy(buyer, (sku, 1))
        pay(order, ref=f"paid:{number}")
        (old,) = [one.text for one in delivered_of(Order.objects.get(pk=order.pk))]
        case = complain(order)
        redeemed, replaced = race.run(
            lambda code=old, n=number: redeem_card(user=buyer, code=code, address=f"203.0.113.{n}"),
            lambda one=case: decide(one, Dispute.Outcome.REPLACE, by=petra),
        )
        assert isinstance(replaced, CardRedeemed) == isinstance(redeemed, Redeemed), (redeemed, replaced)
    assert books() == {}


def test_codes_are_asked_for_once(race):
    petra = staff("petra")
    made = batch(petra)
    results = race.run(*[lambda: ask_codes(batch_id=made.pk, reason="印刷", actor=petra)] * 4)
    assert sum(isinstance(one, CodesGone) for one in results) == 3
