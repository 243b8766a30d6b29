"""Putting payments up: one live attempt, one number, whatever the gateway and the buyer's fingers do."""

from datetime import time, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from django.utils.translation import override

from common import clock, outgoing
from orders.services import cancel
from payments.exceptions import GatewayRefused, GatewaySilent, MethodUnavailable, NotPayable
from payments.gateways import provider_of
from payments.models import Channel, PaymentAttempt
from payments.providers import Provider
from payments.selectors import pay_options
from payments.services import ask_due_attempts, form_fields, place_top_up, starting
from payments.transport import Answer, Ask, NoAnswer
from sandbox.epay.signing import is_signed
from tenancy.selectors import main_storefront
from tests.payments.conftest import DESKTOP, PHONE, WECHAT
from tests.sandboxes import KEY

pytestmark = pytest.mark.django_db
State = PaymentAttempt.State


def test_a_desktop_gets_a_code_and_the_gateway_our_number(till, channel, order, sandbox):
    attempt = till.start(order, channel)
    assert (attempt.state, attempt.show, attempt.order) == (State.PENDING, "qr", order)
    theirs = sandbox.order(attempt.number)
    assert attempt.payload == f"{sandbox.url}/cashier/{theirs['id']}"
    assert Decimal(theirs["money"]) == order.total
    assert theirs["notify_url"].endswith(f"/pay/notify/{channel.code}")
    assert attempt.public_id in theirs["return_url"]
    assert theirs["name"] == order.lines.get().product_name


def test_a_phone_is_sent_to_a_page(till, channel, order):
    assert till.start(order, channel, agent=PHONE).show == "page"


def test_pressing_again_changes_nothing(till, channel, order, sandbox):
    first = till.start(order, channel)
    assert till.start(order, channel) == first
    assert len(sandbox.orders(notify_url=sandbox.order(first.number)["notify_url"])) == 1


def test_another_method_closes_the_first(till, channel, order):
    first = till.start(order, channel)
    second = till.start(order, channel, "wxpay")
    first.refresh_from_db()
    assert (first.state, second.state) == (State.CLOSED, State.PENDING)
    assert first.number != second.number


def test_a_second_live_attempt_cannot_be_stored(attempt):
    with pytest.raises(IntegrityError):
        PaymentAttempt.objects.create(
            number="P1",
            channel=attempt.channel,
            method=attempt.method,
            purpose="order",
            order=attempt.order,
            amount=1,
            created_at=attempt.created_at,
            expires_at=attempt.expires_at,
        )


@pytest.mark.django_db(transaction=True)
def test_the_number_is_stored_and_no_transaction_is_open_when_the_gateway_is_called(till, channel, order, monkeypatch):
    seen = []
    client = outgoing.client

    def watched(*args, **kwargs):
        seen.append((connection.in_atomic_block, PaymentAttempt.objects.get().state))
        return client(*args, **kwargs)

    monkeypatch.setattr(outgoing, "client", watched)
    till.start(order, channel)
    assert seen == [(False, State.CREATED)]


@pytest.mark.parametrize("mode", ["garbage", "status500", "hang"])
def test_an_answer_that_never_came_is_asked_for_under_the_same_number(till, channel, order, sandbox, mode):
    sandbox.fault("mapi", mode, seconds=4)
    with pytest.raises(GatewaySilent):
        till.start(order, channel)
    unknown = PaymentAttempt.objects.get()
    assert (unknown.state, unknown.ask_at is not None) == (State.UNKNOWN, True)
    assert KEY not in unknown.last_error
    again = till.start(order, channel)
    assert (again.number, again.state) == (unknown.number, State.PENDING)
    assert len(sandbox.orders(out_trade_no=unknown.number)) == 1


@pytest.fixture
def deaf(monkeypatch):
    """deaf(): from now on gateways do what they are told, and no answer comes back; until `monkeypatch.undo()`."""

    def put() -> None:
        def unheard(channel: Channel) -> Provider:
            provider = provider_of(channel)
            real = provider._exchange

            def wire(ask: Ask) -> Answer:
                real(ask)
                raise NoAnswer("ReadTimeout")

            provider._exchange = wire
            return provider

        monkeypatch.setattr(starting, "provider_of", unheard)

    return put


