"""Races over what is scarce. Where it says so, a deliberately naive twin runs first and must lose: else the race proves nothing."""

import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog.models import Key
from common import clock
from orders import services
from orders.exceptions import IllegalMove
from orders.models import Order, OrderRefund
from payments.services import apply_payment, start_attempt
from tests.shelf import books
from torture import scene
from wallet.exceptions import InsufficientBalance
from wallet.models import Account, Transfer
from wallet.selectors import balance_of
from wallet.services import Posting, order_credit, post, shop_account

pytestmark = pytest.mark.django_db(transaction=True)

BUYERS = 8


def kinds(results: list) -> list[str]:
    return sorted(type(one).__name__ for one in results)


def paid(order: Order, ref: str) -> services.PaymentOutcome:
    with transaction.atomic():
        return services.receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref=ref, at=clock.now())


class TestLastKey:
    """Eight buyers, one key."""

    def naive_claim(self, sku_id: int, line_id: int, all_have_read: threading.Barrier) -> int:
        """What a shop does that reads first and writes later."""
        key = Key.objects.filter(sku_id=sku_id, state="available").order_by("position").first()
        all_have_read.wait()
        Key.objects.filter(pk=key.pk).update(state="sold", line_id=line_id, sold_at=clock.now())
        return key.pk

    def test_the_naive_twin_sells_it_to_everybody(self, race, shelf):
        sku = shelf.sku(keys=1)
        barrier = threading.Barrier(BUYERS)
        sold = race.run(*[lambda n=n: self.naive_claim(sku.pk, n, barrier) for n in range(BUYERS)])
        assert len(sold) == BUYERS
        assert len(set(sold)) == 1

    def test_exactly_one_gets_it(self, race, shelf, make_member):
        sku = shelf.sku(keys=1)
        buyers = [make_member(balance="50.00") for _ in range(BUYERS)]
        results = race.run(*[lambda b=b: shelf.buy(b, (sku, 1), from_wallet=True) for b in buyers])
        assert kinds(results) == ["Order"] + ["OutOfStock"] * (BUYERS - 1)
        assert Key.objects.filter(state="sold").count() == 1
        assert sorted(balance_of(b) for b in buyers) == [Decimal("40.00")] + [Decimal("50.00")] * (BUYERS - 1)
        assert books() == {}

    def test_forty_keys_for_forty_buyers_leave_nobody_out(self, race, shelf, make_member):
        sku = shelf.sku(keys=40)
        buyers = [make_member(balance="50.00") for _ in range(BUYERS)]
        results = race.run(*[lambda b=b: [shelf.buy(b, (sku, 1), from_wallet=True) for _ in range(5)] for b in buyers])
        assert kinds(results) == ["list"] * BUYERS
        assert Key.objects.filter(state="sold").count() == 40
        assert books() == {}


class TestDoubleSpend:
    """A hundred yuan, eight orders of sixty."""

    def naive_spend(self, user, amount: Decimal, all_have_read: threading.Barrier) -> bool:
        account = Account.objects.get(user=user)
        all_have_read.wait()
        if account.balance < amount:
            return False
        Account.objects.filter(pk=account.pk).update(balance=account.balance - amount)
        return True

    @pytest.mark.damages_books
    def test_the_naive_twin_spends_it_eight_times(self, race, make_member):
        user = make_member(balance="100.00")
        barrier = threading.Barrier(BUYERS)
        results = race.run(*[lambda: self.naive_spend(user, Decimal("60.00"), barrier)] * BUYERS)
        assert results == [True] * BUYERS

    def test_only_one_order_is_paid(self, race, shelf, make_member):
        user = make_member(balance="100.00")
        sku = shelf.sku("60.00", keys=BUYERS)
        results = race.run(*[lambda: shelf.buy(user, (sku, 1), from_wallet=True)] * BUYERS)
        assert kinds(results) == ["InsufficientBalance"] * (BUYERS - 1) + ["Order"]
        assert balance_of(user) == Decimal("40.00")
        assert books() == {}


