"""Setting up a channel of each protocol at the desk, and what an operator cannot get wrong there."""

import base64
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from common import clock
from orders.models import Order
from payments.gateways import provider_of, secrets_of
from payments.models import Channel, NotifyLog
from payments.options import PROFILES
from payments.selectors import parked_attempts, pay_options
from payments.services import ask_due_attempts, save_channel
from tests.desk import Act, at_desk
from tests.payments.conftest import DESKTOP, PHONE, WECHAT, verdicts
from tests.shelf import books

pytestmark = pytest.mark.django_db
CHANNELS = "/admin/payments/channel/"
BOTH = {"min_amount": "1.00", "max_amount": "5000.00", "fee_rate": "0.0060", "fee_payer": "shop", "position": "0"}
SHARED = {**BOTH, "code": "main", "name": "渠道", "is_active": "on", "gateway_url": "https://pay.test/"}


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    key = generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"private": private, "public": base64.b64encode(public).decode()}


@pytest.fixture
def desk(olga):
    return at_desk(olga)


def form(protocol: str, keys: dict[str, str]) -> dict:
    """What an operator types for a protocol."""
    own = {
        "epay_v2": {
            "merchant_id": "1001",
            "private_key": keys["private"],
            "platform_key": keys["public"],
            "mode": "api",
        },
        "alipay": {
            "merchant_id": "2021",
            "private_key": keys["private"],
            "alipay_public_key": keys["public"],
            "product": "page_wap",
            "seller_id": "2088000000000001",
        },
        "wechat": {
            "merchant_id": "1900000001",
            "app_id": "wx0000000000000000",
            "serial": "5157F09EFDC096DE15EBE81A47057A72",
            "private_key": keys["private"],
            "api_key": "0123456789abcdef0123456789abcdef",
            "public_key_id": "PUB_KEY_ID_1",
            "public_key": keys["public"],
        },
        "bepusdt": {"token": "a token", "trade_type": "usdt.bep20"},
        "stripe": {"secret_key": "sk_test_1", "webhook_secret": "whsec_1", "currency": "usd", "rate": "7.1"},
    }[protocol]
    return {**SHARED, "methods": [PROFILES[protocol].methods[0]], **own}


OTHERS = ["epay_v2", "alipay", "wechat", "bepusdt", "stripe"]


def test_the_protocol_is_chosen_first(desk):
    assert desk.get(f"{CHANNELS}add/").headers["location"] == f"{CHANNELS}choose/"
    page = desk.get(f"{CHANNELS}choose/").content.decode()
    for protocol in PROFILES:
        assert f"{CHANNELS}add/?provider={protocol}" in page
        assert desk.get(f"{CHANNELS}add/?provider={protocol}").status_code == 200
    assert desk.get(f"{CHANNELS}add/?provider=paypal").status_code == 302


@pytest.mark.parametrize("protocol", OTHERS)
def test_each_is_set_up_and_its_secrets_are_sealed(desk, keys, protocol):
    answer = desk.post(f"{CHANNELS}add/?provider={protocol}", form(protocol, keys))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    channel = Channel.objects.get()
    typed = form(protocol, keys)
    secrets = [option.name for option in PROFILES[protocol].options if option.secret and option.name in typed]
    assert sorted(secrets_of(channel)) == sorted(secrets)
    assert provider_of(channel)
    stored = f"{channel.credentials}{channel.settings}"
    page = unescape(desk.get(f"{CHANNELS}{channel.pk}/change/").content.decode())
    for name in secrets:
        told = form(protocol, keys)[name]
        assert told not in stored
        assert told not in page
    # Stripe has to be told in its own console.
    assert f"/pay/notify/{channel.code}" in page


@pytest.mark.parametrize(
    ("protocol", "change", "field"),
    [
        ("epay_v2", {"private_key": "no key"}, "__all__"),
        ("epay_v2", {"platform_key": ""}, "platform_key"),
        ("alipay", {"alipay_public_key": "MIIB"}, "__all__"),
        ("alipay", {"merchant_id": ""}, "merchant_id"),
        ("alipay", {"seller_id": ""}, "seller_id"),
        ("wechat", {"api_key": "short"}, "__all__"),
        ("bepusdt", {"trade_type": "doge"}, "trade_type"),
        ("bepusdt", {"methods": ["alipay"]}, "methods"),
        ("stripe", {"rate": ""}, "rate"),
        ("stripe", {"rate": "0"}, "rate"),
        ("stripe", {"rate": "７"}, "rate"),
        ("stripe", {"rate": "1e3"}, "rate"),
        ("stripe", {"fee_rate": "-0.1"}, "__all__"),
    ],
)
def test_what_could_take_no_payment_is_refused(desk, keys, protocol, change, field):
    answer = desk.post(f"{CHANNELS}add/?provider={protocol}", form(protocol, keys) | change)
    assert field in answer.context["adminform"].form.errors
    assert not Channel.objects.exists()


