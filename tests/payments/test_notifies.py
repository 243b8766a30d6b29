"""Notifies: kept as they came, believed only when signature and gateway agree, applied once."""

from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import pytest
from django.test import Client

from audit.services import Limit
from common import clock
from events.models import Event
from orders.models import Order
from orders.services import refund as give_back
from payments import services
from payments.gateways import provider_of
from payments.models import NotifyLog, PaymentAttempt
from payments.services import notifies
from sandbox.epay.signing import signed
from tests.payments.conftest import sold, verdicts
from tests.sandboxes import KEY, PID, RunningSandbox
from wallet.selectors import balance_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
State = PaymentAttempt.State


def nothing_moved(attempt: PaymentAttempt) -> bool:
    attempt.refresh_from_db()
    attempt.order.refresh_from_db()
    return attempt.state == State.PENDING and attempt.order.state == Order.State.UNPAID and sold(attempt.order) == 0


# What should be believed


def test_a_paid_order_is_delivered(till, attempt, alice):
    assert till.pay(attempt) == "success"
    attempt.refresh_from_db()
    order = attempt.order
    order.refresh_from_db()
    assert (attempt.state, attempt.outcome, attempt.paid_amount) == (State.PAID, "paid", Decimal("10.00"))
    assert attempt.provider_txn == till.sandbox.order(attempt.number)["id"]
    assert (order.state, order.paid_with, sold(order)) == (Order.State.DELIVERED, "alipay", 1)
    assert balance_of(alice) == Decimal("1000.00")
    assert verdicts(attempt.channel) == ["applied"]
    assert Event.objects.filter(kind="order.paid").count() == 1


def test_repeating_it_says_success_and_does_nothing(till, attempt):
    till.pay(attempt)
    fields = till.fields(attempt)
    assert [till.send(attempt.channel, fields) for _ in range(3)] == ["success"] * 3
    assert verdicts(attempt.channel) == ["applied", "repeated", "repeated", "repeated"]
    assert sold(attempt.order) == 1
    assert Event.objects.filter(kind="order.paid").count() == 1


def test_a_genuine_one_that_is_handed_over_for_ever_fills_no_disk(till, attempt, monkeypatch):
    """Its buyer returned with it in the address. Empty fields are in no signature, so that each can be long and unlike the last."""
    monkeypatch.setattr(notifies, "REPEATS", Limit("notify-again", burst=3, every=timedelta(minutes=10)))
    till.pay(attempt)
    for number in range(6):
        fields = {**till.fields(attempt), f"x{number}{'y' * 400}": ""}
        assert till.send(attempt.channel, fields) == "success"
    assert verdicts(attempt.channel) == ["applied", "repeated", "repeated", "repeated"]
    with clock.travel(clock.now() + timedelta(minutes=11)):
        assert till.send(attempt.channel, till.fields(attempt)) == "success"
    assert verdicts(attempt.channel) == ["applied", *["repeated"] * 4]
    assert sold(attempt.order) == 1


def test_a_repetition_with_another_amount_is_none(till, attempt):
    till.pay(attempt)
    assert till.send(attempt.channel, till.fields(attempt, money="0.01")) == "fail"
    assert verdicts(attempt.channel) == ["applied", "rejected another_amount"]
    attempt.refresh_from_db()
    assert attempt.paid_amount == Decimal("10.00")


def test_a_form_post_is_believed_as_well(till, attempt):
    till.sandbox.act(attempt.number, "pay_silently")
    reply = Client().post(
        f"/pay/notify/{attempt.channel.code}",
        urlencode(till.fields(attempt)),
        content_type="application/x-www-form-urlencoded",
    )
    assert reply.content == b"success"


def test_money_text_does_not_matter_money_does(till, attempt):
    assert till.pay(attempt, money="10.0") == "success"


def test_another_status_is_no_payment(till, attempt):
    """dujiaoka took any signed callback for a payment."""
    till.sandbox.act(attempt.number, "pay_silently")
    assert till.send(attempt.channel, till.fields(attempt, trade_status="TRADE_CLOSED")) == "success"
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == ["ignored status TRADE_CLOSED"]
    assert till.send(attempt.channel, till.fields(attempt)) == "success"


