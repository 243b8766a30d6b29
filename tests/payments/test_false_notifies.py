"""Forged, borrowed, late and repeated notifies of every protocol: none of them moves money."""

import json
from decimal import Decimal

import pytest

from common import clock
from orders.models import Order
from payments.bepusdt.provider import BepusdtProvider
from payments.bepusdt.signing import signed_json
from payments.gateways import secrets_of
from payments.models import PaymentAttempt
from payments.providers import PaymentState, Queried
from payments.selectors import parked_attempts, pay_options
from payments.services import ask_attempt, confirm_payment
from sandbox.bepusdt.tongue import signature
from tests.desk import staff
from tests.payments.conftest import DESKTOP, METHODS, PHONE, verdicts
from tests.shelf import books

pytestmark = pytest.mark.django_db
State = PaymentAttempt.State
PROTOCOLS = ["epay", "epay_v2", "alipay", "bepusdt", "stripe"]
# What each answers where a notify is not accepted.
REFUSED = {"bepusdt": (400, "fail"), "stripe": (400, "fail")}
ACCEPTED = {"bepusdt": (200, "ok"), "stripe": (200, "ok")}


@pytest.fixture(params=PROTOCOLS)
def protocol(request) -> str:
    return request.param


@pytest.fixture
def channel(till, protocol):
    return till.of(protocol)


@pytest.fixture
def attempt(till, channel, order, protocol):
    return till.open(till.start(order, channel, METHODS[protocol], agent=PHONE))


@pytest.fixture
def fay():
    return staff("fay", "payments.confirm_payment")


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def sent(till, channel, letter) -> tuple[int, str]:
    reply = till.hand_over(channel, letter)
    return reply.status_code, reply.content.decode()


def unpaid(attempt: PaymentAttempt) -> bool:
    return fresh(attempt).state == State.PENDING and fresh(attempt.order).state == Order.State.UNPAID


def test_none_of_these_pays(till, channel, attempt, protocol, settings):
    """A forged one; a genuine one with another amount; a signed one about an order that nobody paid."""
    refused = REFUSED.get(protocol, (200, "fail"))
    assert sent(till, channel, till.sandbox.letter(attempt.number, "forged")) == refused
    assert unpaid(attempt)
    answer = sent(till, channel, till.sandbox.letter(attempt.number, "unpaid"))
    # A strong signature under "not paid" is heard; a weak one under "paid" is asked about, and refused.
    assert answer == (refused if protocol in ("epay", "bepusdt") else ACCEPTED.get(protocol, (200, "success")))
    assert unpaid(attempt)
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    cheaper = {
        "bepusdt": ('"amount": 10,', '"amount": 1,'),
        "stripe": ('"amount_total": 1000', '"amount_total": 1'),
    }.get(protocol, ("=10.00&", "=0.01&"))
    changed = letter | {part: letter[part].replace(*cheaper) for part in ("url", "body")}
    assert changed != letter
    assert sent(till, channel, changed) == refused
    assert unpaid(attempt)
    assert books() == {}


def test_the_same_notify_again_and_again(till, channel, attempt, protocol):
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    accepted = ACCEPTED.get(protocol, (200, "success"))
    assert [sent(till, channel, letter) for _ in range(3)] == [accepted] * 3
    assert verdicts(channel) == ["applied", "repeated", "repeated"]
    assert fresh(attempt.order).state == Order.State.DELIVERED
    assert books() == {}


def test_another_channels_genuine_notify(till, channel, attempt, protocol):
    """Signed for a channel of another merchant; and of the same gateway, for a number that is not this channel's."""
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    for other in set(PROTOCOLS) - {protocol}:
        assert sent(till, till.of(other), letter)[1] == "fail"
    assert unpaid(attempt)


@pytest.mark.parametrize("protocol", ["epay_v2", "stripe"], indirect=True)
def test_a_notify_that_was_kept_for_later(till, channel, attempt, protocol):
    till.sandbox.act(attempt.number, "pay_silently")
    stale = till.sandbox.letter(attempt.number, "stale")
    assert sent(till, channel, stale) == REFUSED.get(protocol, (200, "fail"))
    assert verdicts(channel) == ["rejected stale"]
    assert unpaid(attempt)


@pytest.mark.parametrize("protocol", ["epay_v2", "alipay"], indirect=True)
def test_another_merchant_of_the_same_gateway(till, channel, attempt, protocol):
    """The gateway's signature is right, the money is somebody else's."""
    till.sandbox.act(attempt.number, "pay_silently")
    other = till.of(protocol, merchant_id="2021999999999999")
    assert sent(till, other, till.sandbox.letter(attempt.number)) == (200, "fail")
    assert verdicts(other) == ["rejected merchant"]
    assert unpaid(attempt)


def signed_again(channel, letter, **changes: str):
    """The coin server's notify with other fields, by somebody who has got hold of the token."""
    told = json.loads(letter["body"], parse_float=str, parse_int=str) | changes
    numbers = {name: told.pop(name) for name in ("amount", "status")}
    told.pop("signature")
    return letter | {"body": signed_json(told, numbers, secrets_of(channel)["token"]).decode()}


