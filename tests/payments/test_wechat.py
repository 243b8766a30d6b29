"""WeChat Pay v3 from end to end: an independent client checks what we sign, the sandbox speaks as WeChat does."""

import json
import time
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import wechatpayv3
from django.test import Client
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.utils import build_authorization, load_private_key

from common import clock, crypto
from orders.models import Order, OrderRefund
from orders.services import refund
from payments import services
from payments.gateways import credentials_label, provider_of, secrets_of
from payments.models import Channel, NotifyLog, PaymentAttempt, PlatformCertificate, Refund
from payments.providers import Charge, Device, Outcome, Show
from payments.selectors import pay_options
from payments.transport import Answer, Ask
from payments.wechat.provider import WechatProvider
from sandbox.wechat.keys import as_pem, serial_of
from tests.payments.conftest import DESKTOP, PHONE, WECHAT, Till, verdicts
from wallet.selectors import balance_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_books")]
State = PaymentAttempt.State


@pytest.fixture
def keys(sandbox) -> dict[str, str]:
    return sandbox.keys["wechat"]


@pytest.fixture
def behave(sandbox):
    """behave(callbacks="mixed"): how the sandbox behaves from now on."""

    def change(**wish) -> None:
        reply = httpx.post(f"{sandbox.url}/control/wechat", json=wish)
        assert reply.status_code == 200, reply.text

    yield change
    change(callbacks="public", newest="certificate_1", offered=["certificate_1"], refunds="success")


@pytest.fixture
def wechat(till) -> Channel:
    return till.of("wechat")


@pytest.fixture
def by_certificate(till) -> Channel:
    """A merchant of old: no public key, certificates that are fetched."""
    channel = till.of("wechat", settings={"public_key_id": "", "public_key": ""})
    assert services.fetch_keys(channel_id=channel.pk) == 1
    return channel


def paid_by(till: Till, channel: Channel, order: Order, agent: str = DESKTOP) -> PaymentAttempt:
    attempt = till.start(order, channel, "wxpay", agent=agent)
    till.sandbox.act(attempt.number, "pay_silently")
    assert hand_over(till, channel, attempt).status_code == 204
    return PaymentAttempt.objects.get(pk=attempt.pk)


def hand_over(till: Till, channel: Channel, attempt: PaymentAttempt, kind: str = "result", about: str = ""):
    return till.hand_over(channel, till.sandbox.letter(attempt.number, kind=kind, about=about))


def give_back(order: Order, amount: str, ref: str = "r1") -> Refund:
    amounts = {order.lines.get().pk: Decimal(amount)}
    to = OrderRefund.Target.ORIGINAL
    made = refund(order_id=order.pk, amounts=amounts, ref=ref, reason="", actor=None, to=to)
    (part,) = services.begin_refund(refund_id=made.pk)
    return part


@contextmanager
def listening(provider: WechatProvider):
    """What the provider sends, without anybody who answers."""
    asked: list[Ask] = []

    def exchange(ask: Ask) -> Answer:
        asked.append(ask)
        return Answer(500, b"{}")

    before, provider._client.exchange = provider._client.exchange, exchange
    yield asked
    provider._client.exchange = before


CALLS = {
    "native": lambda provider: provider.create(charge(Device.PC)),
    "h5": lambda provider: provider.create(charge(Device.MOBILE)),
    "jsapi": lambda provider: provider.create(charge(Device.WECHAT, payer="oPayer0001")),
    "query": lambda provider: provider.query("P20261122000000000001"),
    "close": lambda provider: provider.close("P20261122000000000001"),
    "refund query": lambda provider: provider.query_refund(number="P1", provider_txn="T1", refund_number="R1"),
}