# What should not


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda fields: fields | {"sign": "0" * 32}, "signature"),
        (lambda fields: fields | {"sign": ""}, "signature"),
        (lambda fields: {k: v for k, v in fields.items() if k != "sign"}, "signature"),
        (lambda fields: fields | {"sign_type": "RSA"}, "signature"),
        (lambda fields: fields | {"money": "0.01"}, "signature"),
        (lambda fields: fields | {"param": "0"}, "signature"),
        (lambda fields: signed(fields, ""), "signature"),
        (lambda fields: signed(fields, KEY, "key"), "signature"),
        (lambda fields: signed(fields | {"pid": "1001"}, KEY), "merchant"),
        (lambda fields: signed({k: v for k, v in fields.items() if k != "pid"}, KEY), "merchant"),
        (lambda fields: signed(fields | {"money": "NaN"}, KEY), "amount"),
        (lambda fields: signed(fields | {"money": "１０.00"}, KEY), "amount"),
        (lambda fields: signed(fields | {"money": "1E1"}, KEY), "amount"),
        (lambda fields: signed(fields | {"trade_no": ""}, KEY), "form"),
    ],
)
def test_forgeries(till, attempt, spoil, reason):
    till.sandbox.act(attempt.number, "pay_silently")
    assert till.send(attempt.channel, spoil(till.fields(attempt))) == "fail"
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == [f"rejected {reason}"]


def test_signed_but_unpaid(till, attempt):
    """dujiao-next#340: a correct signature on an unpaid order credited money."""
    assert till.send(attempt.channel, till.fields(attempt)) == "fail"
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == ["rejected gateway_says_unpaid"]


def test_signed_with_another_amount_than_the_gateway_knows(till, attempt):
    till.sandbox.act(attempt.number, "pay_silently")
    assert till.send(attempt.channel, till.fields(attempt, money="10.01")) == "fail"
    assert till.send(attempt.channel, till.fields(attempt, trade_no="2026010100000")) == "fail"
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == ["rejected another_amount", "rejected another_transaction"]


def test_the_money_of_one_order_does_not_pay_another(till, channel, shelf, alice, bob):
    sku = shelf.sku(keys=2)
    mine, theirs = (till.start(shelf.buy(user, (sku, 1)), channel) for user in (alice, bob))
    till.sandbox.act(mine.number, "pay_silently")
    trade_no = till.sandbox.order(mine.number)["id"]
    assert till.send(channel, till.fields(theirs, trade_no=trade_no)) == "fail"
    assert nothing_moved(theirs)


def test_the_signature_of_another_channel(till, attempt):
    """Both channels are real and the notify is genuine; it only came to the wrong door."""
    other = till.channel(merchant_id="1001", key="another key")
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    assert till.send(other, fields) == "fail"
    # Signed with the other channel's key, so it gets past the signature; the number is not that channel's.
    assert till.send(other, signed(fields | {"pid": "1001"}, "another key")) == "fail"
    assert nothing_moved(attempt)
    assert verdicts(other)[0] == "rejected signature"
    # Nobody is there who could be asked.
    assert verdicts(other)[1].startswith("waiting")


def test_another_gateway_with_an_order_of_the_same_number(till, attempt, tmp_path, settings):
    """Whoever runs one of our gateways can make and pay an order there under any number that we gave another one."""
    with RunningSandbox(tmp_path) as elsewhere:
        settings.OUTGOING_ALLOW = [*settings.OUTGOING_ALLOW, f"127.0.0.1:{elsewhere.port}"]
        other = till.channel(gateway_url=elsewhere.url)
        fields = {
            "pid": PID,
            "type": "alipay",
            "out_trade_no": attempt.number,
            "notify_url": "http://127.0.0.1:1/",
            "return_url": "http://127.0.0.1:1/",
            "name": "x",
            "money": "10.00",
        }
        assert httpx.post(f"{elsewhere.url}/mapi.php", data=signed(fields, KEY)).json()["code"] == 1
        elsewhere.act(attempt.number, "pay_silently")
        trade_no = elsewhere.order(attempt.number)["id"]
        assert till.send(other, till.fields(attempt, trade_no=trade_no)) == "fail"
    assert nothing_moved(attempt)
    # The other gateway may hold the money; whose it is, staff find out.
    assert verdicts(other) == ["held another_channel"]


def test_a_channel_without_a_key_believes_nobody(till, attempt):
    attempt.channel.credentials = ""
    attempt.channel.save()
    fields = till.fields(attempt)
    assert till.send(attempt.channel, signed(fields, "")) == "fail"
    assert nothing_moved(attempt)


