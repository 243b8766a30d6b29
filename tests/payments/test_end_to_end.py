"""The whole way over HTTP: our server, the real sandbox in its own process, and its notifies coming back."""

from decimal import Decimal
from urllib.parse import urlsplit

import httpx
import pytest

from orders.models import Order
from orders.services import cancel
from payments.models import NotifyLog, PaymentAttempt
from tests.payments.conftest import DESKTOP, PHONE, verdicts
from tests.sandboxes import wait_until
from tests.shelf import books
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db(transaction=True)
State = PaymentAttempt.State


@pytest.fixture
def shop(live_server, settings):
    settings.PUBLIC_URL = live_server.url
    return live_server


@pytest.fixture
def attempt(shop, till, channel, order):
    return till.start(order, channel)


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def notified(attempt: PaymentAttempt, times: int = 1) -> list[dict]:
    """Waits until the gateway has been heard, and its notifies are answered with success."""
    number = attempt.number

    def done():
        notifies = fetch(attempt, number)
        return len(notifies) == times and all(notify["done"] for notify in notifies) and notifies

    return wait_until(done)


def fetch(attempt: PaymentAttempt, number: str) -> list[dict]:
    base = attempt.channel.gateway_url
    return httpx.get(f"{base}/control/orders", params={"out_trade_no": number}).json()[0]["notifies"]


def test_a_payer_with_a_phone_and_no_script(shop, till, channel, order):
    """Payment page → gateway's cashier → pay → back to our page, which has moved on to the order."""
    attempt = till.start(order, channel, agent=PHONE)
    with httpx.Client(headers={"User-Agent": PHONE}) as phone:
        page = phone.get(f"{shop.url}/pay/{attempt.public_id}/").text
        assert attempt.payload in page
        assert "确认支付" in phone.get(attempt.payload).text
        back = phone.post(attempt.payload, data={"action": "pay"})
        assert back.status_code == 303
        assert back.headers["location"].startswith(f"{shop.url}/pay/return/{attempt.public_id}?")
        notified(attempt)
        ours = phone.get(back.headers["location"])
        onward = phone.get(f"{shop.url}{ours.headers['location']}")
    assert urlsplit(onward.headers["location"]).path == f"/orders/{order.public_id}/"
    assert fresh(order).state == Order.State.DELIVERED
    assert books() == {}


def test_a_desktop_through_submit_php(shop, till, order):
    """Page mode: the browser posts the signed form itself."""
    attempt = till.start(order, till.channel(settings={"mode": "page"}), agent=DESKTOP)
    with httpx.Client() as browser:
        html = browser.get(f"{shop.url}/pay/{attempt.public_id}/").text
        names = ["pid", "type", "out_trade_no", "notify_url", "return_url", "name", "money", "sign", "sign_type"]
        fields = {name: html.split(f'name="{name}" value="')[1].split('"')[0] for name in names}
        cashier = browser.post(attempt.payload, data=fields)
        assert cashier.status_code == 303
        browser.post(f"{till.sandbox.url}{cashier.headers['location']}", data={"action": "pay"})
    notified(attempt)
    assert fresh(order).state == Order.State.DELIVERED


def test_notify_twice(till, attempt):
    till.sandbox.act(attempt.number, "notify_twice")
    notified(attempt, times=2)
    assert sorted(verdicts(attempt.channel)) == ["applied", "repeated"]
    assert fresh(attempt.order).state == Order.State.DELIVERED
    assert books() == {}


def test_wrong_amount(till, attempt, alice):
    till.sandbox.act(attempt.number, "wrong_amount", money="3")
    notified(attempt)
    assert fresh(attempt.order).state == Order.State.UNPAID
    assert balance_of(alice) == Decimal("1003.00")
    assert books() == {}


def test_bad_signature_is_refused_each_time_and_the_real_one_still_counts(till, attempt):
    till.sandbox.act(attempt.number, "bad_signature")
    wait_until(lambda: verdicts(attempt.channel)[:2] == ["rejected signature"] * 2)
    assert fresh(attempt).state == State.PENDING
    till.sandbox.act(attempt.number, "pay")
    wait_until(lambda: fresh(attempt).state == State.PAID)


def test_fail(till, attempt):
    till.sandbox.act(attempt.number, "fail")
    notified(attempt)
    assert fresh(attempt).state == State.PENDING
    assert verdicts(attempt.channel) == ["ignored status TRADE_CLOSED"]


def test_late(till, attempt, alice):
    till.sandbox.act(attempt.number, "pay_late", seconds=0.3)
    cancel(order_id=attempt.order_id, actor=alice)
    notified(attempt)
    assert fresh(attempt.order).state == Order.State.DELIVERED
    assert books() == {}


def test_the_gateway_repeats_until_we_could_ask_it(till, attempt):
    """Its query is down when the first notify comes: that one fails, the repeated one is applied."""
    till.sandbox.fault("order", "garbage", times=1)
    till.sandbox.act(attempt.number, "pay")
    (notify,) = notified(attempt)
    assert [entry["answer"] for entry in notify["log"]] == ["fail", "success"]
    assert fresh(attempt.order).state == Order.State.DELIVERED
    assert books() == {}


def test_forty_payers_at_once(shop, till, channel, shelf, make_member):
    sku = shelf.sku("10.00", keys=40)
    attempts = [till.start(shelf.buy(make_member(), (sku, 1)), channel) for _ in range(40)]
    for attempt in attempts:
        till.sandbox.act(attempt.number, "notify_twice")
    wait_until(lambda: Order.objects.filter(state=Order.State.DELIVERED).count() == 40, seconds=60)
    wait_until(lambda: not NotifyLog.objects.filter(verdict="received").exists())
    assert books() == {}