class TestWithoutQuery:
    """A clone of 易支付 that cannot be asked: an MD5 alone books nothing."""

    FORM = {**SHARED, "merchant_id": "1001", "key": "k" * 32, "mode": "api", "sign_mode": "plain", "query": "no"}
    FORM |= {"methods": ["alipay"]}

    def test_it_takes_small_amounts_only(self, desk):
        answer = desk.post(f"{CHANNELS}add/?provider=epay", self.FORM)
        assert "max_amount" in answer.context["adminform"].form.errors
        assert desk.post(f"{CHANNELS}add/?provider=epay", self.FORM | {"max_amount": "200"}).status_code == 302
        # What came into the row another way is no way round it.
        Channel.objects.update(max_amount=5000)

        def offered(amount: str) -> list:
            return pay_options(amount=Decimal(amount), user_agent=DESKTOP, at=clock.now())

        assert offered("200.00") != []
        assert offered("200.01") == []

    def test_its_notify_waits_for_staff_who_confirm(self, till, desk, order):
        channel = till.channel(settings={"query": "no"}, max_amount="200.00")
        attempt = till.start(order, channel)
        till.sandbox.act(attempt.number, "pay_silently")
        # The gateway has been heard: it need not repeat what only a person can settle.
        assert till.send(channel, till.fields(attempt)) == "success"
        assert verdicts(channel) == ["held for_staff"]
        order.refresh_from_db()
        assert order.state == Order.State.UNPAID
        assert list(parked_attempts()) == [attempt]
        with clock.travel(clock.now() + timedelta(minutes=5)):
            assert ask_due_attempts() == 0
        act = Act(desk, f"/admin/payments/paymentattempt/{attempt.pk}/confirm/")
        act.fill(provider_txn=till.sandbox.order(attempt.number)["id"], amount="10.00", reason="渠道后台已收款")
        assert "已确认到账" in act.confirm().done()
        order.refresh_from_db()
        assert order.state == Order.State.DELIVERED
        assert list(parked_attempts()) == []
        assert NotifyLog.objects.get().verdict == "applied"
        assert books() == {}


class TestWhatStays:
    """Payments are checked and refunded as what their channel is; another account is another channel."""

    @pytest.fixture
    def dollars(self, till, order):
        channel = till.of("stripe", settings={"currency": "usd", "rate": "7.20"})
        return till.start(order, channel, "card").channel

    def test_with_payments_the_form_says_why_and_the_rest_can_be_changed(self, desk, dollars, keys):
        address = f"{CHANNELS}{dollars.pk}/change/"
        assert "已有支付单，不能再改；请新建一个渠道" in desk.get(address).content.decode()
        typed = form("stripe", keys) | {"gateway_url": dollars.gateway_url, "rate": "7.30", "currency": "cny"}
        assert desk.post(address, typed).status_code == 302
        dollars.refresh_from_db()
        assert (dollars.settings["currency"], dollars.settings["rate"]) == ("usd", "7.30")

    def test_without_payments_all_can_be_changed(self, desk, till, keys):
        channel = till.of("stripe", settings={"currency": "usd", "rate": "7.20"})
        assert "不能再改" not in desk.get(f"{CHANNELS}{channel.pk}/change/").content.decode()
        assert (
            desk.post(f"{CHANNELS}{channel.pk}/change/", form("stripe", keys) | {"currency": "eur"}).status_code == 302
        )
        channel.refresh_from_db()
        assert channel.settings["currency"] == "eur"

    @pytest.mark.parametrize("change", [{"provider": "epay"}, {"merchant_id": "7"}, {"settings": {"currency": "cny"}}])
    def test_no_way_round_the_form(self, dollars, change):
        for name, value in change.items():
            setattr(dollars, name, value)
        with pytest.raises(ValidationError):
            save_channel(channel=dollars)
        with pytest.raises(IntegrityError, match="has attempts"), transaction.atomic():
            Channel.objects.filter(pk=dollars.pk).update(**change)


class TestFitness:
    def test_a_channel_for_phones_only(self, till):
        till.of("alipay", devices=["mobile", "alipay"])
        at = clock.now()
        assert pay_options(amount=Decimal(10), user_agent=DESKTOP, at=at) == []
        assert [one.method for one in pay_options(amount=Decimal(10), user_agent=PHONE, at=at)] == ["alipay"]

    def test_inside_wechat_the_way_out_is_shown(self, till, shelf):
        """What does not open there is named with where it does, and cannot be chosen."""
        till.of("alipay")
        till.of("stripe")
        sku = shelf.sku("10.00", keys=1)
        page = Client(HTTP_USER_AGENT=WECHAT).get(f"/checkout/?sku={sku.public_id}&quantity=1").content.decode()
        assert "支付宝、银行卡" in page
        assert "选择在浏览器中打开" in page
        assert 'value="elsewhere" disabled' in page
        outside = Client(HTTP_USER_AGENT=PHONE).get(f"/checkout/?sku={sku.public_id}&quantity=1").content.decode()
        assert "选择在浏览器中打开" not in outside

    def test_the_buyer_sees_what_is_asked_for_in_coins(self, till, order):
        attempt = till.start(order, till.of("bepusdt"), "usdt")
        assert attempt.currency == "USDT"
        assert attempt.rate == (attempt.amount / attempt.currency_amount).quantize(Decimal("1E-8"))
        page = Client(HTTP_USER_AGENT=DESKTOP).get(f"/pay/{attempt.public_id}/").content.decode()
        assert f"{attempt.currency_amount.normalize():f} USDT" in page


def test_an_alipay_channel_from_before_the_seller_had_to_be_named_is_told_of(till):
    def found() -> list[str]:
        return [message.id for message in run_checks(databases=["default"], tags=["database"])]

    channel = till.of("alipay")
    assert "payments.W001" not in found()
    Channel.objects.update(settings={name: text for name, text in channel.settings.items() if name != "seller_id"})
    assert "payments.W001" in found()


class TestPlayMoney:
    def found(self) -> list[str]:
        return [message.id for message in run_checks(databases=["default"], tags=["database"])]

    def test_production_does_not_start_with_a_sandbox(self, till, channel, settings):
        assert "payments.E001" not in self.found()
        settings.PRODUCTION = True
        assert "payments.E001" in self.found()
        Channel.objects.update(is_active=False)
        assert "payments.E001" not in self.found()
