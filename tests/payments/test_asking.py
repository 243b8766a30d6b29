"""Asking gateways: the button, the background rounds, and when to stop."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common import clock
from orders.models import Order
from payments import services
from payments.models import Channel, PaymentAttempt
from payments.providers import PaymentState, Queried
from payments.selectors import parked_attempts
from payments.services.asking import next_question
from tests.payments.statements import make_payments
from tests.shelf import books

pytestmark = pytest.mark.django_db
State = PaymentAttempt.State


def later(**span):
    return clock.travel(clock.now() + timedelta(**span))


def test_i_have_paid_finds_a_lost_notify(till, attempt):
    till.sandbox.act(attempt.number, "pay_silently")
    assert services.recheck_attempt(attempt_id=attempt.pk).state == State.PAID
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
    assert books() == {}


def test_i_have_paid_without_having_paid(till, attempt):
    again = services.recheck_attempt(attempt_id=attempt.pk)
    assert (again.state, again.asked_count) == (State.PENDING, 1)


def test_hammering_the_button_asks_once(till, attempt):
    for _ in range(5):
        services.recheck_attempt(attempt_id=attempt.pk)
    attempt.refresh_from_db()
    assert attempt.asked_count == 1
    with later(seconds=4):
        assert services.recheck_attempt(attempt_id=attempt.pk).asked_count == 2


def test_the_background_finds_lost_notifies(till, attempt):
    till.sandbox.act(attempt.number, "pay_silently")
    assert services.ask_due_attempts() == 0
    with later(seconds=31):
        assert services.ask_due_attempts() == 1
        assert services.ask_due_attempts() == 0
    attempt.refresh_from_db()
    assert (attempt.state, attempt.ask_at) == (State.PAID, None)


def test_gaps_grow_and_the_deadline_gets_a_last_call(attempt):
    at, gaps, last_calls = attempt.created_at, [], 0
    while at < attempt.expires_at:
        due = next_question(attempt, at)
        last_calls += due == attempt.expires_at - timedelta(seconds=20)
        gaps.append(int((due - at).total_seconds()))
        at, attempt.asked_count = due, attempt.asked_count + 1
    assert gaps[:4] == [30, 60, 120, 240]
    assert last_calls == 1
    attempt.asked_count = 1000
    assert next_question(attempt, at) - at == timedelta(minutes=10)


def test_unpaid_ones_end_half_an_hour_after_their_deadline(till, attempt):
    with later(minutes=40):
        services.ask_due_attempts()
    attempt.refresh_from_db()
    assert attempt.state == State.PENDING
    with later(minutes=60):
        services.ask_due_attempts()
    attempt.refresh_from_db()
    assert (attempt.state, attempt.ask_at) == (State.CLOSED, None)


def test_a_silent_gateway_is_asked_for_a_day_and_then_parked(till, attempt):
    till.sandbox.fault("order", "garbage", times=9)
    for hours in (1, 23):
        with later(hours=hours):
            services.ask_due_attempts()
        attempt.refresh_from_db()
        assert attempt.state == State.PENDING
        assert attempt.ask_at is not None
    with later(hours=25):
        services.ask_due_attempts()
        assert list(parked_attempts()) == [attempt]
    # Staff asks again when the gateway is back.
    till.sandbox.fault("order", None)
    till.sandbox.act(attempt.number, "pay_silently")
    services.ask_attempt(attempt_id=attempt.pk)
    attempt.refresh_from_db()
    assert (attempt.state, attempt.paid_amount) == (State.PAID, Decimal("10.00"))
    assert books() == {}


def test_a_silent_channel_does_not_hold_up_the_others(till, shelf, alice, make_member):
    silent = till.channel(gateway_url="http://127.0.0.1:1/")
    sku = shelf.sku(keys=9)
    members = [make_member() for _ in range(4)]
    for member in members:
        order = shelf.buy(member, (sku, 1))
        at = clock.now()
        PaymentAttempt.objects.create(
            number=f"P{member.pk}",
            channel=silent,
            method="alipay",
            purpose="order",
            order=order,
            amount=order.total,
            state=State.PENDING,
            created_at=at,
            expires_at=order.pay_deadline,
            ask_at=at,
        )
    good = till.start(shelf.buy(alice, (sku, 1)), till.channel())
    till.sandbox.act(good.number, "pay_silently")
    with later(seconds=40):
        assert services.ask_due_attempts() == 1
    good.refresh_from_db()
    assert good.state == State.PAID
    asked = PaymentAttempt.objects.filter(channel=silent, asked_count=1).count()
    assert asked == services.asking.PATIENCE


def test_a_silent_channel_with_hundreds_of_questions_does_not_starve_the_others(till, charlie, shelf, alice):
    silent = till.channel(gateway_url="http://127.0.0.1:1/")
    at = clock.now()
    stuck = make_payments(silent, charlie, [at - timedelta(minutes=5)] * 120, paid=False)
    PaymentAttempt.objects.filter(pk__in=[one.pk for one in stuck]).update(state=State.PENDING, ask_at=at)
    good = till.start(shelf.buy(alice, (shelf.sku(keys=1), 1)), till.channel())
    till.sandbox.act(good.number, "pay_silently")
    with later(seconds=40):
        assert services.ask_due_attempts() == 1
    good.refresh_from_db()
    assert good.state == State.PAID


def test_a_gateway_that_was_down_for_days_is_asked_about_parked_ones_once_a_day_for_a_week(till, attempt):
    till.sandbox.fault("order", "garbage", times=9)
    with later(hours=25):
        services.ask_due_attempts()
        assert list(parked_attempts()) == [attempt]
    with later(days=9):
        assert services.ask_parked_again() == 0
    with later(days=3):
        assert services.ask_parked_again() == 1
        services.ask_due_attempts()
        assert list(parked_attempts()) == [attempt], "still no answer: with the staff again"
        till.sandbox.fault("order", None)
        till.sandbox.act(attempt.number, "pay_silently")
        assert services.ask_parked_again() == 1
        assert services.ask_due_attempts() == 1
    attempt.refresh_from_db()
    assert attempt.state == State.PAID
    assert books() == {}


def test_an_answer_with_another_s_transaction_is_parked_for_staff(till, attempt, shelf, bob, monkeypatch):
    till.pay(attempt)
    attempt.refresh_from_db()
    other = till.start(shelf.buy(bob, (shelf.sku(keys=1), 1)), attempt.channel)
    answer = Queried(state=PaymentState.PAID, provider_txn=attempt.provider_txn, amount=other.amount)
    monkeypatch.setattr(type(services.asking.provider_of(attempt.channel)), "query", lambda self, number, **ref: answer)
    assert services.ask_attempt(attempt_id=other.pk) == PaymentState.UNKNOWN
    assert list(parked_attempts()) == [other]
    assert services.ask_parked_again() == 0, "asking again tells nothing new"


def test_broken_credentials_do_not_hold_up_the_others(till, shelf, alice, bob):
    sku = shelf.sku(keys=2)
    broken, good = (till.start(shelf.buy(user, (sku, 1)), till.channel()) for user in (alice, bob))
    Channel.objects.filter(pk=broken.channel_id).update(credentials="broken")
    till.sandbox.act(good.number, "pay_silently")
    with later(seconds=40):
        assert services.ask_due_attempts() == 1
        assert services.ask_due_attempts() == 0


def test_one_gateway_transaction_pays_one_attempt(till, attempt, shelf, bob):
    """A gateway that mixes up its orders: the second attempt is not paid with the first one's money."""
    till.pay(attempt)
    other = till.start(shelf.buy(bob, (shelf.sku(keys=1), 1)), attempt.channel)
    attempt.refresh_from_db()
    with pytest.raises(services.applying.TransactionTaken):
        services.apply_payment(attempt_id=other.pk, provider_txn=attempt.provider_txn, amount=other.amount)
    other.refresh_from_db()
    assert other.state == State.PENDING
    assert books() == {}


def test_coming_back_lets_a_worker_ask_and_pays_nothing(till, attempt):
    services.expect_news(attempt_id=attempt.pk)
    attempt.refresh_from_db()
    assert attempt.ask_at <= clock.now()
    assert attempt.state == State.PENDING
    assert services.ask_due_attempts() == 1
