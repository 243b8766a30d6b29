"""Payments at the same moment, from real connections: money is counted once and goods are handed out once."""

from decimal import Decimal

import pytest

from orders.models import Order
from payments import services
from payments.models import PaymentAttempt
from tests.payments.conftest import sold, verdicts
from wallet.models import Entry
from wallet.selectors import balance_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clean_books")]


def test_eight_equal_notifies(till, attempt, race):
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    assert race.run(*[lambda: till.send(attempt.channel, fields)] * 8) == ["success"] * 8
    assert sorted(verdicts(attempt.channel)) == ["applied"] + ["repeated"] * 7
    assert sold(attempt.order) == 1


def test_two_attempts_for_one_order(till, attempt, race, alice):
    second = till.start(attempt.order, attempt.channel, "wxpay")
    race.run(lambda: till.pay(attempt), lambda: till.pay(second))
    outcomes = PaymentAttempt.objects.order_by("outcome").values_list("outcome", flat=True)
    assert list(outcomes) == ["credited", "paid"]
    assert balance_of(alice) == Decimal("1010.00")


def test_notify_question_and_button(till, attempt, race):
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    race.run(
        lambda: till.send(attempt.channel, fields),
        lambda: services.ask_attempt(attempt_id=attempt.pk),
        lambda: services.recheck_attempt(attempt_id=attempt.pk),
        lambda: till.send(attempt.channel, fields),
    )
    assert sold(attempt.order) == 1
    assert Entry.objects.filter(account__purpose="clearing").count() == 1


def test_pressing_pay_eight_times(till, channel, order, race):
    attempts = race.run(*[lambda: till.start(order, channel)] * 8)
    assert {attempt.pk for attempt in attempts} == {PaymentAttempt.objects.get().pk}
    assert len(till.sandbox.orders(out_trade_no=attempts[0].number)) == 1


def test_switching_against_paying(till, channel, shelf, alice, race):
    for _ in range(5):
        attempt = till.start(shelf.buy(alice, (shelf.sku(keys=1), 1)), channel)
        till.sandbox.act(attempt.number, "pay_silently")
        fields = till.fields(attempt)
        answer, _other = race.run(
            lambda fields=fields: till.send(channel, fields),
            lambda order=attempt.order: till.start(order, channel, "wxpay"),
        )
        assert answer == "success"
        assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
