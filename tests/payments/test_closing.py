"""What shall not be paid any more is closed at its gateway, never before it is certain that it was not paid."""

from datetime import timedelta

import pytest

from common import clock
from orders.models import Order
from orders.services import cancel, expire, pay_from_wallet
from payments.models import PaymentAttempt
from payments.services import ask_due_attempts, close_due_attempts
from tests.payments.conftest import METHODS, PHONE
from tests.shelf import books

pytestmark = pytest.mark.django_db
State = PaymentAttempt.State
CLOSED = 3


@pytest.fixture(params=["epay_v2", "alipay", "bepusdt", "stripe"])
def protocol(request) -> str:
    return request.param


@pytest.fixture
def channel(till, protocol):
    return till.of(protocol)


@pytest.fixture
def attempt(till, channel, order, protocol):
    return till.open(till.start(order, channel, METHODS[protocol], agent=PHONE))


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def at_gateway(till, attempt: PaymentAttempt) -> int:
    return till.sandbox.order(attempt.number)["status"]


def test_a_cancelled_order_can_no_longer_be_paid(till, attempt, alice):
    assert close_due_attempts() == 0
    cancel(order_id=attempt.order_id, actor=alice)
    assert close_due_attempts() == 1
    assert (fresh(attempt).state, fresh(attempt).close_at) == (State.CLOSED, None)
    assert at_gateway(till, attempt) == CLOSED
    assert close_due_attempts() == 0


@pytest.mark.parametrize("protocol", ["epay_v2", "alipay"], indirect=True)
def test_paid_a_moment_before_the_buyer_cancelled(till, attempt, alice):
    till.sandbox.act(attempt.number, "pay_silently")
    cancel(order_id=attempt.order_id, actor=alice)
    close_due_attempts()
    assert (fresh(attempt).state, at_gateway(till, attempt)) == (State.PAID, 1)
    # Late money still buys while the goods are there.
    assert fresh(attempt.order).state == Order.State.DELIVERED
    assert books() == {}


@pytest.mark.parametrize("protocol", ["bepusdt"], indirect=True)
def test_paid_in_coins_and_not_told_yet(till, attempt, alice):
    """Its word alone books nothing, and what may be paid is not closed."""
    till.sandbox.act(attempt.number, "pay_silently")
    cancel(order_id=attempt.order_id, actor=alice)
    assert close_due_attempts() == 0
    assert fresh(attempt).close_at > clock.now()
    assert till.hand_over(attempt.channel, till.sandbox.letter(attempt.number)).status_code == 200
    assert (fresh(attempt).state, fresh(attempt).close_at) == (State.PAID, None)


@pytest.mark.parametrize("broken", ["query", "close"])
def test_without_an_answer_it_stays_open_and_is_tried_again(till, attempt, alice, protocol, broken):
    call = "cancel" if (protocol, broken) == ("bepusdt", "close") else broken
    till.sandbox.fault(f"{protocol}.{call}", "garbage")
    cancel(order_id=attempt.order_id, actor=alice)
    assert close_due_attempts() == 0
    assert fresh(attempt).state == State.PENDING
    assert fresh(attempt).close_at > clock.now()
    with clock.travel(clock.now() + timedelta(seconds=31)):
        assert close_due_attempts() == 1
    assert fresh(attempt).state == State.CLOSED
    assert at_gateway(till, attempt) == CLOSED


@pytest.mark.parametrize("protocol", ["epay_v2"], indirect=True)
class TestWhen:
    def test_the_deadline(self, till, attempt):
        # No travelling: the gateway refuses requests from another time.
        over = clock.now() - timedelta(seconds=1)
        Order.objects.update(pay_deadline=over)
        PaymentAttempt.objects.update(expires_at=over, close_at=over)
        assert expire(order_id=attempt.order_id)
        assert close_due_attempts() == 1
        assert at_gateway(till, attempt) == CLOSED

    def test_another_method_of_the_same_channel(self, till, attempt, channel, order):
        other = till.start(order, channel, "qqpay", agent=PHONE)
        assert close_due_attempts() == 1
        assert (at_gateway(till, attempt), at_gateway(till, other)) == (CLOSED, 0)
        assert fresh(other).state == State.PENDING

    def test_paid_another_way(self, till, attempt, alice):
        pay_from_wallet(order_id=attempt.order_id, user=alice)
        assert close_due_attempts() == 1
        assert at_gateway(till, attempt) == CLOSED

    def test_a_channel_that_does_not_answer_is_left_alone_and_the_others_are_served(
        self, till, channel, shelf, alice, make_member
    ):
        sku = shelf.sku("10.00", keys=9)
        silent = till.of("epay_v2", gateway_url="http://127.0.0.1:1")
        attempts = [till.start(shelf.buy(make_member(), (sku, 1)), channel, "bank") for _ in range(4)]
        for attempt in attempts[:3]:
            attempt.channel = silent
            attempt.save()
        for attempt in attempts:
            cancel(order_id=attempt.order_id, actor=alice)
        assert close_due_attempts() == 1
        assert at_gateway(till, attempts[3]) == CLOSED

    def test_not_for_ever(self, till, attempt, alice):
        till.sandbox.fault("epay_v2.query", "garbage", times=9)
        cancel(order_id=attempt.order_id, actor=alice)
        with clock.travel(attempt.expires_at + timedelta(hours=25)):
            close_due_attempts()
            assert fresh(attempt).close_at is None
            assert fresh(attempt).state == State.UNKNOWN


def test_a_gateway_that_closes_nothing_is_not_asked_to(till, order, alice):
    """V1: what is paid late comes as late money."""
    attempt = till.start(order, till.channel())
    assert attempt.close_at is None
    cancel(order_id=order.pk, actor=alice)
    assert close_due_attempts() == 0
    till.sandbox.act(attempt.number, "pay_silently")
    with clock.travel(clock.now() + timedelta(minutes=1)):
        assert ask_due_attempts() == 1
    assert fresh(attempt).state == State.PAID
    assert fresh(order).state == Order.State.DELIVERED
