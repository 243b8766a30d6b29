"""Money that is not as expected is still money: too little, too much, too late, twice, or for nobody."""

from decimal import Decimal

import pytest

from orders.models import Order
from orders.services import cancel, pay_from_wallet
from payments.models import Channel, PaymentAttempt
from tests.payments.conftest import sold, verdicts
from wallet.models import Account, Entry
from wallet.selectors import balance_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]


def test_too_little_is_credited_and_the_order_stays_open(till, attempt, alice):
    till.sandbox.act(attempt.number, "wrong_amount", money="9.99")
    assert till.send(attempt.channel, till.fields(attempt)) == "success"
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.paid_amount) == ("credited", Decimal("9.99"))
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.UNPAID
    assert balance_of(alice) == Decimal("1009.99")


def test_too_much_pays_and_the_rest_is_credited(till, attempt, alice):
    till.sandbox.act(attempt.number, "wrong_amount", money="12.34")
    assert till.send(attempt.channel, till.fields(attempt)) == "success"
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
    assert balance_of(alice) == Decimal("1002.34")


def test_late_money_is_delivered_while_stock_lasts(till, attempt, alice):
    cancel(order_id=attempt.order_id, actor=alice)
    assert till.pay(attempt) == "success"
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
    assert balance_of(alice) == Decimal("1000.00")


def test_late_money_without_stock_is_credited(till, channel, shelf, alice, bob):
    sku = shelf.sku("10.00", keys=1)
    attempt = till.start(shelf.buy(alice, (sku, 1)), channel)
    cancel(order_id=attempt.order_id, actor=alice)
    shelf.buy(bob, (sku, 1), from_wallet=True)
    assert till.pay(attempt) == "success"
    attempt.refresh_from_db()
    assert attempt.outcome == "credited"
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.CANCELLED
    assert balance_of(alice) == Decimal("1010.00")


def test_a_second_payment_is_credited(till, attempt, alice):
    second = till.start(attempt.order, attempt.channel, "wxpay")
    assert till.pay(attempt) == till.pay(second) == "success"
    second.refresh_from_db()
    assert second.outcome == "credited"
    assert sold(attempt.order) == 1
    assert balance_of(alice) == Decimal("1010.00")


def test_paid_by_wallet_meanwhile(till, attempt, alice):
    pay_from_wallet(order_id=attempt.order_id, user=alice)
    assert till.pay(attempt) == "success"
    assert balance_of(alice) == Decimal("1000.00")


def test_a_guests_excess_stays_on_the_order(till, channel, shelf):
    attempt = till.start(shelf.buy(None, (shelf.sku("10.00", keys=1), 1)), channel)
    till.sandbox.act(attempt.number, "wrong_amount", money="11.00")
    assert till.send(channel, till.fields(attempt)) == "success"
    assert Account.objects.get(purpose="order_credit").balance == Decimal("1.00")


def test_a_fee_is_kept_only_when_the_order_gets_paid(till, shelf, alice):
    channel = till.channel(fee_rate="0.01", fee_payer=Channel.FeePayer.BUYER)
    sku = shelf.sku("10.00", keys=2)
    first = till.start(shelf.buy(alice, (sku, 1)), channel)
    second = till.start(first.order, channel, "wxpay")
    assert till.pay(first) == till.pay(second) == "success"
    assert balance_of(alice) == Decimal("1010.10")
    assert Entry.objects.get(account__purpose="fees").amount == Decimal("0.10")


def test_money_for_an_unknown_number_waits_for_staff(till, attempt):
    """Such as after a restore from a backup that is a minute old."""
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    channel = attempt.channel
    PaymentAttempt.objects.all().delete()
    assert till.send(channel, fields) == "success"
    assert till.send(channel, fields) == "success"
    assert Entry.objects.get(account__purpose="unclaimed").amount == Decimal("10.00")
    assert verdicts(channel) == ["applied unclaimed", "repeated unclaimed"]
