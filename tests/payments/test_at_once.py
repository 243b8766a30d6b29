"""Payments at the same moment, from real connections: money is counted once and goods are handed out once."""

from decimal import Decimal

import pytest
from django.db import transaction

from common import clock
from orders import services as orders
from orders.models import Order, OrderRefund
from payments import services
from payments.models import PaymentAttempt, Refund
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


def give_back(order: Order, ref: str) -> OrderRefund:
    amounts = {order.lines.get().pk: Decimal("6.00")}
    target = OrderRefund.Target.ORIGINAL
    return orders.refund(order_id=order.pk, amounts=amounts, ref=ref, reason="", actor=None, to=target)


def test_refunds_and_returns_of_one_payment(till, attempt, race, alice, olga):
    """Six of ten yuan twice by the order, what was paid too much four times by hand, the news of the refund twice."""
    till.sandbox.act(attempt.number, "wrong_amount", money="13.00")
    till.send(attempt.channel, till.fields(attempt))
    order = Order.objects.get(pk=attempt.order_id)

    def by_hand(ref: str):
        return services.return_payment(attempt_id=attempt.pk, amount=Decimal(3), reason="x", ref=ref, actor=olga)

    results = race.run(
        *[lambda n=n: give_back(order, f"r{n}") for n in range(2)],
        *[lambda n=n: by_hand(f"s{n}") for n in range(4)],
    )
    assert sorted(type(one).__name__ for one in results) == [
        "NotReturnable",
        "NotReturnable",
        "NotReturnable",
        "OrderRefund",
        "Refund",
        "RefundTooLarge",
    ]
    refund = OrderRefund.objects.get()
    race.run(*[lambda: services.begin_refund(refund_id=refund.pk)] * 3)
    race.run(*[services.push_due_refunds] * 3)
    states = Refund.objects.order_by("amount").values_list("amount", "state")
    assert list(states) == [(Decimal("3.00"), "done"), (Decimal("6.00"), "done")]
    assert till.sandbox.order(attempt.number)["refunded"] == "9.00"
    assert balance_of(alice) == Decimal("1000.00")


def test_the_database_counts_what_another_connection_is_writing(till, attempt, race):
    """Without any lock of ours: eight rows of six of ten yuan, one of which may be."""
    till.pay(attempt)

    def write(n: int) -> Refund:
        with transaction.atomic():
            return Refund.objects.create(
                number=f"R{n}", ref=f"R{n}", attempt=attempt, amount=Decimal("6.00"), created_at=clock.now()
            )

    results = race.run(*[lambda n=n: write(n) for n in range(8)])
    assert sorted(type(one).__name__ for one in results) == ["IntegrityError"] * 7 + ["Refund"]
    Refund.objects.all().delete()