class TestTheCoinServersNotify:
    """Its signature is weak and its answers say no more than that a trade was paid: which, and over how much, has to fit."""

    @pytest.fixture
    def coins(self, till):
        return till.of("bepusdt")

    @pytest.fixture
    def dear(self, till, coins, shelf, bob):
        return till.start(shelf.buy(bob, (shelf.sku("900.00", keys=1), 1)), coins, "usdt")

    def test_a_cheap_trade_pays_no_dear_order(self, till, coins, shelf, alice, dear):
        cheap = till.start(shelf.buy(alice, (shelf.sku("1.00", keys=1), 1)), coins, "usdt")
        till.sandbox.act(cheap.number, "pay_silently")
        letter = till.sandbox.letter(cheap.number)
        borrowed = signed_again(coins, letter, order_id=dear.number, amount="900")
        assert sent(till, coins, borrowed) == (400, "fail")
        assert verdicts(coins) == ["rejected gateway_says_missing"]
        assert unpaid(dear)
        # The cheap one's money is still its own.
        assert sent(till, coins, letter) == (200, "ok")
        assert (fresh(cheap).state, fresh(cheap).paid_amount) == (State.PAID, Decimal("1.00"))

    def test_fewer_coins_than_were_asked_for(self, till, coins, dear):
        till.sandbox.act(dear.number, "pay_silently")
        sent(till, coins, signed_again(coins, till.sandbox.letter(dear.number), actual_amount="0.14"))
        assert verdicts(coins) == ["rejected another_amount"]
        assert unpaid(dear)

    def test_a_trade_that_was_made_anew_waits_for_staff_whatever_became_of_the_first(self, till, coins, dear, fay):
        """The money is real: it is not dropped when the server says that the first trade has expired."""
        PaymentAttempt.objects.filter(pk=dear.pk).update(ref="an older trade")
        till.sandbox.act(dear.number, "pay_silently")
        letter = till.sandbox.letter(dear.number)
        sent(till, coins, letter)
        assert list(parked_attempts()) == [fresh(dear)]
        with pytest.MonkeyPatch.context() as patch:
            closed = Queried(state=PaymentState.CLOSED)
            patch.setattr(BepusdtProvider, "query", lambda self, number, ref="": closed)
            ask_attempt(attempt_id=dear.pk)
        assert list(parked_attempts()) == [fresh(dear)]
        txn = json.loads(letter["body"])["trade_id"]
        confirm_payment(attempt_id=dear.pk, provider_txn=txn, amount=dear.amount, reason="后台已收", actor=fay)
        assert fresh(dear.order).state == Order.State.DELIVERED
        assert list(parked_attempts()) == []
        assert books() == {}


def test_a_sandbox_is_nothing_in_production(till, channel, attempt, protocol, settings):
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    settings.PRODUCTION = True
    assert till.hand_over(channel, letter).status_code == 404
    assert unpaid(attempt)
    assert pay_options(amount=attempt.amount, user_agent=DESKTOP, at=clock.now()) == []


@pytest.mark.parametrize("protocol", ["bepusdt", "stripe"], indirect=True)
@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"a": 1}', '{"a": {"b": ' * 100, "\x00", '{"signature": "\\ud800"}']
)
def test_noise_is_no_server_error(till, channel, attempt, protocol, body):
    letter = till.sandbox.letter(attempt.number, "unpaid")
    assert sent(till, channel, letter | {"body": body}) == REFUSED[protocol]


def test_a_huge_body_is_not_read(till, channel, attempt, protocol):
    letter = till.sandbox.letter(attempt.number)
    huge = letter | {"method": "POST", "body": json.dumps({"a": "x" * 300_000})}
    huge["headers"] = {**letter["headers"], "Content-Type": "application/json"}
    assert sent(till, channel, huge)[1] == "fail"
    assert unpaid(attempt)


@pytest.mark.parametrize("protocol", ["bepusdt"], indirect=True)
@pytest.mark.parametrize(
    "other", [{"amount": 99.5}, {"trade_id": "of-somebody-else"}, {"order_id": "P1"}, {"order_id": "\0"}]
)
def test_a_thief_of_the_token_signs_another_amount_trade_or_number(till, channel, attempt, protocol, other):
    """The server confirms that the trade was paid, but not for how much and for what: the shop knows what it asked for."""
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    fields = {name: value for name, value in json.loads(letter["body"]).items() if name != "signature"} | other
    signed = json.dumps({**fields, "signature": signature(fields, till.sandbox.keys["bepusdt"]["token"])})
    assert sent(till, channel, letter | {"body": signed}) == REFUSED[protocol]
    assert unpaid(attempt)
    assert sent(till, channel, letter) == ACCEPTED[protocol]
    assert fresh(attempt).paid_amount == attempt.amount
    assert books() == {}


@pytest.mark.parametrize("protocol", ["alipay"], indirect=True)
def test_a_transaction_that_was_booked_is_told_of_a_number_that_there_is_not(till, channel, attempt, protocol):
    """It is for staff like one that is told of another order; it was an error of ours before."""
    till.sandbox.act(attempt.number, "pay_silently")
    letter = till.sandbox.letter(attempt.number)
    assert sent(till, channel, letter) == (200, "success")
    PaymentAttempt.objects.filter(pk=attempt.pk).update(number="as-after-a-restore")
    assert sent(till, channel, letter) == (200, "fail")
    assert verdicts(channel) == ["applied", "held transaction_taken"]
    assert books() == {}