def test_one_click_repeated_in_parallel_is_one_order(race, shelf, alice):
    sku = shelf.sku(keys=20)
    results = race.run(*[lambda: shelf.buy(alice, (sku, 1), from_wallet=True, key="click")] * BUYERS)
    assert {one.pk for one in results} == {Order.objects.get().pk}
    assert Key.objects.filter(state="sold").count() == 1
    assert balance_of(alice) == Decimal("990.00")


def test_one_notify_repeated_in_parallel_pays_once(race, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=3), 1))
    results = race.run(*[lambda: paid(order, "attempt:1")] * BUYERS)
    assert sorted(results) == ["already_booked"] * (BUYERS - 1) + ["paid"]
    assert Key.objects.filter(state="sold").count() == 1
    assert books() == {}


def test_one_transaction_told_of_many_orders_pays_one_and_the_others_hear_why(race, shelf, alice):
    channel, sku = scene.channel(), shelf.sku(keys=4)
    attempts = [
        start_attempt(
            target=shelf.buy(alice, (sku, 1)),
            channel=channel,
            method="alipay",
            client_address="127.0.0.1",
            user_agent="",
        )
        for _ in range(4)
    ]
    results = race.run(
        *[lambda one=one: apply_payment(attempt_id=one.pk, provider_txn="T1", amount=one.amount) for one in attempts]
    )
    assert kinds(results) == ["TransactionTaken"] * 3 + ["bool"]
    assert Key.objects.filter(state="sold").count() == 1
    assert books() == {}


def test_wallet_and_gateway_at_once_pay_once_and_keep_the_rest(race, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=3), 1))
    race.run(lambda: services.pay_from_wallet(order_id=order.pk, user=alice), lambda: paid(order, "attempt:1"))
    # Either the wallet paid and the gateway's money was credited, or the gateway paid and the wallet was left alone.
    assert balance_of(alice) == Decimal("1000.00")
    assert Key.objects.filter(state="sold").count() == 1
    assert books() == {}


def test_cancel_against_pay(race, shelf, alice):
    for round_ in range(10):
        order = shelf.buy(alice, (shelf.sku(keys=1), 1))
        before = balance_of(alice)
        cancelled, outcome = race.run(
            lambda order=order: services.cancel(order_id=order.pk, actor=alice),
            lambda order=order, r=round_: paid(order, f"round:{r}"),
        )
        order.refresh_from_db()
        # Money that came after the cancelling is late money: stock is there, so it is delivered all the same.
        assert outcome == services.PaymentOutcome.PAID
        assert isinstance(cancelled, Order | IllegalMove)
        assert order.state == Order.State.DELIVERED
        assert balance_of(alice) == before
    assert books() == {}


def test_expiry_against_pay(race, shelf, alice):
    for round_ in range(10):
        order = shelf.buy(alice, (shelf.sku(keys=1), 1))
        Order.objects.filter(pk=order.pk).update(pay_deadline=order.placed_at)
        _, outcome = race.run(services.expire_due, lambda order=order, r=round_: paid(order, f"round:{r}"))
        order.refresh_from_db()
        assert outcome == services.PaymentOutcome.PAID
        assert order.state == Order.State.DELIVERED
    assert books() == {}


def test_parallel_refunds_stop_at_what_was_paid(race, shelf, alice, olga):
    order = shelf.buy(alice, (shelf.sku("10.00", keys=1), 1), from_wallet=True)
    line = order.lines.get()

    def give(ref: str):
        return services.refund(order_id=order.pk, amounts={line.pk: Decimal("6.00")}, ref=ref, reason="", actor=olga)

    results = race.run(*[lambda n=n: give(f"r{n}") for n in range(BUYERS)])
    assert kinds(results) == ["OrderRefund"] + ["RefundTooLarge"] * (BUYERS - 1)
    assert OrderRefund.objects.count() == 1
    assert balance_of(alice) == Decimal("996.00")
    assert books() == {}


