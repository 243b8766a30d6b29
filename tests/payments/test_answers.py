"""What is no clear answer stays unknown: a page of a proxy, of a firewall or of an overrun server refuses nothing.

Whoever believes it gives a buyer's money back twice: the gateway has, and the wallet does as well.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orders.models import Order
from orders.services import refund
from payments import rsa, services, transport
from payments.epay import rsa_signing
from payments.gateways import provider_of
from payments.models import Channel, PaymentAttempt
from payments.models import Refund as PaymentRefund
from payments.providers import Device, Outcome, PaymentState, Provider, Queried
from payments.services import refunding
from payments.transport import Answer, Ask, NoAnswer
from tests.payments.test_providers import charge, provider_for
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db
ALL = ["epay", "epay_v2", "alipay", "wechat", "bepusdt", "stripe"]
GIVE_BACK = {"number": "P1", "provider_txn": "T1", "amount": Decimal("10.00"), "refund_number": "R1"}
PAID = Queried(state=PaymentState.PAID, provider_txn="T1", amount=Decimal("10.00"))


def pages() -> Iterator[Answer]:
    """What stands in for a gateway: nothing, HTML, and JSON whose fields have the names of each protocol."""
    for status in (500, 502, 503, 504, 408, 409, 425, 429, 403, 404, 200):
        code = status if status != 200 else 502
        fields = {"code": code, "msg": "no", "status_code": code, "message": "no", "error": {"type": "api_error"}}
        yield Answer(status, b"")
        yield Answer(status, b"<h1>Bad Gateway</h1>")
        yield Answer(status, json.dumps(fields).encode())
        wrapped = {f"alipay_trade_{what}_response": fields for what in ("precreate", "refund", "close")}
        yield Answer(status, json.dumps(wrapped).encode())


# A gateway's own words, which it does not say with these statuses.
NO = {
    "epay": {"code": -1, "msg": "余额不足"},
    "epay_v2": {"code": -1, "msg": "余额不足"},
    "alipay": {"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH"},
    "wechat": {"code": "NOT_ENOUGH", "message": "余额不足"},
    "bepusdt": {"status_code": 400, "message": "钱包维护"},
    "stripe": {"error": {"type": "invalid_request_error", "message": "Insufficient funds"}},
}


@pytest.fixture
def answered(sandbox, monkeypatch):
    """answered(protocol, answer): a provider to whom every call is answered so."""

    def by(protocol: str, answer: Answer) -> Provider:
        made = provider_for(sandbox, protocol)

        def say(_ask: Ask) -> Answer:
            return answer

        if protocol == "epay":
            monkeypatch.setattr(transport, "exchange", say)
        elif protocol == "wechat":
            made._client.exchange = say
            # It asks what was paid before it gives any of it back.
            monkeypatch.setattr(made, "query", lambda number, ref="": PAID)
        else:
            made._exchange = say
        return made

    return by


def told(provider: Provider, protocol: str) -> dict[str, Outcome]:
    """What becomes of each call that does something."""
    found = {"create": provider.create(charge(protocol, device=Device.PC)).outcome}
    if provider.can_refund:
        found["refund"] = provider.refund(**GIVE_BACK).outcome
        found["query_refund"] = provider.query_refund(number="P1", provider_txn="T1", refund_number="R1").outcome
    if provider.can_close:
        found["close"] = provider.close("P1", ref="T1")
    return found


@pytest.mark.parametrize("protocol", ALL)
def test_a_page_of_somebody_else_refuses_nothing(answered, protocol):
    for page in pages():
        found = told(answered(protocol, page), protocol)
        assert set(found.values()) == {Outcome.UNKNOWN}, (page, found)


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("status", [500, 502, 408, 409, 425, 429])
def test_nor_do_the_gateways_own_words_under_such_a_status(answered, protocol, status):
    words = {f"alipay_trade_{what}_response": NO[protocol] for what in ("precreate", "refund", "close")}
    body = words if protocol == "alipay" else NO[protocol]
    found = told(answered(protocol, Answer(status, json.dumps(body).encode())), protocol)
    assert set(found.values()) == {Outcome.UNKNOWN}, found


@pytest.mark.parametrize(("protocol", "status"), [("epay_v2", 200), ("alipay", 200), ("wechat", 403)])
def test_where_answers_are_signed_an_unsigned_no_is_none(answered, protocol, status):
    words = {f"alipay_trade_{what}_response": NO[protocol] for what in ("precreate", "refund")}
    body = words if protocol == "alipay" else NO[protocol]
    provider = answered(protocol, Answer(status, json.dumps(body).encode()))
    assert provider.refund(**GIVE_BACK).outcome == Outcome.UNKNOWN
    assert provider.create(charge(protocol)).outcome == Outcome.UNKNOWN


@pytest.mark.parametrize(("protocol", "status"), [("epay", 200), ("stripe", 400)])
def test_where_they_are_not_the_documented_words_are_a_no(answered, protocol, status):
    provider = answered(protocol, Answer(status, json.dumps(NO[protocol]).encode()))
    refused = provider.refund(**GIVE_BACK)
    assert (refused.outcome, bool(refused.reason)) == (Outcome.REFUSED, True)
    assert provider.create(charge(protocol)).outcome == Outcome.REFUSED


def test_v2_believes_a_no_that_is_signed(sandbox, answered):
    fields = {"code": "-1", "msg": "余额不足", "timestamp": str(int(datetime.now(UTC).timestamp()))}
    key = rsa.private_key(sandbox.keys["epay_v2"]["platform_private"])
    body = json.dumps(fields | {"sign": rsa_signing.sign(fields, key), "sign_type": "RSA"}).encode()
    assert answered("epay_v2", Answer(200, body)).refund(**GIVE_BACK).outcome == Outcome.REFUSED


def test_a_question_that_is_answered_by_somebody_else_finds_nothing(answered):
    for protocol in ALL:
        for page in pages():
            provider = answered(protocol, page)
            if protocol != "wechat":
                assert provider.query("P1", ref="T1").state == PaymentState.UNKNOWN, (protocol, page)
            if provider.can_refund:
                asked = provider.query_refund(number="P1", provider_txn="T1", refund_number="R1")
                assert (asked.outcome, asked.missing) == (Outcome.UNKNOWN, False), (protocol, page)


class TestTheBuyerIsPaidOnce:
    """Ten yuan by 易支付 V2, which go back the way they came."""

    @pytest.fixture
    def paid(self, till, order, alice) -> PaymentAttempt:
        channel = till.of("epay_v2")
        attempt = till.start(order, channel, "bank")
        till.sandbox.act(attempt.number, "pay_silently")
        till.hand_over(channel, till.sandbox.letter(attempt.number))
        return attempt

    @pytest.fixture
    def part(self, paid) -> PaymentRefund:
        order = Order.objects.get(pk=paid.order_id)
        amounts = {order.lines.get().pk: Decimal("10.00")}
        made = refund(order_id=order.pk, amounts=amounts, ref="r1", reason="x", actor=None, to="original")
        (part,) = services.begin_refund(refund_id=made.pk)
        return part

    @pytest.fixture
    def between(self, monkeypatch):
        """between(proxy): proxy(ask, pass_on) stands between us and the gateway."""

        def put(proxy) -> None:
            def spoilt(channel: Channel) -> Provider:
                provider = provider_of(channel)
                real = provider._exchange
                provider._exchange = lambda ask: proxy(ask, real)
                return provider

            monkeypatch.setattr(refunding, "provider_of", spoilt)

        return put

    def test_an_error_page_after_the_gateway_gave_it_back(self, till, paid, part, alice, between):
        def proxy(ask: Ask, pass_on) -> Answer:
            answer = pass_on(ask)
            return Answer(502, b'{"code":502,"msg":"Bad Gateway"}') if ask.address.endswith("/refund") else answer

        before = balance_of(alice)
        between(proxy)
        assert services.push_refund(refund_id=part.pk) == "unknown"
        assert services.push_refund(refund_id=part.pk) == "done"
        assert till.sandbox.order(paid.number)["refunded"] == "10.00"
        assert balance_of(alice) == before
        assert books() == {}

    def test_a_call_that_never_arrived_is_made_again_under_its_number(self, till, paid, part, between):
        lost = []

        def proxy(ask: Ask, pass_on) -> Answer:
            if ask.address.endswith("/refund") and not lost:
                lost.append(ask)
                raise NoAnswer("ConnectTimeout")
            return pass_on(ask)

        between(proxy)
        states = [services.push_refund(refund_id=part.pk) for _ in range(3)]
        assert states == ["unknown", "unknown", "done"], "told, told again as it is not known there, asked"
        (theirs,) = till.sandbox.order(paid.number)["refunds"]
        assert (theirs["number"], theirs["money"]) == (part.number, "10.00")
        assert books() == {}