def charge(device: Device, payer: str = "") -> Charge:
    return Charge(
        number="P20261122000000000001",
        amount=Decimal("10.50"),
        subject="月卡",
        method="wxpay",
        notify_url="https://shop.test/pay/notify/wechat",
        return_url="https://shop.test/pay/return/x",
        client_address="203.0.113.9",
        device=device,
        created_at=clock.now(),
        expires_at=clock.now() + timedelta(minutes=15),
        payer=payer,
    )


class TestAnIndependentClientAgrees:
    @pytest.mark.parametrize("call", CALLS)
    def test_with_the_signature_of_every_request(self, wechat, keys, call, monkeypatch):
        provider = provider_of(wechat)
        with listening(provider) as asked:
            CALLS[call](provider)
        (ask,) = asked
        told = dict(part.split("=", 1) for part in ask.headers["Authorization"].partition(" ")[2].split(","))
        told = {name: text.strip('"') for name, text in told.items()}
        monkeypatch.setattr(time, "time", lambda: int(told["timestamp"]))
        parts = urlsplit(ask.address)
        expected = build_authorization(
            parts.path + (f"?{parts.query}" if parts.query else ""),
            ask.method,
            keys["mchid"],
            keys["merchant_serial"],
            load_private_key(as_pem(keys["merchant_private"], "PRIVATE KEY")),
            data=ask.body.decode() if ask.body else None,
            nonce_str=told["nonce_str"],
        )
        assert ask.headers["Authorization"] == expected

    def test_with_what_the_page_pays_by(self, till, wechat, order, keys):
        attempt = pay_inside(till, wechat, order)
        asked = json.loads(attempt.payload)
        client = a_client(keys)
        fields = [asked[name] for name in ("appId", "timeStamp", "nonceStr", "package")]
        assert client.sign(fields) == asked["paySign"]

    @pytest.mark.parametrize("callbacks", ["public", "certificate"])
    def test_with_callbacks_by_either_key(self, till, wechat, order, keys, behave, callbacks, tmp_path):
        behave(callbacks=callbacks)
        services.fetch_keys(channel_id=wechat.pk)
        attempt = till.start(order, wechat, "wxpay")
        till.sandbox.act(attempt.number, "pay_silently")
        letter = till.sandbox.letter(attempt.number)
        told = a_client(keys, tmp_path).callback(letter["headers"], letter["body"])
        assert told["resource"]["out_trade_no"] == attempt.number
        assert told["resource"]["amount"]["total"] == 1000
        assert till.hand_over(wechat, letter).status_code == 204
        assert PaymentAttempt.objects.get(pk=attempt.pk).state == State.PAID

    def test_that_a_probe_is_no_callback(self, till, wechat, order, keys):
        attempt = till.start(order, wechat, "wxpay")
        letter = till.sandbox.letter(attempt.number, kind="forged")
        assert letter["headers"]["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
        assert a_client(keys).callback(letter["headers"], letter["body"]) is None
        assert till.hand_over(wechat, letter).status_code == 400


def a_client(keys: Mapping[str, str], folder=None) -> WeChatPay:
    """wechatpayv3 as this merchant; with a folder it knows the certificates, without one the public key."""
    known = {"public_key": as_pem(keys["platform_public"], "PUBLIC KEY"), "public_key_id": keys["public_key_id"]}
    client = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=keys["mchid"],
        private_key=as_pem(keys["merchant_private"], "PRIVATE KEY"),
        cert_serial_no=keys["merchant_serial"],
        apiv3_key=keys["api_key"],
        appid=keys["app_id"],
        notify_url="https://shop.test/",
        **known,
    )
    if folder is not None:
        certificate = wechatpayv3.utils.load_certificate(keys["certificate_1"])
        client._core._certificates.append(certificate)
    return client


