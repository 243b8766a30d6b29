"""Asking gateways: the button, the background rounds, and when to stop."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common import clock
from orders.models import Order
from payments import services
from payments.epay.provider import EpayProvider
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.providers import PaymentState, Queried
from payments.selectors import held_notifies, parked_attempts
from payments.services.asking import next_question
from tests.payments.conftest import verdicts
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


class TestToldOfLateWhileTheGatewayIsDown:
    """A payment that was over is paid; its notify comes, and then the gateway cannot be asked whether it is true."""

    ROUNDS = (
        services.ask_parked_again,
        services.ask_due_attempts,
        services.close_due_attempts,
        services.sweep_notifies,
    )

    def rounds(self, start, **span) -> list[PaymentAttempt]:
        """What goes round by itself, so much later; returns what staff have before them then."""
        with clock.travel(start + timedelta(**span)):
            [go() for go in self.ROUNDS]
            return list(parked_attempts())

    @pytest.fixture(params=[State.CLOSED, State.FAILED])
    def start(self, request, till, attempt, monkeypatch):
        start = clock.now()
        PaymentAttempt.objects.update(state=request.param, ask_at=None, close_at=None)
        till.sandbox.act(attempt.number, "pay_silently")
        fields = till.fields(attempt)
        silent = Queried(state=PaymentState.UNKNOWN, reason="ReadTimeout")
        monkeypatch.setattr(EpayProvider, "query", lambda self, number, *, ref="": silent)
        for minutes in (0, 1, 8):
            with clock.travel(start + timedelta(days=2, minutes=minutes)):
                assert till.send(attempt.channel, fields) == "fail"
        return start

    def test_it_is_asked_about_until_the_gateway_answers_and_booked(self, till, attempt, start, monkeypatch):
        for days in (2, 4, 30, 100):
            assert self.rounds(start, days=days, hours=1) == [attempt], days
            attempt.refresh_from_db()
            # For a day as always, and then once a day.
            assert (attempt.ask_at is None) == (days > 2), days
        assert verdicts(attempt.channel) == ["waiting ReadTimeout"] * 3
        monkeypatch.undo()
        assert self.rounds(start, days=101, hours=1) == []
        attempt.refresh_from_db()
        assert (attempt.state, verdicts(attempt.channel)) == (State.PAID, ["applied"] * 3)
        assert books() == {}

    def test_an_answer_that_nothing_was_paid_ends_it(self, attempt, start, monkeypatch):
        unpaid = Queried(state=PaymentState.UNPAID)
        monkeypatch.setattr(EpayProvider, "query", lambda self, number, *, ref="": unpaid)
        assert self.rounds(start, days=2, hours=1) == []
        assert verdicts(attempt.channel) == ["rejected gateway_says_unpaid"] * 3
        attempt.refresh_from_db()
        assert attempt.ask_at is None

    def test_staff_may_end_it_too(self, attempt, start, olga):
        services.note_unpaid(attempt_id=attempt.pk, reason="渠道已倒闭", actor=olga)
        assert self.rounds(start, days=30) == []
        assert not NotifyLog.objects.filter(verdict="waiting").exists()


def test_a_closed_payment_whose_transaction_another_got_stands_before_staff(
    till, attempt, shelf, bob, olga, monkeypatch
):
    other = till.start(shelf.buy(bob, (shelf.sku(keys=1), 1)), attempt.channel)
    assert till.pay(other) == "success"
    other.refresh_from_db()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(state=State.CLOSED, ask_at=None)
    answer = Queried(state=PaymentState.PAID, provider_txn=other.provider_txn, amount=attempt.amount)
    monkeypatch.setattr(EpayProvider, "query", lambda self, number, *, ref="": answer)
    services.recheck_attempt(attempt_id=attempt.pk)
    assert list(parked_attempts()) == [attempt]
    # Silence, when somebody asks again, takes nothing back.
    monkeypatch.setattr(EpayProvider, "query", lambda self, number, *, ref="": Queried(state=PaymentState.UNKNOWN))
    services.ask_attempt(attempt_id=attempt.pk)
    assert (list(parked_attempts()), services.ask_parked_again()) == ([attempt], 0)
    services.note_unpaid(attempt_id=attempt.pk, reason="已补给买家", actor=olga)
    assert (list(parked_attempts()), list(held_notifies(clock.now()))) == ([], [])
