"""What torture's forgers make: nothing of it is a genuine callback, none is believed, none makes the shop stumble."""

import random
from urllib.parse import urlencode

import pytest
from django.test import Client

from payments.models import NotifyLog, PaymentAttempt
from sandbox.keys import load_keys
from tests.payments.conftest import METHODS, Till, running_sandbox, sandbox, till
from tests.sandboxes import KEY, PID, keys_file
from tests.shelf import books
from torture.callbacks import epay
from torture.callbacks.base import Call, Case, Protocol
from torture.faults.callbacks import PROTOCOLS, trust_certificate

__all__ = ["running_sandbox", "sandbox", "till"]

SEED = 20261130


@pytest.fixture(autouse=True)
def _same_merchant(monkeypatch):
    monkeypatch.setattr(epay, "MERCHANT", PID)
    monkeypatch.setattr(epay, "MERCHANT_KEY", KEY)


class Counter:
    """One protocol of the sandbox at our notify address: two orders that a guest would pay by it, one of them paid."""

    def __init__(self, kind: type[Protocol], till: Till, shelf) -> None:
        self.protocol, self.till = kind(load_keys(keys_file())), till
        settings = {"currency": "usd", "rate": "7.10"} if kind.name == "stripe" else {}
        self.channel = till.of(kind.name, settings=settings)
        if kind.name == "wechat":
            trust_certificate(self.channel, self.protocol.keys)
        goods = shelf.sku("1.00", keys=3)
        self.unpaid = self.start(shelf.buy(None, (goods, 1)))
        self.paid = self.start(shelf.buy(None, (goods, 1)))
        self.order = till.sandbox.act(self.paid.number, "pay_silently")
        others = [Call("POST", "", b"{}", "application/json"), Call("GET", urlencode({"sign": "x"}))]
        unpaid = till.sandbox.order(self.unpaid.number)
        self.case = Case(random.Random(SEED), unpaid, self.protocol.genuine(self.order), others)

    def start(self, order) -> PaymentAttempt:
        return self.till.start(order, self.channel, METHODS[self.protocol.name])

    def send(self, call: Call) -> tuple[int, str]:
        # Two headers of one name are one to WSGI.
        headers: dict[str, str] = {}
        for name, text in call.headers:
            headers[name] = f"{headers[name]},{text}" if name in headers else text
        target = f"/pay/notify/{self.channel.code}" + (f"?{call.query}" if call.query else "")
        answer = Client().generic(call.method, target, call.body, content_type=call.content_type, headers=headers)
        return answer.status_code, answer.content.decode().strip()

    def believed(self, call: Call) -> bool:
        status, text = self.send(call)
        assert status < 500, call
        return self.protocol.accepts(status, text)

    def states(self) -> list[str]:
        return [PaymentAttempt.objects.get(pk=one.pk).state for one in (self.unpaid, self.paid)]


@pytest.fixture(params=PROTOCOLS, ids=lambda kind: kind.name)
def counter(request, till, shelf) -> Counter:
    return Counter(request.param, till, shelf)


def made(counter: Counter, kind: str) -> tuple[str, Call]:
    """Chance may make the genuine one again."""
    return next(forged for _ in range(50) if (forged := counter.protocol.make(kind, counter.case)))


@pytest.mark.django_db
def test_every_kind_of_forgery_is_refused_before_and_after_the_genuine_one(counter):
    forged = [made(counter, kind) for kind in counter.protocol.kinds()]
    # What a thief of the key signs about a payment that was made can only be told from it once the money is booked.
    early = [call for kind, call in forged if not kind.startswith("signed: used")]
    assert [call for call in early if counter.believed(call)] == []
    assert counter.states() == ["pending", "pending"]
    assert counter.believed(counter.protocol.genuine(counter.order))
    assert [(kind, call) for kind, call in forged if kind.startswith("signed") and counter.believed(call)] == []
    assert counter.states() == ["pending", "paid"]
    assert NotifyLog.objects.filter(verdict="applied").count() == 1
    assert books() == {}


@pytest.mark.django_db
def test_five_callbacks_in_any_order_credit_once(counter):
    events = list(counter.protocol.events(counter.order))
    order = random.Random(SEED).sample(range(5), 5)
    for place in order:
        answers = [counter.believed(events[place]) for _ in range(2)]
        assert answers == [place in (0, 1)] * 2
    assert counter.states() == ["pending", "paid"]
    assert PaymentAttempt.objects.get(pk=counter.paid.pk).paid_amount == counter.paid.amount
    assert books() == {}