class TestPaying:
    def test_a_screen_shows_a_code(self, till, wechat, order):
        attempt = till.start(order, wechat, "wxpay")
        assert (attempt.state, attempt.show) == (State.PENDING, Show.QR)
        assert paid_by(till, wechat, order).pk == attempt.pk

    def test_a_phone_goes_to_a_page_and_comes_back(self, till, wechat, order):
        attempt = till.start(order, wechat, "wxpay", agent=PHONE)
        assert attempt.show == Show.PAGE
        with httpx.Client(follow_redirects=True) as phone:
            page = phone.get(attempt.payload)
            assert page.status_code == 200
            back = phone.post(page.url, data={"action": "pay"}, follow_redirects=False)
        assert urlsplit(back.headers["location"]).path == f"/pay/return/{attempt.public_id}"

    def test_the_gateway_is_asked_closes_and_knows_no_strangers(self, till, wechat, order):
        attempt = till.start(order, wechat, "wxpay")
        provider = provider_of(wechat)
        assert provider.query(attempt.number).state == "unpaid"
        assert provider.query("P20261122999999999999").state == "missing"
        assert provider.close(attempt.number) == Outcome.DONE
        assert provider.query(attempt.number).state == "closed"


class TestWhoPays:
    def test_inside_wechat_it_takes_one_sign_in_that_nobody_sees(self, till, wechat, order):
        attempt = pay_inside(till, wechat, order)
        assert (attempt.state, attempt.show) == (State.PENDING, Show.BRIDGE)
        page = Client(headers={"User-Agent": WECHAT}).get(f"/pay/{attempt.public_id}/").content.decode()
        assert "<bridge-pay" in page
        assert "prepay_id=" in page
        answer = httpx.post(f"{till.sandbox.url}/wechat/bridge", json=json.loads(attempt.payload))
        assert answer.json() == {"err_msg": "get_brand_wcpay_request:ok"}
        assert hand_over(till, wechat, attempt).status_code == 204
        assert PaymentAttempt.objects.get(pk=attempt.pk).outcome == "paid"

    def test_a_code_in_another_browser_starts_nothing(self, till, wechat, order):
        attempt = till.start(order, wechat, "wxpay", agent=WECHAT)
        victim, thief = Client(headers={"User-Agent": WECHAT}), Client(headers={"User-Agent": WECHAT})
        back = signed_in(victim.get(f"/pay/{attempt.public_id}/payer/")["Location"])
        thief.get(f"/pay/{attempt.public_id}/payer/")
        answer = thief.get(back)
        assert "payer=unknown" in answer["Location"]
        assert PaymentAttempt.objects.get(pk=attempt.pk).state == State.CREATED
        page = thief.get(answer["Location"]).content.decode()
        assert "没能从微信得知付款人" in page
        assert "用微信付款" in page

    def test_the_state_is_good_for_one_payment(self, till, wechat, shelf, alice, bob):
        sku = shelf.sku(keys=2)
        one, other = (till.start(shelf.buy(user, (sku, 1)), wechat, "wxpay", agent=WECHAT) for user in (alice, bob))
        browser = Client(headers={"User-Agent": WECHAT})
        back = signed_in(browser.get(f"/pay/{one.public_id}/payer/")["Location"])
        browser.get(f"/pay/{other.public_id}/payer/")
        browser.get(back.replace(one.public_id, other.public_id))
        assert set(PaymentAttempt.objects.values_list("state", flat=True)) == {State.CREATED}

    @pytest.mark.parametrize("code", ["", "x" * 200, "a b", "用过", "never-given-out"])
    def test_a_code_that_wechat_does_not_know(self, till, wechat, order, code):
        attempt = till.start(order, wechat, "wxpay", agent=WECHAT)
        browser = Client(headers={"User-Agent": WECHAT})
        asked = browser.get(f"/pay/{attempt.public_id}/payer/")["Location"]
        state = parse_qs(urlsplit(asked).query)["state"][0]
        answer = browser.get(f"/pay/{attempt.public_id}/payer/told/", {"code": code, "state": state})
        assert "payer=unknown" in answer["Location"]
        assert PaymentAttempt.objects.get(pk=attempt.pk).state == State.CREATED

    def test_a_code_works_once(self, till, wechat, order):
        attempt = till.start(order, wechat, "wxpay", agent=WECHAT)
        browser = Client(headers={"User-Agent": WECHAT})
        back = signed_in(browser.get(f"/pay/{attempt.public_id}/payer/")["Location"])
        assert "payer=unknown" not in browser.get(back)["Location"]
        assert "payer=unknown" in browser.get(back)["Location"]

    def test_a_merchant_without_official_account_is_not_offered_there(self, till, wechat, order):
        known = {name: text for name, text in secrets_of(wechat).items() if name != "app_secret"}
        wechat.credentials = crypto.seal_settings(known, credentials_label(wechat))
        wechat.save()
        for agent, count in ((DESKTOP, 1), (WECHAT, 0)):
            assert len(pay_options(amount=order.total, user_agent=agent, at=clock.now())) == count

    def test_begun_at_the_screen_and_paid_in_wechat(self, till, wechat, order):
        """The code of the screen cannot be paid inside WeChat: a new payment takes its place, and the other way round."""
        screen = till.start(order, wechat, "wxpay")
        assert "这个付款码是给其他浏览器的" in see(screen, WECHAT)
        inside = pay_inside(till, wechat, order)
        assert inside.pk != screen.pk
        assert PaymentAttempt.objects.get(pk=screen.pk).state == State.CLOSED
        assert "在这里要换一个新的付款单" in see(inside, DESKTOP)
        again = till.start(order, wechat, "wxpay")
        assert (again.show, PaymentAttempt.objects.get(pk=inside.pk).state) == (Show.QR, State.CLOSED)


