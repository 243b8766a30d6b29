"""The provider of each protocol against the sandbox, which signs and reads with code of its own."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from payments.gateways import provider_with
from payments.models import Channel
from payments.providers import Charge, Device, NotifyRefused, Outcome, PaymentState, Provider, RawNotify, Show
from payments.transport import Answer, Ask, exchange
from tests.payments.conftest import METHODS, account

# Requests are dated by the database's clock.
pytestmark = pytest.mark.django_db
PROTOCOLS = ["epay", "epay_v2", "alipay", "bepusdt", "stripe"]
STRONG = ["epay_v2", "alipay", "stripe"]
REFUNDING = ["epay", "epay_v2", "alipay", "stripe"]
TEN = Decimal("10.00")
_numbers = itertools.count(1)


def provider_for(sandbox, protocol: str, *, secrets: dict | None = None, **changes) -> Provider:
    fields, known = account(sandbox, protocol)
    fields = fields | changes | {"settings": {**fields.get("settings", {}), **changes.get("settings", {})}}
    return provider_with(Channel(**fields), known | (secrets or {}))


def charge(protocol: str, **changes) -> Charge:
    fields = {
        "number": f"P{next(_numbers):08}",
        "amount": TEN,
        "subject": "月卡 “白金” A&B 1 个",
        "method": METHODS[protocol],
        "notify_url": "https://shop.test/pay/notify/main",
        "return_url": "https://shop.test/pay/return/x",
        "client_address": "203.0.113.9",
        "device": Device.PC,
        "created_at": datetime.now(UTC),
        "expires_at": datetime.now(UTC) + timedelta(minutes=15),
        **changes,
    }
    return Charge(**fields)


def raw(letter: dict, **changes) -> RawNotify:
    fields = {
        "method": letter["method"],
        "query": urlsplit(letter["url"]).query.encode(),
        "body": letter["body"].encode(),
        "content_type": letter["headers"].get("Content-Type", "").partition(";")[0],
        "headers": {name.lower(): text for name, text in letter["headers"].items()},
        "received_at": datetime.now(UTC),
        **changes,
    }
    return RawNotify(**fields)


def refusal(provider: Provider, notify: RawNotify) -> str:
    with pytest.raises(NotifyRefused) as refused:
        provider.verify_notify(notify)
    return refused.value.code


@pytest.fixture(autouse=True)
def _webhook(sandbox):
    sandbox.webhook("https://shop.test/pay/notify/stripe")


@pytest.fixture(params=PROTOCOLS)
def protocol(request) -> str:
    return request.param


@pytest.fixture
def provider(sandbox, protocol) -> Provider:
    return provider_for(sandbox, protocol)


class Put:
    """A charge that was put up."""

    def __init__(self, sandbox, provider: Provider, wanted: Charge):
        self.sandbox, self.provider, self.charge = sandbox, provider, wanted
        self.created = provider.create(wanted)
        assert self.created.outcome == Outcome.DONE, self.created.reason
        self.number, self.ref = wanted.number, self.created.ref

    def query(self):
        return self.provider.query(self.number, ref=self.ref)

    def close(self) -> Outcome:
        return self.provider.close(self.number, ref=self.ref)

    def letter(self, kind: str = "result", about: str = "") -> dict:
        return self.sandbox.letter(self.number, kind, about)

    def pay(self) -> str:
        """Pays it and returns the gateway's transaction."""
        self.sandbox.act(self.number, "pay_silently")
        return self.provider.verify_notify(raw(self.letter())).provider_txn

    def scan(self) -> None:
        self.sandbox.client.get(self.cashier)

    @property
    def cashier(self) -> str:
        return f"{self.sandbox.url}/cashier/{self.sandbox.order(self.number)['id']}"


@pytest.fixture
def put(sandbox, provider, protocol) -> Put:
    return Put(sandbox, provider, charge(protocol))