def test_parallel_hoarding_stops_at_the_cap(race, shelf, alice, settings):
    settings.UNPAID_CAPS = {"account": 3, "device": 9, "address": 99}
    sku = shelf.sku(keys=20)
    results = race.run(*[lambda: shelf.buy(alice, (sku, 1))] * BUYERS)
    assert kinds(results) == ["Order"] * 3 + ["TooManyUnpaid"] * (BUYERS - 3)


def test_guests_without_a_cookie_do_not_slip_past_the_cap_of_their_address(race, shelf, settings):
    settings.UNPAID_CAPS = {"account": 99, "device": 99, "address": 3}
    sku = shelf.sku(keys=20)

    def guest(number: int):
        return shelf.buy(None, (sku, 1), buyer={"device": f"device-{number}", "address": f"2001:db8::{number}"})

    results = race.run(*[lambda n=n: guest(n) for n in range(1, BUYERS + 1)])
    assert kinds(results) == ["Order"] * 3 + ["TooManyUnpaid"] * (BUYERS - 3)


def test_two_products_in_either_order_do_not_deadlock(race, shelf, make_member):
    one, two = shelf.sku(keys=40), shelf.sku(keys=40)
    buyers = [make_member(balance="1000.00") for _ in range(BUYERS)]
    pairs = [((one, 5), (two, 5)), ((two, 5), (one, 5))]
    results = race.run(*[lambda b=b, n=n: shelf.buy(b, *pairs[n % 2], from_wallet=True) for n, b in enumerate(buyers)])
    assert kinds(results) == ["Order"] * BUYERS
    assert books() == {}


def locking(act) -> list[str]:
    """The statements of `act` that lock rows."""
    with CaptureQueriesContext(connection) as captured:
        act()
    return [query["sql"] for query in captured if "FOR UPDATE" in query["sql"]]


def test_the_locks_are_really_taken(shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1))
    locked = locking(lambda: services.pay_from_wallet(order_id=order.pk, user=alice))
    assert any('"orders_order"' in sql for sql in locked)
    assert any('"wallet_account"' in sql for sql in locked)


@pytest.mark.parametrize("close", ["cancel", "expire"])
def test_an_order_is_locked_before_it_is_judged_and_closed(shelf, alice, close):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1))
    acts = {
        "cancel": lambda: services.cancel(order_id=order.pk, actor=alice),
        "expire": lambda: services.expire(order_id=order.pk),
    }
    with clock.travel(order.pay_deadline):
        locked = locking(acts[close])
    assert len([sql for sql in locked if 'FOR UPDATE OF "orders_order"' in sql]) == 1
    assert Order.objects.get(pk=order.pk).state == {"cancel": "cancelled", "expire": "expired"}[close]


def test_what_a_guest_paid_before_is_used_or_goes_back(race, shelf):
    """The cent that was missing comes while the 9.99 leave the order's account, by an act that does not lock the order."""
    sku = shelf.sku("10.00", keys=6)

    def came(order: Order, amount: str, ref: str) -> services.PaymentOutcome:
        with transaction.atomic():
            told = {"channel": "epay", "ref": f"{ref}:{order.pk}", "at": clock.now()}
            return services.receive_payment(order_id=order.pk, amount=Decimal(amount), **told)

    def went(order: Order) -> bool:
        with transaction.atomic():
            legs = [
                Posting(order_credit(order.pk), Decimal("-9.99")),
                Posting(shop_account(Account.Purpose.PAYOUT), Decimal("9.99")),
            ]
            return post(ref=f"back:{order.pk}", kind=Transfer.Kind.PAID_OUT, postings=legs, at=clock.now())[1]

    for number in range(6):
        order = shelf.buy(None, (sku, 1), buyer={"contact": "g@example.com", "device": f"device-{number}"})
        came(order, "9.99", "short")
        paid, gone = race.run(lambda o=order: came(o, "0.01", "rest"), lambda o=order: went(o))
        if paid == services.PaymentOutcome.PAID:
            assert isinstance(gone, InsufficientBalance), gone
        else:
            assert (paid, gone) == (services.PaymentOutcome.CREDITED, True)
    assert books() == {}