def see(attempt: PaymentAttempt, agent: str) -> str:
    return Client(headers={"User-Agent": agent}).get(f"/pay/{attempt.public_id}/").content.decode()


def signed_in(address: str) -> str:
    """Where WeChat sends the browser back to."""
    answer = httpx.get(address)
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}"


def pay_inside(till: Till, channel: Channel, order: Order) -> PaymentAttempt:
    """Start inside WeChat's browser, follow its redirects; returns the attempt that can be paid there."""
    attempt = till.start(order, channel, "wxpay", agent=WECHAT)
    assert attempt.state == State.CREATED
    browser = Client(headers={"User-Agent": WECHAT})
    asked = browser.get(f"/pay/{attempt.public_id}/", follow=False)
    assert asked["Location"] == f"/pay/{attempt.public_id}/payer/"
    back = signed_in(browser.get(asked["Location"])["Location"])
    assert browser.get(back)["Location"] == f"/pay/{attempt.public_id}/"
    return PaymentAttempt.objects.get(pk=attempt.pk)


class TestPlatformKeys:
    def test_certificates_are_fetched_opened_and_kept(self, by_certificate, till, order, behave):
        behave(callbacks="certificate")
        kept = PlatformCertificate.objects.get(channel=by_certificate)
        assert kept.serial == serial_of(till.sandbox.keys["wechat"]["certificate_1"])
        assert kept.valid_to > clock.now()
        assert paid_by(till, by_certificate, order).state == State.PAID

    def test_while_a_merchant_moves_both_kinds_of_keys_hold(self, till, wechat, shelf, alice, behave):
        services.fetch_keys(channel_id=wechat.pk)
        behave(callbacks="mixed")
        sku = shelf.sku("10.00", keys=4)
        for _ in range(4):
            assert paid_by(till, wechat, shelf.buy(alice, (sku, 1))).state == State.PAID
        serials = {log.headers["wechatpay-serial"][:6] for log in NotifyLog.objects.filter(channel=wechat)}
        assert len(serials) == 2

    def test_a_new_certificate_is_fetched_when_a_signature_names_it_and_not_at_every_forgery(
        self, till, by_certificate, order, behave, monkeypatch
    ):
        sent = []
        monkeypatch.setattr(services.keys, "send", lambda task, *args: sent.append((task, *args)))
        monkeypatch.setattr(services.keys.transaction, "on_commit", lambda run: run())
        attempt = till.start(order, by_certificate, "wxpay")
        behave(callbacks="certificate", newest="certificate_2", offered=["certificate_1", "certificate_2"])
        till.sandbox.act(attempt.number, "pay_silently")
        assert hand_over(till, by_certificate, attempt).status_code == 400
        assert (verdicts(by_certificate), sent) == (["rejected serial"], []), "asked for them minutes ago"
        Channel.objects.filter(pk=by_certificate.pk).update(keys_asked_at=clock.now() - timedelta(minutes=11))
        assert hand_over(till, by_certificate, attempt).status_code == 400
        assert sent == [("payments.tasks.fetch_keys", by_certificate.pk)]
        assert services.fetch_keys(channel_id=by_certificate.pk) == 2
        assert services.fetch_keys(channel_id=by_certificate.pk) == 0
        assert hand_over(till, by_certificate, attempt).status_code == 204

    def test_beat_fetches_what_is_half_a_day_old_and_one_failure_stops_no_other(self, till, by_certificate):
        broken = till.of("wechat")
        Channel.objects.filter(pk=broken.pk).update(credentials="broken")
        assert services.fetch_due_keys() == 0
        Channel.objects.update(keys_asked_at=clock.now() - timedelta(hours=12))
        assert services.fetch_due_keys() == 1

    def test_a_merchant_of_today_has_none_and_is_not_disturbed(self, till, wechat, order, behave):
        behave(offered=[])
        assert services.fetch_keys(channel_id=wechat.pk) == 0
        assert paid_by(till, wechat, order).state == State.PAID

    def test_certificates_of_somebody_else_are_not_taken(self, till, by_certificate, keys):
        secrets = {"api_key": "x" * 32}
        services.save_channel(channel=Channel.objects.get(pk=by_certificate.pk), secrets=secrets)
        PlatformCertificate.objects.all().delete()
        assert services.fetch_keys(channel_id=by_certificate.pk) == 0
        assert not PlatformCertificate.objects.exists()

    def test_one_that_has_ended_signs_no_more(self, till, by_certificate, order, behave):
        behave(callbacks="certificate")
        attempt = till.start(order, by_certificate, "wxpay")
        till.sandbox.act(attempt.number, "pay_silently")
        PlatformCertificate.objects.update(valid_to=clock.now() - timedelta(seconds=1))
        assert hand_over(till, by_certificate, attempt).status_code == 400


