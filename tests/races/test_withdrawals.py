"""One wallet, many wishes: withdrawals against purchases, refunds and each other."""

from decimal import Decimal

import pytest

from audit.exceptions import SamePerson
from orders.models import Order
from orders.services import refund
from payments import services
from payments.exceptions import NotWithdrawable, WithdrawalMoved
from payments.models import Withdrawal
from tests.desk import staff
from tests.payments.withdrawals import ask, open_withdrawals, verified_account
from tests.shelf import books
from wallet.exceptions import InsufficientBalance
from wallet.models import Account
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(make_member):
    user = make_member(balance="100.00")
    open_withdrawals()
    verified_account(user)
    return user


def test_the_same_money_is_not_withdrawn_twice(race, ready):
    results = race.run(*[lambda: ask(ready, "60.00")] * 6)
    assert sum(isinstance(one, Withdrawal) for one in results) == 1
    assert sum(isinstance(one, NotWithdrawable) for one in results) == 5
    assert balance_of(ready) == Decimal("40.00")
    assert books() == {}


def test_the_limit_of_the_day_holds(race, ready):
    open_withdrawals(daily=Decimal(50), monthly=Decimal(50))
    race.run(*[lambda: ask(ready, "20.00")] * 6)
    assert Withdrawal.objects.count() == 2


def test_paying_and_withdrawing_share_one_wallet(race, ready, shelf):
    sku = shelf.sku("60.00", keys=6)
    results = race.run(*[lambda: ask(ready, "60.00")] * 3, *[lambda: shelf.buy(ready, (sku, 1), from_wallet=True)] * 3)
    won = [one for one in results if isinstance(one, Withdrawal | Order)]
    assert len(won) == 1, results
    assert all(isinstance(one, NotWithdrawable | InsufficientBalance) for one in results if one not in won), results
    assert balance_of(ready) == Decimal("40.00")
    assert books() == {}


def test_refunds_and_withdrawals_lose_nothing(race, ready, shelf):
    order = shelf.buy(ready, (shelf.sku("100.00", keys=1), 1), from_wallet=True)
    line = order.lines.get().pk

    def give(n):
        return refund(order_id=order.pk, amounts={line: Decimal(20)}, ref=f"r{n}", reason="", actor=None)

    race.run(*[lambda n=n: give(n) for n in range(5)], *[lambda: ask(ready, "20.00")] * 5)
    held = Account.objects.filter(user=ready, purpose="hold").values_list("balance", flat=True).first() or 0
    assert balance_of(ready) + held == Decimal("100.00")
    assert books() == {}


def test_one_end_for_each(race, ready):
    petra, quentin = staff("petra"), staff("quentin")
    row = ask(ready, "60.00")
    services.approve_withdrawal(withdrawal_id=row.pk, actor=petra)

    def pay(actor):
        return services.confirm_withdrawal(withdrawal_id=row.pk, proof="1", actor=actor)

    def reject():
        return services.reject_withdrawal(withdrawal_id=row.pk, reason="x", actor=petra)

    results = race.run(*[lambda: pay(quentin)] * 3, *[reject] * 3, lambda: pay(petra))
    assert sum(isinstance(one, Withdrawal) for one in results) == 1
    assert all(isinstance(one, WithdrawalMoved | SamePerson | Withdrawal) for one in results), results
    assert books() == {}


def test_cancelling_and_approving_have_one_winner(race, ready):
    petra = staff("petra")
    for _ in range(4):
        row = ask(ready, "10.00")
        race.run(
            lambda row=row: services.cancel_withdrawal(public_id=row.public_id, user=ready),
            lambda row=row: services.approve_withdrawal(withdrawal_id=row.pk, actor=petra),
        )
        row.refresh_from_db()
        assert (row.state == "cancelled") == (row.approved_by_id is None)
    assert books() == {}