class TestTheUsualWay:
    def test_put_up_paid_told_and_asked(self, put, protocol):
        assert put.query().state == PaymentState.UNPAID
        txn = put.pay()
        notice = put.provider.verify_notify(raw(put.letter()))
        assert (notice.number, notice.amount, notice.paid, notice.provider_txn) == (put.number, TEN, True, txn)
        queried = put.provider.confirm(notice) if put.provider.weak_signature else put.query()
        assert (queried.state, queried.provider_txn, queried.amount) == (PaymentState.PAID, txn, TEN)
        # BEpusdt's own answer names no amount, so that it books nothing without its notify.
        assert put.query().state == (PaymentState.UNKNOWN if protocol == "bepusdt" else PaymentState.PAID)

    def test_a_repeat_under_the_same_number_is_the_same_payment(self, put):
        again = put.provider.create(put.charge)
        assert (again.outcome, again.payload) == (Outcome.DONE, put.created.payload)
        assert len(put.sandbox.orders(out_trade_no=put.number)) == 1

    @pytest.mark.parametrize("device", [Device.PC, Device.MOBILE])
    def test_what_is_shown_leads_to_the_cashier(self, sandbox, provider, protocol, device):
        put = Put(sandbox, provider, charge(protocol, device=device))
        codes = device == Device.PC and protocol in ("epay", "epay_v2", "alipay")
        assert put.created.show == (Show.QR if codes else Show.PAGE)
        page = put.sandbox.client.get(put.created.payload, follow_redirects=True)
        assert "确认支付" in page.text
        assert "月卡" in page.text or protocol == "bepusdt"

    def test_a_number_that_the_gateway_never_heard(self, provider, protocol):
        state = provider.query("P99", ref="cs_test_unknown" if protocol == "stripe" else "99").state
        # What Alipay has not scanned, and what BEpusdt does not know, cannot be told apart from other things.
        expected = {"alipay": PaymentState.UNPAID, "bepusdt": PaymentState.UNKNOWN}
        assert state == expected.get(protocol, PaymentState.MISSING)


class TestWhatIsNotBelieved:
    def test_a_forged_signature(self, put):
        assert refusal(put.provider, raw(put.letter("forged"))) == "signature"

    @pytest.mark.parametrize("protocol", STRONG, indirect=True)
    def test_signed_and_unpaid(self, put):
        notice = put.provider.verify_notify(raw(put.letter("unpaid")))
        assert not notice.paid

    @pytest.mark.parametrize("protocol", ["epay", "bepusdt"], indirect=True)
    def test_a_weak_signature_is_not_enough(self, put):
        notice = put.provider.verify_notify(raw(put.letter("unpaid")))
        assert notice.paid
        assert put.provider.confirm(notice).state == PaymentState.UNPAID

    def test_another_amount(self, put, protocol):
        put.pay()
        letter = put.letter()
        before, after = {
            "bepusdt": ('"amount": 10,', '"amount": 100,'),
            "stripe": ('"amount_total": 1000', '"amount_total": 9000'),
        }.get(protocol, ("=10.00&", "=90.00&"))
        for part in ("url", "body"):
            letter[part] = letter[part].replace(before, after)
        assert letter != put.letter()
        assert refusal(put.provider, raw(letter)) == "signature"

    @pytest.mark.parametrize("protocol", ["epay", "epay_v2", "alipay"], indirect=True)
    def test_another_merchant_of_the_same_gateway(self, sandbox, put, protocol):
        put.pay()
        other = provider_for(sandbox, protocol, merchant_id="2021999999999999")
        assert refusal(other, raw(put.letter())) == "merchant"

    def test_another_sellers_money(self, sandbox):
        put = Put(sandbox, provider_for(sandbox, "alipay"), charge("alipay"))
        put.pay()
        # A channel that does not know whose money it is believes nobody.
        for seller in ("2088999999999999", ""):
            other = provider_for(sandbox, "alipay", settings={"seller_id": seller})
            assert refusal(other, raw(put.letter())) == "merchant"

    def test_a_notify_that_is_too_old_or_from_the_future(self, put, protocol):
        put.pay()
        if protocol in ("epay_v2", "stripe"):
            assert refusal(put.provider, raw(put.letter("stale"))) == "stale"
            late = raw(put.letter(), received_at=datetime.now(UTC) + timedelta(minutes=6))
            assert refusal(put.provider, late) == "stale"
        else:
            # These date no notify; that it counts once is the books' affair.
            assert put.provider.verify_notify(raw(put.letter("stale"))).paid

    def test_the_other_way_of_sending_it(self, put):
        """What came as a GET as a POST, and the other way round."""
        put.pay()
        as_sent = raw(put.letter())
        turned = raw(
            put.letter(),
            method="GET" if as_sent.method == "POST" else "POST",
            query=as_sent.body or as_sent.query,
            content_type="",
        )
        assert refusal(put.provider, turned) in ("method", "signature")

    def test_noise(self, provider):
        for body in (b"", b"{", b"[]", b"null", b'{"a":1}', b"a=b", b"\xff\xfe", b'{"a":' * 5000, b"a=1&a=2"):
            for method, kind in (
                ("POST", "application/json"),
                ("POST", "application/x-www-form-urlencoded"),
                ("GET", ""),
            ):
                notify = RawNotify(
                    method=method,
                    query=body if method == "GET" else b"",
                    body=b"" if method == "GET" else body,
                    content_type=kind,
                    received_at=datetime.now(UTC),
                )
                assert refusal(provider, notify)