class TestWhatMustNotBeBelieved:
    @pytest.mark.parametrize(("kind", "reason"), [("forged", "signature"), ("stale", "stale")])
    def test_probes_and_old_news_change_nothing(self, till, wechat, order, kind, reason):
        attempt = till.start(order, wechat, "wxpay")
        if kind == "stale":
            till.sandbox.act(attempt.number, "pay_silently")
        answer = hand_over(till, wechat, attempt, kind)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
        assert verdicts(wechat) == [f"rejected {reason}"]
        assert PaymentAttempt.objects.get(pk=attempt.pk).state == State.PENDING

    def test_signed_and_unpaid_pays_nothing(self, till, wechat, order):
        attempt = till.start(order, wechat, "wxpay")
        assert hand_over(till, wechat, attempt, "unpaid").status_code == 204
        assert PaymentAttempt.objects.get(pk=attempt.pk).state == State.PENDING

    @pytest.mark.parametrize(
        "damage",
        [
            {"Wechatpay-Signature": ""},
            {"Wechatpay-Serial": ""},
            {"Wechatpay-Serial": "not hex"},
            {"Wechatpay-Timestamp": ""},
            {"Wechatpay-Timestamp": "１７６７２２５６００"},
            {"Wechatpay-Timestamp": "9" * 40},
            {"Wechatpay-Nonce": "another"},
            {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"},
            {"body": "{"},
            {"body": ""},
            {"body": "[" * 5000},
        ],
    )
    def test_damaged_callbacks_are_refused_without_an_error(self, till, wechat, order, damage):
        attempt = till.start(order, wechat, "wxpay")
        till.sandbox.act(attempt.number, "pay_silently")
        letter = till.sandbox.letter(attempt.number)
        letter["body"] = damage.get("body", letter["body"])
        letter["headers"] |= {name: text for name, text in damage.items() if name != "body"}
        letter["headers"] = {name: text.encode("ascii", "replace").decode() for name, text in letter["headers"].items()}
        assert till.hand_over(wechat, letter).status_code == 400
        assert PaymentAttempt.objects.get(pk=attempt.pk).state == State.PENDING


class TestRefunds:
    def test_a_part_and_the_rest(self, till, wechat, order, alice):
        paid_by(till, wechat, order)
        order = Order.objects.get(pk=order.pk)
        for ref, amount in (("r1", "4.00"), ("r2", "6.00")):
            part = give_back(order, amount, ref)
            assert services.push_refund(refund_id=part.pk) == Refund.State.DONE
        assert till.sandbox.order(part.attempt.number)["refunded"] == "10.00"
        assert balance_of(alice) == Decimal("1000.00")

    def test_one_that_takes_its_time_is_asked_about(self, till, wechat, order, behave):
        paid_by(till, wechat, order)
        behave(refunds="processing")
        part = give_back(Order.objects.get(pk=order.pk), "4.00")
        assert services.push_refund(refund_id=part.pk) == Refund.State.UNKNOWN
        assert services.push_refund(refund_id=part.pk) == Refund.State.UNKNOWN
        behave(refunds="success")
        assert services.push_refund(refund_id=part.pk) == Refund.State.DONE
        assert till.sandbox.order(part.attempt.number)["refunded"] == "4.00"

    def test_the_news_of_a_refund_is_no_payment(self, till, wechat, order):
        attempt = paid_by(till, wechat, order)
        part = give_back(Order.objects.get(pk=order.pk), "4.00")
        services.push_refund(refund_id=part.pk)
        assert hand_over(till, wechat, attempt, "refund", part.number).status_code == 204
        assert verdicts(wechat)[-1].startswith("ignored")

    def test_an_answer_that_was_lost_and_a_request_that_was(self, till, wechat, order):
        paid_by(till, wechat, order)
        till.sandbox.fault("wechat.refund", "status500")
        part = give_back(Order.objects.get(pk=order.pk), "4.00")
        assert services.push_refund(refund_id=part.pk) == Refund.State.UNKNOWN
        assert services.push_refund(refund_id=part.pk) == Refund.State.DONE
        other = give_back(Order.objects.get(pk=order.pk), "1.00", "r2")
        Refund.objects.filter(pk=other.pk).update(state=Refund.State.UNKNOWN, sent_at=clock.now())
        assert services.push_refund(refund_id=other.pk) == Refund.State.DONE, "WeChat never heard of it"
        assert till.sandbox.order(part.attempt.number)["refunded"] == "5.00"

    def test_a_question_that_is_refused_refuses_no_refund(self, till, wechat, order):
        paid_by(till, wechat, order)
        part = give_back(Order.objects.get(pk=order.pk), "4.00")
        till.sandbox.fault("wechat.refund", "status500")
        services.push_refund(refund_id=part.pk)
        Channel.objects.filter(pk=wechat.pk).update(settings={**wechat.settings, "serial": "0" * 40})
        assert services.push_refund(refund_id=part.pk) == Refund.State.UNKNOWN

    def test_the_merchants_balance_is_too_small(self, till, wechat, order, alice):
        paid_by(till, wechat, order)
        till.sandbox.fault("wechat.refund", "refused")
        part = give_back(Order.objects.get(pk=order.pk), "4.00")
        assert services.push_refund(refund_id=part.pk) == Refund.State.REFUSED
        assert balance_of(alice) == Decimal("1004.00")
