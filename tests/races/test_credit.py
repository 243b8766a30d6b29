"""The limit of a credit line under many hands."""

from decimal import Decimal

import pytest

from orders.models import Order
from tests.shelf import books
from tests.wallet.credit import credit
from wallet.exceptions import CreditExhausted, InsufficientBalance, NothingOwed
from wallet.models import CreditDraw, CreditRepayment
from wallet.selectors import balance_of, credit_line_of
from wallet.services import draw_credit, repay_credit, tend_credit_lines

pytestmark = pytest.mark.django_db(transaction=True)


def draw(user, amount: str, key: str):
    return draw_credit(user=user, amount=Decimal(amount), idempotency_key=key)


def test_the_limit_holds(race, make_member):
    user = make_member()
    credit(user, "100.00")
    results = race.run(*[lambda n=n: draw(user, "30.00", f"k{n}") for n in range(8)])
    assert sum(isinstance(one, CreditDraw) for one in results) == 3
    assert sum(isinstance(one, CreditExhausted) for one in results) == 5
    assert balance_of(user) == Decimal("90.00")
    assert books() == {}


def test_at_checkout_too(race, make_member, shelf):
    user = make_member(balance="50.00")
    credit(user, "100.00", auto_use=True)
    sku = shelf.sku("60.00", keys=8)
    results = race.run(*[lambda: shelf.buy(user, (sku, 1), from_wallet=True)] * 5)
    assert sum(isinstance(one, Order) for one in results) == 2
    assert sum(isinstance(one, InsufficientBalance) for one in results) == 3, results
    assert (credit_line_of(user).used, balance_of(user)) == (70, 0)
    assert books() == {}


def test_using_repaying_buying_and_the_calendar_at_once(race, make_member, shelf):
    user = make_member(balance="100.00")
    credit(user, "100.00", auto_use=True)
    sku = shelf.sku("40.00", keys=8)

    def repay(key: str):
        return repay_credit(user=user, amount=Decimal("25.00"), idempotency_key=key)

    results = race.run(
        *[lambda n=n: draw(user, "30.00", f"k{n}") for n in range(3)],
        *[lambda n=n: repay(f"r{n}") for n in range(3)],
        *[lambda: shelf.buy(user, (sku, 1), from_wallet=True)] * 3,
        tend_credit_lines,
    )
    fine = CreditDraw | CreditRepayment | Order | tuple | CreditExhausted | InsufficientBalance | NothingOwed
    assert all(isinstance(one, fine) for one in results), results
    assert books() == {}