@pytest.mark.parametrize("setting", [{}, {"currency": "usd", "rate": "7.10"}])
def test_a_repeat_is_the_same_request_whatever_changed_meanwhile(till, alice, monkeypatch, deaf, setting):
    """Stripe takes another body under a known key for an error: the clock, the rate and the language may have moved."""
    channel = till.of("stripe", settings=setting)
    top_up = place_top_up(user=alice, storefront=main_storefront(), amount=Decimal(50), idempotency_key="t")
    deaf()
    with override("zh-hans"), pytest.raises(GatewaySilent):
        till.start(top_up, channel, "card")
    monkeypatch.undo()
    unknown = PaymentAttempt.objects.get()
    assert unknown.state == State.UNKNOWN
    channel.settings |= {"rate": "7.20"} if setting else {}
    channel.save()
    with clock.travel(clock.now() + timedelta(minutes=4)), override("en"):
        again = till.start(top_up, channel, "card")
    assert (again.number, again.state, again.last_error) == (unknown.number, State.PENDING, "")
    assert again.currency_amount == (Decimal("7.04") if setting else None)


def test_a_session_outlives_our_own_deadline_also_when_the_call_was_late(till, order):
    """Stripe takes none that ends within half an hour."""
    channel = till.of("stripe")
    with clock.travel(order.pay_deadline - timedelta(seconds=5)):
        attempt = till.start(order, channel, "card")
    ends = round(till.sandbox.order(attempt.number)["ends_at"])
    assert ends == int((order.pay_deadline + timedelta(minutes=31)).timestamp())


def test_a_used_key_is_no_refusal(till, order, sandbox, monkeypatch, deaf):
    """What was asked for under it exists: the number stays, and no other is given for the same order."""
    channel = till.of("stripe")
    deaf()
    with pytest.raises(GatewaySilent):
        till.start(order, channel, "card")
    monkeypatch.undo()
    PaymentAttempt.objects.update(subject="something else", called_at=None)
    with pytest.raises(GatewaySilent):
        till.start(order, channel, "card")
    attempt = PaymentAttempt.objects.get()
    assert (attempt.state, "idempotent" in attempt.last_error) == (State.UNKNOWN, True)


def test_a_no_after_silence_ends_the_attempt_and_not_the_questions(till, channel, order, sandbox):
    """The call without an answer may have put it up: money on it must be found, by the time it is closed at the latest."""
    sandbox.fault("mapi", "garbage")
    with pytest.raises(GatewaySilent):
        till.start(order, channel)
    sandbox.fault("mapi", "refused")
    with pytest.raises(GatewayRefused):
        till.start(order, channel)
    failed = PaymentAttempt.objects.get()
    assert failed.state == State.FAILED
    sandbox.act(failed.number, "pay_silently")
    with clock.travel(failed.ask_at):
        assert ask_due_attempts() == 1
    failed.refresh_from_db()
    assert failed.state == State.PAID


def test_an_unknown_one_stays_open_when_the_buyer_switches(till, channel, order, sandbox):
    sandbox.fault("mapi", "garbage")
    with pytest.raises(GatewaySilent):
        till.start(order, channel)
    till.start(order, channel, "wxpay")
    assert PaymentAttempt.objects.get(method="alipay").state == State.UNKNOWN


def test_a_refusal_is_final_and_another_channel_is_offered(till, order, sandbox):
    first, second = till.channel(position=1), till.channel(position=2)
    sandbox.fault("mapi", "refused")
    with pytest.raises(GatewayRefused):
        till.start(order, first)
    failed = PaymentAttempt.objects.get()
    assert (failed.state, failed.ask_at, failed.last_error) == (State.FAILED, None, "通道维护")
    offered = pay_options(amount=order.total, user_agent=DESKTOP, at=clock.now(), skip={first.pk})
    assert {option.channel for option in offered} == {second}
    assert till.start(order, first).state == State.PENDING


