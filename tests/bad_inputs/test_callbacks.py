"""What a gateway's callback may look like, beyond what tests/payments tries."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.test import Client

from common import clock
from orders.models import Order
from payments.models import PaymentAttempt
from payments.services import ask_attempt
from tests.payments.conftest import attempt, channel, clean_books, order, running_sandbox, sandbox, till, verdicts

__all__ = ["attempt", "channel", "clean_books", "order", "running_sandbox", "sandbox", "till"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]


@pytest.mark.parametrize("name", ["money", "out_trade_no", "pid", "sign", "trade_status"])
@pytest.mark.parametrize("first", [True, False])
def test_31_a_parameter_given_twice_is_refused_whichever_is_the_genuine_one(till, attempt, name, first):
    """Two readers of one address may each see another of two values: the one that was signed, and the one that is used."""
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    twice = [(name, "0.01"), *fields.items()] if first else [*fields.items(), (name, "0.01")]
    reply = Client().get(f"/pay/notify/{attempt.channel.code}?{urlencode(twice)}")
    assert (reply.status_code, reply.content) == (200, b"fail")
    assert PaymentAttempt.objects.get().state == "pending"
    assert Order.objects.get().state == Order.State.UNPAID
    assert verdicts(attempt.channel)[0].startswith("rejected")
    assert till.send(attempt.channel, fields) == "success", "the genuine one still counts"


@pytest.mark.parametrize("protocol", ["wechat", "stripe", "epay_v2"])
@pytest.mark.parametrize("minutes", [6, -6, 60 * 24])
def test_42_a_genuine_notify_that_was_kept_back_is_not_believed_and_the_gateway_is_asked(
    till, order, protocol, minutes
):
    """Signed by the gateway, for this order, and sent by whoever copied it: at another time it is worth nothing."""
    channel = till.of(protocol)
    attempt = till.start(order, channel, channel.methods[0])
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    with clock.travel(clock.now() + timedelta(minutes=minutes)):
        assert till.hand_over(channel, letter).status_code in {200, 400}
    assert verdicts(channel) == ["rejected stale"]
    assert Order.objects.get().state == Order.State.UNPAID
    # The money is there all the same: a question finds it.
    ask_attempt(attempt_id=attempt.pk)
    assert Order.objects.get().state == Order.State.DELIVERED


def test_47_wechats_probe_is_refused_as_often_as_it_comes_and_the_genuine_one_counts(till, order):
    """A merchant who answers 200 to a signature that starts with WECHATPAY/SIGNTEST/ would answer so to a thief."""
    channel = till.of("wechat")
    attempt = till.start(order, channel, "wxpay")
    till.sandbox.act(attempt.number, "pay_silently")
    probe = till.sandbox.letter(attempt.number, kind="forged")
    assert probe["headers"]["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    for _time in range(3):
        answer = till.hand_over(channel, probe)
        assert answer.status_code == 400 and b"SUCCESS" not in answer.content
    assert set(verdicts(channel)) == {"rejected signature"}
    assert (PaymentAttempt.objects.get().state, Order.objects.get().state) == ("pending", "unpaid")
    assert till.hand_over(channel, till.sandbox.letter(attempt.number)).status_code == 204
    assert Order.objects.get().state == Order.State.DELIVERED
