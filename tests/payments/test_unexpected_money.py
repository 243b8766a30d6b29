"""Money that is not as expected is still money: too little, too much, too late, twice, or for nobody."""

from decimal import Decimal

import pytest

from common.registries import ways_back
from orders.models import Order
from orders.services import cancel, pay_from_wallet, pay_out_credit
from payments.models import Channel, PaymentAttempt
from tests.payments.conftest import sold, verdicts
from tests.shelf import books
from tests.shop.test_orders import DEVICE
from wallet.models import Account, Entry
from wallet.selectors import balance_of, credit_of_order

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


class TestAGuestWhoPaidTooLittle:
    @pytest.fixture
    def short(self, till, channel, shelf):
        """A guest's order of ten yuan for which 9.99 came; a code for the whole ten is open in another way to pay."""
        buyer = {"contact": "g@example.com", "device": DEVICE}
        order = shelf.buy(None, (shelf.sku("10.00", keys=1), 1), buyer=buyer)
        till.start(order, till.channel())
        attempt = till.start(order, channel)
        till.sandbox.act(attempt.number, "wrong_amount", money="9.99")
        assert till.send(channel, till.fields(attempt)) == "success"
        return Order.objects.get(pk=order.pk)

    def test_is_asked_for_the_cent_that_is_missing_and_gets_the_goods(self, till, channel, short):
        assert credit_of_order(short.pk) == Decimal("9.99")
        attempt = till.start(short, channel)
        assert attempt.amount == Decimal("0.01")
        assert till.pay(attempt) == "success"
        short.refresh_from_db()
        assert (short.state, short.paid_total) == (Order.State.DELIVERED, Decimal("10.00"))
        assert credit_of_order(short.pk) == 0
        assert books() == {}
        # All of it can go back the way it came.
        assert sum(way.amount for way in ways_back(short, Decimal("10.00"))) == Decimal("10.00")

    def test_a_code_for_the_whole_is_not_shown_again_but_still_counts(self, till, short):
        whole = PaymentAttempt.objects.get(order=short, state="pending")
        rest = till.start(short, whole.channel)
        whole.refresh_from_db()
        assert (whole.state, rest.amount) == ("closed", Decimal("0.01"))
        assert till.pay(whole) == "success"
        short.refresh_from_db()
        assert (short.state, credit_of_order(short.pk)) == (Order.State.DELIVERED, Decimal("9.99"))

    def test_money_that_was_given_back_counts_no_more(self, till, channel, short, olga):
        attempt = till.start(short, channel)
        pay_out_credit(order_id=short.pk, amount=Decimal("9.99"), reason="退回", ref="back", actor=olga)
        assert till.pay(attempt) == "success"
        short.refresh_from_db()
        assert (short.state, credit_of_order(short.pk)) == (Order.State.UNPAID, Decimal("0.01"))
        assert till.start(short, channel).amount == Decimal("9.99")
        assert books() == {}

    def test_and_reads_what_is_missing(self, client, short):
        client.cookies["device"] = DEVICE
        page = client.get(f"/orders/{short.public_id}/").content.decode()
        assert "再付 ¥0.01 即可完成" in page and "确认支付 ¥0.01" in page


def test_a_member_who_paid_too_little_reads_where_it_is(till, attempt, client, alice):
    till.sandbox.act(attempt.number, "wrong_amount", money="9.99")
    assert till.send(attempt.channel, till.fields(attempt)) == "success"
    client.force_login(alice)
    page = client.get(f"/orders/{attempt.order.public_id}/").content.decode()
    assert "已收到 ¥9.99" in page and "余额" in page
