"""What a gateway's callback may look like, beyond what tests/payments tries."""

from urllib.parse import urlencode

import pytest
from django.test import Client

from orders.models import Order
from payments.models import PaymentAttempt
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