class TestClosing:
    def test_nothing_can_be_paid_after_it(self, put, protocol):
        put.scan()
        if protocol == "epay":
            assert put.close() == Outcome.REFUSED
            return
        assert put.close() == Outcome.DONE
        # V2's answer knows no "closed".
        assert put.query().state == (PaymentState.UNPAID if protocol == "epay_v2" else PaymentState.CLOSED)
        page = put.sandbox.client.post(put.cashier, data={"action": "pay"})
        assert "订单已关闭" in page.text

    def test_what_is_paid_stays_paid(self, put):
        put.scan()
        put.pay()
        assert put.close() == Outcome.REFUSED
        assert put.sandbox.order(put.number)["status"] == 1

    def test_a_code_that_nobody_scanned_is_no_trade(self, sandbox):
        put = Put(sandbox, provider_for(sandbox, "alipay"), charge("alipay"))
        assert put.close() == Outcome.REFUSED

    @pytest.mark.parametrize("protocol", ["epay_v2", "alipay", "bepusdt", "stripe"], indirect=True)
    @pytest.mark.parametrize("mode", ["garbage", "status500"])
    def test_no_answer_is_no_no(self, sandbox, put, protocol, mode):
        put.scan()
        call = f"{protocol}.{'cancel' if protocol == 'bepusdt' else 'close'}"
        sandbox.fault(call, mode)
        assert put.close() == Outcome.UNKNOWN


class TestRefunding:
    @pytest.mark.parametrize("protocol", REFUNDING, indirect=True)
    def test_a_part_and_never_more_than_was_paid(self, put, protocol):
        txn, three = put.pay(), Decimal("3.00")
        asked = {"number": put.number, "provider_txn": txn, "refund_number": f"R{put.number}"}
        first = put.provider.refund(amount=three, **asked)
        # V2 accepts first; what became of it is asked.
        assert first.outcome == (Outcome.UNKNOWN if protocol == "epay_v2" else Outcome.DONE)
        if protocol != "epay":
            assert put.provider.query_refund(**asked).outcome == Outcome.DONE
            again = put.provider.refund(amount=three, **asked)
            assert again.outcome in (Outcome.DONE, Outcome.UNKNOWN)
        assert put.sandbox.order(put.number)["refunded"] == "3.00"
        more = put.provider.refund(amount=TEN, **(asked | {"refund_number": f"S{put.number}"}))
        # V2 does not sign what it refuses, so that it could be anybody's no.
        assert more.outcome == (Outcome.UNKNOWN if protocol == "epay_v2" else Outcome.REFUSED)
        assert put.sandbox.order(put.number)["refunded"] == "3.00"

    @pytest.mark.parametrize("protocol", ["epay_v2", "alipay", "stripe"], indirect=True)
    def test_a_refund_that_there_is_not(self, put):
        txn = put.pay()
        asked = put.provider.query_refund(number=put.number, provider_txn=txn, refund_number="R0")
        assert asked.outcome == Outcome.UNKNOWN

    def test_a_notify_of_a_refund_is_no_second_payment(self, sandbox):
        put = Put(sandbox, provider_for(sandbox, "alipay"), charge("alipay"))
        txn = put.pay()
        put.provider.refund(number=put.number, provider_txn=txn, amount=Decimal("3.00"), refund_number="R7")
        notice = put.provider.verify_notify(raw(put.letter("refund", "R7")))
        assert (notice.paid, notice.status) == (False, "REFUND TRADE_SUCCESS")

    def test_coins_go_back_by_hand(self, sandbox):
        put = Put(sandbox, provider_for(sandbox, "bepusdt"), charge("bepusdt"))
        asked = {"number": put.number, "provider_txn": put.pay(), "refund_number": "R1"}
        assert put.provider.refund(amount=TEN, **asked).outcome == Outcome.REFUSED


