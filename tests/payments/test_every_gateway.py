"""A buyer pays by each protocol: our pages, the sandbox in a process of its own, and its notify that comes back."""

from decimal import Decimal
from html import unescape

import httpx
import pytest

from catalog.models import Key
from orders.models import Order
from payments.models import NotifyLog, PaymentAttempt
from payments.services import receive_notify
from tests.payments.conftest import DESKTOP, PHONE, sold
from tests.sandboxes import wait_until
from tests.shelf import books

pytestmark = pytest.mark.django_db(transaction=True)
State = PaymentAttempt.State


@pytest.fixture
def shop(live_server, settings):
    settings.PUBLIC_URL = live_server.url
    return live_server


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def link_on(page: str) -> str:
    """Where the payment page sends a phone."""
    return unescape(page.split('rel="noreferrer"')[0].rsplit('href="', 1)[1].split('"')[0])


@pytest.mark.parametrize(
    ("protocol", "method"),
    [("epay", "alipay"), ("epay_v2", "bank"), ("alipay", "alipay"), ("bepusdt", "usdt"), ("stripe", "card")],
)
def test_from_the_order_to_the_key(shop, till, shelf, protocol, method):
    """A guest with a phone: method → our page → cashier → pay → back at ours, which has the key."""
    channel = till.of(protocol)
    sku = shelf.sku("10.00", keys=2)
    with httpx.Client(headers={"User-Agent": PHONE}, follow_redirects=True, base_url=shop.url) as phone:
        order = shelf.buy(None, (sku, 1))
        attempt = till.start(order, channel, method, agent=PHONE)
        page = phone.get(f"/pay/{attempt.public_id}/")
        cashier = phone.get(link_on(page.text))
        assert "确认支付" in cashier.text
        back = phone.post(cashier.url, data={"action": "pay"}, follow_redirects=False)
        assert back.headers["location"].startswith(f"{shop.url}/pay/return/{attempt.public_id}")
        wait_until(lambda: fresh(attempt).state == State.PAID)
        onward = phone.get(back.headers["location"])
        assert f"/orders/{order.public_id}/" in [one.url.path for one in (*onward.history, onward)]
    assert fresh(order).state == Order.State.DELIVERED
    assert sold(order) == 1
    assert books() == {}


@pytest.mark.parametrize(("protocol", "method"), [("epay_v2", "bank"), ("alipay", "alipay")])
def test_a_desktop_scans(shop, till, order, protocol, method):
    """The code's text is what the phone opens."""
    attempt = till.start(order, till.of(protocol), method, agent=DESKTOP)
    assert attempt.show == PaymentAttempt.Show.QR
    assert "data:image/png" in httpx.get(f"{shop.url}/pay/{attempt.public_id}/").text
    phone = httpx.get(attempt.payload)
    assert "确认支付" in phone.text
    httpx.post(phone.url, data={"action": "pay"})
    wait_until(lambda: fresh(order).state == Order.State.DELIVERED)


def test_v2_by_a_form(shop, till, order):
    """The browser posts what we signed."""
    attempt = till.start(order, till.of("epay_v2", settings={"mode": "page"}), "bank")
    html = httpx.get(f"{shop.url}/pay/{attempt.public_id}/").text
    fields = {}
    form = html.split(f'action="{attempt.payload}"')[1].split("</form>")[0]
    for part in form.split('<input type="hidden" name="')[1:]:
        name, _, rest = part.partition('" value="')
        fields[name] = unescape(rest.split('"')[0])
    cashier = httpx.post(attempt.payload, data=fields, follow_redirects=True)
    assert "确认支付" in cashier.text
    httpx.post(cashier.url, data={"action": "pay"})
    wait_until(lambda: fresh(order).state == Order.State.DELIVERED)


@pytest.mark.parametrize(("protocol", "method"), [("alipay", "alipay"), ("stripe", "card"), ("bepusdt", "usdt")])
def test_every_gateway_repeats_until_it_is_heard(shop, till, order, protocol, method, monkeypatch):
    """The first notify meets a shop that cannot answer; the repeated one is applied, once."""
    attempt = till.open(till.start(order, till.of(protocol), method, agent=PHONE))
    calls = []

    def busy(**kwargs):
        calls.append(kwargs)
        if len(calls) == 1:
            raise ConnectionError
        return receive_notify(**kwargs)

    monkeypatch.setattr("payments.views.notify.receive_notify", busy)
    till.sandbox.act(attempt.number, "pay")
    wait_until(lambda: fresh(attempt).state == State.PAID)
    (notify,) = wait_until(lambda: [one for one in till.sandbox.order(attempt.number)["notifies"] if one["done"]])
    assert [entry["status"] for entry in notify["log"]] == [503, 200]
    assert NotifyLog.objects.filter(verdict="applied").count() == 1
    assert Key.objects.filter(state="sold").count() == 1
    assert fresh(attempt).paid_amount == Decimal("10.00")
