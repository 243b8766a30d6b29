"""Transfers at the same moment."""

from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from common import clock
from tests.shelf import books
from wallet.exceptions import InsufficientBalance
from wallet.models import Account, Transfer
from wallet.selectors import balance_of
from wallet.services import Posting, pay_from_wallet, post, shop_account, user_wallet

pytestmark = pytest.mark.django_db(transaction=True)
KIND = Transfer.Kind.ADJUSTMENT


def spend(user, amount: str, ref: str):
    with transaction.atomic():
        return pay_from_wallet(user=user, amount=Decimal(amount), ref=ref, at=clock.now())


def test_spending_at_once_never_goes_below_zero(race, make_member):
    user = make_member(balance="10.00")
    results = race.run(*[lambda n=n: spend(user, "3.00", f"s{n}") for n in range(8)])
    assert sum(isinstance(one, Transfer) for one in results) == 3
    assert sum(isinstance(one, InsufficientBalance) for one in results) == 5
    assert balance_of(user) == Decimal("1.00")
    assert books() == {}


def test_one_reference_at_once_is_posted_once(race, make_member):
    user = make_member(balance="10.00")
    results = race.run(*[lambda: spend(user, "3.00", "same")] * 8)
    assert len({one.pk for one in results}) == 1
    assert balance_of(user) == Decimal("7.00")


def test_gifts_in_a_circle_do_not_deadlock(race, make_member):
    """Accounts are locked in id order, whatever the order of the legs."""
    people = [make_member(balance="100.00") for _ in range(3)]
    wallets = [user_wallet(person.pk) for person in people]

    def give(giver: int, turn: int):
        taker = (giver + 1) % 3
        legs = [Posting(wallets[giver], Decimal(-1)), Posting(wallets[taker], Decimal(1))]
        with transaction.atomic():
            return post(ref=f"g{giver}:{turn}", kind=KIND, postings=legs if turn % 2 else legs[::-1], at=clock.now())

    results = race.run(*[lambda g=g: [give(g, turn) for turn in range(15)] for g in range(3)])
    assert [type(one) for one in results] == [list] * 3
    assert [balance_of(person) for person in people] == [Decimal("100.00")] * 3
    assert books() == {}


def test_a_wallet_is_opened_once_at_once(race, make_member):
    user = make_member()
    assert len({one.pk for one in race.run(*[lambda: user_wallet(user.pk)] * 8)}) == 1
    assert len({one.pk for one in race.run(*[lambda: shop_account(Account.Purpose.CLEARING, "new")] * 8)}) == 1


def test_the_lock_is_really_taken_and_only_on_accounts_with_a_balance(make_member):
    user = make_member(balance="10.00")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        spend(user, "1.00", "one")
    (locking,) = [one["sql"] for one in queries if "FOR UPDATE" in one["sql"]]
    assert '"balance" IS NOT NULL' in locking
    assert 'ORDER BY "wallet_account"."id"' in locking