class TestAnswers:
    CREATE = {"epay": "mapi", "alipay": "alipay.precreate"}
    QUERY = {"epay": "order"}

    @pytest.mark.parametrize("mode", ["garbage", "status500"])
    def test_what_cannot_be_read_is_unknown(self, sandbox, provider, protocol, mode):
        wanted = charge(protocol)
        sandbox.fault(self.CREATE.get(protocol, f"{protocol}.create"), mode)
        assert provider.create(wanted).outcome == Outcome.UNKNOWN
        # It was put up all the same: the same number finds it.
        assert provider.create(wanted).outcome == Outcome.DONE
        put = Put(sandbox, provider, charge(protocol))
        sandbox.fault(self.QUERY.get(protocol, f"{protocol}.query"), mode)
        assert put.query().state == PaymentState.UNKNOWN

    @pytest.mark.parametrize("protocol", ["epay_v2", "alipay"], indirect=True)
    def test_an_answer_that_somebody_changed_on_the_way(self, put):
        put.scan()
        put.pay()

        def liar(ask: Ask) -> Answer:
            answer = exchange(ask)
            return Answer(answer.status, answer.body.replace(b"10.00", b"90.00"), answer.headers)

        put.provider._exchange = liar
        queried = put.query()
        assert (queried.state, queried.reason) == (PaymentState.UNKNOWN, "signature")

    @pytest.mark.parametrize(
        "change",
        [
            lambda secrets: {"key": "another key"},
            lambda secrets: {"private_key": secrets["alipay"]["merchant_private"]},
            lambda secrets: {"private_key": secrets["epay_v2"]["merchant_private"]},
            lambda secrets: {"token": "another token"},
            lambda secrets: {"secret_key": "sk_test_another"},
        ],
        ids=PROTOCOLS,
    )
    def test_the_gateway_takes_no_request_that_we_did_not_sign(self, request, sandbox, change: Callable[[dict], dict]):
        protocol = request.node.callspec.id
        stranger = provider_for(sandbox, protocol, secrets=change(sandbox.keys))
        wanted = charge(protocol)
        # V2 does not sign what it refuses, so that it could be anybody's no.
        assert stranger.create(wanted).outcome == (Outcome.UNKNOWN if protocol == "epay_v2" else Outcome.REFUSED)
        assert sandbox.orders(out_trade_no=wanted.number) == []