def test_a_sandbox_channel_believes_nobody_in_production(till, attempt, settings):
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    settings.PRODUCTION = True
    assert Client().get(f"/pay/notify/{attempt.channel.code}?{urlencode(fields)}").status_code == 404
    assert nothing_moved(attempt)


def test_replay_after_the_gateway_refunded(till, attempt):
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    theirs = till.sandbox.order(attempt.number)
    provider = provider_of(attempt.channel)
    refund = provider.refund(
        number=attempt.number, provider_txn=theirs["id"], amount=Decimal("10.00"), refund_number="R1"
    )
    assert refund.outcome == "done"
    assert till.send(attempt.channel, fields) == "fail"
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == ["rejected gateway_says_refunded"]


def test_a_replay_never_takes_back_a_final_state(till, attempt, olga):
    till.pay(attempt)
    fields = till.fields(attempt)
    order = attempt.order
    refund = {line.pk: line.cash for line in order.lines.all()}
    give_back(order_id=order.pk, amounts=refund, ref="r1", reason="", actor=olga)
    assert till.send(attempt.channel, fields) == "success"
    order.refresh_from_db()
    assert order.state == Order.State.REFUNDED
    assert sold(order) == 1


# When something is down


@pytest.mark.parametrize("mode", ["garbage", "status500", "hang"])
def test_an_unconfirmed_notify_waits_and_is_found_by_the_next_question(till, attempt, mode):
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)
    till.sandbox.fault("order", mode, seconds=4)
    assert till.send(attempt.channel, fields) == "fail"
    assert nothing_moved(attempt)
    (verdict,) = verdicts(attempt.channel)
    assert verdict.startswith("waiting")
    assert KEY not in verdict
    with clock.travel(clock.now() + timedelta(minutes=1)):
        assert services.ask_due_attempts() == 1
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
    assert verdicts(attempt.channel) == ["applied"]


def test_an_unconfirmed_notify_of_an_unpaid_attempt_ends_rejected(till, attempt):
    till.sandbox.fault("order", "garbage")
    assert till.send(attempt.channel, till.fields(attempt)) == "fail"
    with clock.travel(clock.now() + timedelta(minutes=1)):
        services.ask_due_attempts()
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == ["rejected gateway_says_unpaid"]