def test_while_one_request_calls_another_waits_and_after_a_kill_the_next_calls(till, channel, order, sandbox):
    attempt = till.start(order, channel)
    killed_at = clock.now()
    PaymentAttempt.objects.update(state=State.CREATED, show="", payload="", called_at=killed_at)
    assert till.start(order, channel).payload == ""
    with clock.travel(killed_at + timedelta(seconds=16)):
        again = till.start(order, channel)
    assert (again.number, again.state) == (attempt.number, State.PENDING)
    assert len(sandbox.orders(out_trade_no=attempt.number)) == 1


def test_page_mode_needs_no_call(till, order, sandbox):
    channel = till.channel(settings={"mode": "page"})
    attempt = till.start(order, channel)
    assert (attempt.show, attempt.payload) == ("form", f"{sandbox.url}/submit.php")
    fields = dict(form_fields(attempt))
    assert is_signed(fields, KEY)
    assert fields["out_trade_no"] == attempt.number
    assert sandbox.orders(out_trade_no=attempt.number) == []


def test_clones_that_append_the_key_as_a_parameter(till, order):
    """The sandbox merchant signs the plain way, so the other way must be refused there."""
    with pytest.raises(GatewayRefused):
        till.start(order, till.channel(settings={"sign_mode": "key"}))


def test_paid_closed_and_late_orders_take_no_attempt(till, channel, shelf, alice, order):
    paid = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    with pytest.raises(NotPayable):
        till.start(paid, channel)
    with clock.travel(order.pay_deadline), pytest.raises(NotPayable):
        till.start(order, channel)
    cancel(order_id=order.pk, actor=alice)
    with pytest.raises(NotPayable):
        till.start(order, channel)


@pytest.mark.parametrize(
    "fields",
    [
        {"is_active": False},
        {"methods": ["wxpay"]},
        {"min_amount": "10.01"},
        {"max_amount": "9.99"},
    ],
)
def test_a_channel_that_does_not_take_it(till, order, fields):
    with pytest.raises(MethodUnavailable):
        till.start(order, till.channel(**fields))


def test_a_channel_that_opens_in_two_hours(till, order):
    hour = order.placed_at.astimezone(clock.SHANGHAI).hour
    later = till.channel(open_from=time((hour + 2) % 24), open_to=time((hour + 3) % 24))
    with pytest.raises(MethodUnavailable):
        till.start(order, later)


def test_opening_hours_in_shanghai_over_midnight(till, order):
    channel = till.channel(open_from=time(22), open_to=time(2))
    noon = order.placed_at.replace(hour=4, minute=0)
    for hours, is_open in ((0, False), (9, False), (10, True), (13.9, True), (14, False)):
        at = noon + timedelta(hours=hours)
        options = pay_options(amount=order.total, user_agent=DESKTOP, at=at)
        assert ([option.channel for option in options] == [channel, channel]) == is_open, hours


def test_a_fee_for_the_buyer_is_on_top(till, order, sandbox):
    channel = till.channel(fee_rate="0.0125", fee_payer=Channel.FeePayer.BUYER)
    attempt = till.start(order, channel)
    assert (attempt.amount, attempt.fee) == (Decimal("10.13"), Decimal("0.13"))
    assert sandbox.order(attempt.number)["money"] == "10.13"
    assert till.start(order, till.channel(fee_rate="0.0125")).amount == Decimal("10.00")


def test_inside_wechat_only_wechat_is_offered(till, channel, order):
    def offered(agent: str) -> list[str]:
        return [option.method for option in pay_options(amount=order.total, user_agent=agent, at=clock.now())]

    assert offered(DESKTOP) == offered(PHONE) == ["alipay", "wxpay"]
    assert offered(WECHAT) == ["wxpay"]
    assert offered(f"{PHONE} AlipayClient/10.6") == ["alipay"]
    assert offered(f"{PHONE} QQ/9.0.8") == []


def test_a_sandbox_channel_takes_nothing_in_production(till, channel, order, settings):
    settings.PRODUCTION = True
    assert pay_options(amount=order.total, user_agent=DESKTOP, at=clock.now()) == []
    with pytest.raises(MethodUnavailable):
        till.start(order, channel)
