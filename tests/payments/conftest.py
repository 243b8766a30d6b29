"""A till that is connected to the real sandbox: channels, attempts, and notifies as the gateway would sign them."""

import itertools
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from catalog.models import Key
from orders.models import Order
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.services import save_channel, start_attempt
from sandbox.epay.signing import signed
from tests.races.conftest import Race
from tests.sandboxes import KEY, PID, RunningSandbox
from tests.shelf import books

_numbers = itertools.count(1)
PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"
WECHAT = f"{PHONE} MicroMessenger/8.0.49"


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory):
    with RunningSandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox, settings):
    settings.OUTGOING_ALLOW = [f"127.0.0.1:{running_sandbox.port}"]
    yield running_sandbox
    running_sandbox.mend()


METHODS = {
    "epay": "alipay",
    "epay_v2": "bank",
    "alipay": "alipay",
    "bepusdt": "usdt",
    "stripe": "card",
    "wechat": "wxpay",
}


def account(sandbox: RunningSandbox, protocol: str) -> tuple[dict, dict[str, str]]:
    """What a channel of the sandbox's merchant is made of: its fields, its secrets."""
    keys, fields = sandbox.keys.get(protocol, {}), {"provider": protocol, "methods": [METHODS[protocol]]}
    match protocol:
        case "epay":
            return fields | {"gateway_url": sandbox.url, "merchant_id": PID}, {"key": KEY}
        case "epay_v2":
            fields |= {"gateway_url": sandbox.url, "merchant_id": keys["pid"], "methods": ["bank", "qqpay"]}
            return fields | {"settings": {"platform_key": keys["platform_public"]}}, _private(keys)
        case "alipay":
            told = {"alipay_public_key": keys["platform_public"], "seller_id": keys["seller_id"]}
            fields |= {"gateway_url": f"{sandbox.url}/gateway.do", "merchant_id": keys["app_id"], "settings": told}
            return fields, _private(keys)
        case "wechat":
            told = {
                "app_id": keys["app_id"],
                "serial": keys["merchant_serial"],
                "public_key_id": keys["public_key_id"],
                "public_key": keys["platform_public"],
                "sign_in_address": sandbox.url,
            }
            fields |= {"gateway_url": sandbox.url, "merchant_id": keys["mchid"], "settings": told}
            return fields, {**_private(keys), "api_key": keys["api_key"], "app_secret": keys["app_secret"]}
        case "bepusdt":
            return fields | {"gateway_url": sandbox.url, "settings": {"trade_type": "usdt.trc20"}}, dict(keys)
        case _:
            return fields | {"gateway_url": sandbox.url, "settings": {"currency": "cny"}}, dict(keys)


def _private(keys: Mapping[str, str]) -> dict[str, str]:
    return {"private_key": keys["merchant_private"]}


class Till:
    def __init__(self, sandbox: RunningSandbox):
        self.sandbox = sandbox

    def channel(self, **fields) -> Channel:
        key = fields.pop("key", KEY)
        fields = {"code": f"till{next(_numbers)}", "name": "沙箱", "merchant_id": PID, "sandbox": True, **fields}
        fields.setdefault("gateway_url", self.sandbox.url)
        fields.setdefault("methods", ["alipay", "wxpay"])
        return save_channel(channel=Channel(**fields), secrets={"key": key})

    def of(self, protocol: str, **fields) -> Channel:
        """A channel of the sandbox that speaks this protocol."""
        made, secrets = account(self.sandbox, protocol)
        chosen = {**made.get("settings", {}), **fields.pop("settings", {})}
        fields = {
            "code": f"till{next(_numbers)}",
            "name": "沙箱",
            "sandbox": True,
            **made,
            **fields,
            "settings": chosen,
        }
        channel = save_channel(channel=Channel(**fields), secrets=secrets)
        if protocol == "stripe":
            self.sandbox.webhook(f"{settings.PUBLIC_URL}/pay/notify/{channel.code}")
        return channel

    def hand_over(self, channel: Channel, letter: Mapping) -> HttpResponse:
        """Call our notify address with what the gateway would send."""
        headers = {name: text for name, text in letter["headers"].items() if name != "Content-Type"}
        return Client().generic(
            letter["method"],
            f"/pay/notify/{channel.code}?{urlsplit(letter['url']).query}".removesuffix("?"),
            letter["body"],
            content_type=letter["headers"].get("Content-Type", "application/octet-stream"),
            headers=headers,
        )

    def start(self, target, channel: Channel, method: str = "alipay", agent: str = DESKTOP) -> PaymentAttempt:
        return start_attempt(
            target=target, channel=channel, method=method, client_address="203.0.113.9", user_agent=agent
        )

    def open(self, attempt: PaymentAttempt) -> PaymentAttempt:
        """The buyer opens what is shown: a gateway that is sent a signed address hears of the order only then."""
        self.sandbox.client.get(attempt.payload)
        return attempt

    def fields(self, attempt: PaymentAttempt, **changes: str) -> dict[str, str]:
        """A notify about the attempt, as the gateway signs it."""
        order = self.sandbox.order(attempt.number)
        fields = {
            "pid": PID,
            "trade_no": order["id"],
            "out_trade_no": attempt.number,
            "type": attempt.method,
            "name": order["name"],
            "money": order["paid"] if order["status"] else order["money"],
            "trade_status": "TRADE_SUCCESS",
            **changes,
        }
        return signed(fields, KEY)

    def send(self, channel: Channel, fields: Mapping[str, str], **extra) -> str:
        """Call our notify address; returns the text of the answer, which must never be a server error."""
        reply = Client().get(f"/pay/notify/{channel.code}?{urlencode(fields)}", **extra)
        assert reply.status_code == 200
        assert reply["Content-Type"].startswith("text/plain")
        return reply.content.decode()

    def pay(self, attempt: PaymentAttempt, **changes: str) -> str:
        """Pay at the gateway, and hand its notify over ourselves."""
        self.sandbox.act(attempt.number, "pay_silently")
        return self.send(attempt.channel, self.fields(attempt, **changes))


@pytest.fixture
def till(sandbox, db) -> Till:
    return Till(sandbox)


@pytest.fixture
def channel(till) -> Channel:
    return till.channel()


@pytest.fixture
def order(shelf, alice) -> Order:
    """Alice's unpaid order over 10 yuan; two more keys are on the shelf."""
    return shelf.buy(alice, (shelf.sku("10.00", keys=3), 1))


@pytest.fixture
def attempt(till, channel, order) -> PaymentAttempt:
    return till.start(order, channel)


@pytest.fixture
def race(transactional_db) -> Race:
    return Race()


def verdicts(channel: Channel) -> list[str]:
    """Verdict and reason of the channel's notifies, oldest first."""
    rows = NotifyLog.objects.filter(channel=channel).order_by("pk").values_list("verdict", "reason")
    return [" ".join(filter(None, row)) for row in rows]


@pytest.fixture
def clean_books(db):
    """Whatever the test did, the books must be in order after it."""
    yield
    assert books() == {}


def sold(order: Order) -> int:
    """How many keys the order has got."""
    return Key.objects.filter(line_id__in=order.lines.values("pk"), state="sold").count()