def test_a_notify_for_a_closed_attempt_makes_it_be_asked_about_again(till, attempt):
    PaymentAttempt.objects.update(state=State.CLOSED, ask_at=None)
    till.sandbox.act(attempt.number, "pay_silently")
    till.sandbox.fault("order", "garbage")
    till.send(attempt.channel, till.fields(attempt))
    with clock.travel(clock.now() + timedelta(minutes=1)):
        services.ask_due_attempts()
    attempt.refresh_from_db()
    assert attempt.state == State.PAID


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing after it runs."""


@pytest.mark.parametrize("at", ["provider_of", "apply_second", "_conclude"])
def test_killed_after_the_notify_was_kept(till, attempt, monkeypatch, at):
    till.sandbox.act(attempt.number, "pay_silently")
    fields = till.fields(attempt)

    def die(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(notifies, at, die)
        with pytest.raises(Killed):
            till.send(attempt.channel, fields)
    assert nothing_moved(attempt)
    assert verdicts(attempt.channel) == ["received"]
    with clock.travel(clock.now() + timedelta(minutes=1)):
        assert services.sweep_notifies() == 1
        assert services.sweep_notifies() == 0
    assert Order.objects.get(pk=attempt.order_id).state == Order.State.DELIVERED
    assert verdicts(attempt.channel) == ["applied"]


def test_one_that_cannot_be_taken_up_does_not_hold_up_the_others(till, attempt):
    till.sandbox.act(attempt.number, "pay_silently")
    broken = till.channel()
    broken.credentials = "broken"
    broken.save()
    at = clock.now()
    for channel in (broken, attempt.channel):
        NotifyLog.objects.create(
            channel=channel, http_method="GET", raw=urlencode(till.fields(attempt)), received_at=at
        )
    with clock.travel(at + timedelta(minutes=1)):
        services.sweep_notifies()
    assert verdicts(attempt.channel) == ["applied"]


# Garbage


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&&&===",
        "money=%FF%FE",
        "name=%B2%E2%CA%D4&pid=1000",
        "pid=1000&pid=1000",
        "a=1&" * 200,
        "sign=" + "x" * 20_000,
        "x=%00",
        "out_trade_no[]=1&sign[a]=2",
        "{}",
    ],
)
def test_garbage_gets_a_bare_fail(till, channel, query):
    reply = Client().get(f"/pay/notify/{channel.code}?{query}")
    assert (reply.status_code, reply.content) == (200, b"fail")
    assert NotifyLog.objects.get().verdict == "rejected"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"x" * (10 * 1024 * 1024), b"pid=1000&sign=1", b'{"pid": 1000}']
)
def test_other_methods_and_bodies(till, channel, method, body):
    client = Client(enforce_csrf_checks=True)
    for kind in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "é"):
        reply = client.generic(method, f"/pay/notify/{channel.code}?pid=1", data=body, content_type=kind)
        assert reply.status_code == 200
        assert reply.content == (b"" if method == "HEAD" else b"fail")
    assert max(len(raw) for raw in NotifyLog.objects.values_list("raw", flat=True)) < 5_000


def test_bytes_are_kept_as_they_came(till, channel):
    Client().get(f"/pay/notify/{channel.code}?name=%E6%9C%88%FF", REMOTE_ADDR="203.0.113.7")
    log = NotifyLog.objects.get()
    assert (log.raw, log.http_method, log.address) == ("name=%E6%9C%88%FF", "GET", "203.0.113.7")


def test_an_unknown_channel_is_404_without_a_redirect(till):
    for path in ("/pay/notify/nobody", "/pay/notify/nobody?x=1"):
        reply = Client().get(path)
        assert (reply.status_code, reply.content) == (404, b"fail")


def test_the_gateways_key_is_in_no_log(till, attempt, caplog):
    caplog.set_level("DEBUG")
    till.sandbox.fault("order", "status500")
    till.pay(attempt)
    till.sandbox.fault("order", None)
    till.send(attempt.channel, till.fields(attempt))
    assert KEY not in caplog.text
    assert not NotifyLog.objects.filter(raw__contains=KEY).exists()
    assert not PaymentAttempt.objects.filter(last_error__contains=KEY).exists()


def test_old_notifies_are_forgotten_the_rejected_ones_sooner(till, attempt):
    till.pay(attempt)
    till.send(attempt.channel, {"pid": PID})
    at = clock.now()
    for days, left in ((6, 2), (8, 1), (181, 0)):
        with clock.travel(at + timedelta(days=days)):
            services.forget_old_notifies()
        assert NotifyLog.objects.count() == left


def test_whoever_has_a_whole_network_is_one_sender(channel, monkeypatch):
    """One rented server has 2^64 addresses of IPv6."""
    monkeypatch.setattr(notifies, "FORGERIES", Limit("notify-few", burst=3, every=timedelta(minutes=1)))
    for host in range(6):
        Client(REMOTE_ADDR=f"2001:db8::{host:x}").get(f"/pay/notify/{channel.code}?pid=1&sign=x")
    assert NotifyLog.objects.count() == 3


def test_many_senders_do_not_fill_a_channel(channel, monkeypatch):
    monkeypatch.setattr(notifies, "FORGERIES_OF_ALL", Limit("notify-all-few", burst=3, every=timedelta(minutes=1)))
    for host in range(6):
        Client(REMOTE_ADDR=f"203.0.113.{host}").get(f"/pay/notify/{channel.code}?pid=1&sign=x")
    assert NotifyLog.objects.count() == 3


def test_of_a_long_forgery_the_beginning_is_kept(till):
    channel = till.of("stripe")
    Client().post(f"/pay/notify/{channel.code}", data="x" * 60_000, content_type="application/json")
    assert 4000 < len(NotifyLog.objects.get().raw) < 5000


def test_a_flood_of_forgeries_is_not_kept_and_does_not_keep_out_the_gateway(till, attempt):
    for _ in range(210):
        assert till.send(attempt.channel, {"pid": PID, "sign": "0" * 32}) == "fail"
    assert NotifyLog.objects.count() == 200
    # From the very same address, as behind a proxy.
    assert till.pay(attempt) == "success"
    Client(REMOTE_ADDR="203.0.113.8").get(f"/pay/notify/{attempt.channel.code}?pid=1")
    assert NotifyLog.objects.count() == 202
