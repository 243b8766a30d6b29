"""One program with many hands, and what its owner lets it pay in a day."""

from decimal import Decimal

import pytest

from accounts.services import issue_token
from orders.models import Order
from tests.shelf import books
from wallet.exceptions import TokenLimit
from wallet.models import TokenAllowance
from wallet.selectors import balance_of
from wallet.services import set_allowance

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_a_day_allows_is_not_passed(race, make_member, shelf):
    user = make_member(balance="100.00")
    token = issue_token(user=user, name="x").token
    set_allowance(token=token, once=Decimal(10), daily=Decimal(25), actor=user)
    sku = shelf.sku("10.00", keys=6)
    buyer = {"token": token}
    results = race.run(*[lambda: shelf.buy(user, (sku, 1), from_wallet=True, buyer=buyer)] * 6)
    assert sum(isinstance(one, Order) for one in results) == 2, results
    assert sum(isinstance(one, TokenLimit) for one in results) == 4, results
    assert (balance_of(user), TokenAllowance.objects.get().spent) == (80, 20)
    assert books() == {}