class TestForeignMoney:
    def test_coins_and_their_rate(self, sandbox):
        put = Put(sandbox, provider_for(sandbox, "bepusdt"), charge("bepusdt", amount=Decimal("72.00")))
        foreign = put.created.foreign
        assert foreign.currency == "USDT"
        # No two open orders wait for the same sum.
        assert Decimal("10.00") <= foreign.amount < Decimal("10.20")
        assert foreign.rate == (Decimal(72) / foreign.amount).quantize(Decimal("1E-8"))

    def test_a_card_in_dollars_is_worth_the_yuan_that_were_meant(self, sandbox):
        provider = provider_for(sandbox, "stripe", settings={"currency": "usd", "rate": "7.10"})
        put = Put(sandbox, provider, charge("stripe", foreign=provider.price(TEN)))
        foreign = put.created.foreign
        assert (foreign.currency, foreign.amount, foreign.rate) == ("USD", Decimal("1.41"), Decimal("7.10"))
        put.pay()
        notice = put.provider.verify_notify(raw(put.letter()))
        assert (notice.paid, notice.amount) == (True, TEN)
        assert put.query().amount == TEN
        # 5 yuan are 0.70 of those dollars, whatever the channel's rate and money are by then.
        later = provider_for(sandbox, "stripe", settings={"currency": "cny"})
        asked = {"number": put.number, "provider_txn": notice.provider_txn, "refund_number": f"R{put.number}"}
        assert later.refund(amount=Decimal("5.00"), foreign=foreign, **asked).outcome == Outcome.DONE
        assert put.sandbox.order(put.number)["refunded"] == "0.70"

    def test_another_sum_or_currency_than_was_asked_for_is_not_guessed_at(self, sandbox):
        dollars = provider_for(sandbox, "stripe", settings={"currency": "usd", "rate": "7.10"})
        put = Put(sandbox, dollars, charge("stripe", foreign=dollars.price(TEN)))
        sandbox.act(put.number, "wrong_amount", money="0.50")
        assert refusal(dollars, raw(put.letter())) == "amount"
        assert refusal(provider_for(sandbox, "stripe"), raw(put.letter())) == "currency"


@pytest.mark.parametrize(
    ("product", "device", "show"),
    [
        ("code_wap", Device.PC, Show.QR),
        ("code_wap", Device.ALIPAY, Show.PAGE),
        ("page_wap", Device.PC, Show.PAGE),
        ("page_wap", Device.MOBILE, Show.PAGE),
        ("code", Device.MOBILE, Show.QR),
    ],
)
def test_alipay_uses_what_the_merchant_has_signed_up_for(sandbox, product, device, show):
    provider = provider_for(sandbox, "alipay", settings={"product": product})
    put = Put(sandbox, provider, charge("alipay", device=device))
    assert put.created.show == show
    assert "确认支付" in put.sandbox.client.get(put.created.payload, follow_redirects=True).text
    put.pay()


def test_unionpay_by_epay(sandbox):
    """云闪付 is epay's `bank`, in both versions."""
    for protocol in ("epay", "epay_v2"):
        put = Put(sandbox, provider_for(sandbox, protocol), charge(protocol, method="bank"))
        assert sandbox.order(put.number)["type"] == "bank"
        assert put.pay()


def test_a_gateway_that_cannot_be_asked(sandbox):
    provider = provider_for(sandbox, "epay", settings={"query": "no"})
    put = Put(sandbox, provider, charge("epay"))
    put.pay()
    assert put.query().state == PaymentState.UNKNOWN
    assert not provider.can_query


def test_numbers_are_signed_as_the_server_reads_them(sandbox):
    """10, 28.88 and 0.1, never 10.00: BEpusdt's server makes floats of them before it signs."""
    provider = provider_for(sandbox, "bepusdt")
    for amount in ("28.88", "100.00", "0.10", "999999.99"):
        put = Put(sandbox, provider, charge("bepusdt", amount=Decimal(amount)))
        put.pay()
        assert put.provider.verify_notify(raw(put.letter())).amount == Decimal(amount)
    assert provider.create(charge("bepusdt", amount=Decimal("1000000.00"))).outcome == Outcome.REFUSED


def test_stripes_events_of_other_things_are_ignored(sandbox):
    put = Put(sandbox, provider_for(sandbox, "stripe"), charge("stripe"))
    event = json.loads(put.letter()["body"])
    assert event["data"]["object"]["payment_status"] == "unpaid"
    assert not put.provider.verify_notify(raw(put.letter())).paid
