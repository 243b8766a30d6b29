"""Amounts and quantities that nobody means, at every door that takes one."""

from decimal import Decimal

import pytest
from django.test import Client

from catalog.models import Key, Sku
from orders.models import Order
from payments.models import Channel, TopUp
from tests.api.conftest import Caller
from tests.desk import Act, at_desk, staff
from tests.people import Visitor
from wallet.models import Transfer
from wallet.selectors import balance_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sku(shelf) -> Sku:
    return shelf.sku("10.00", keys=3)


@pytest.fixture
def as_alice(alice) -> Caller:
    return Caller(alice)


@pytest.fixture
def alices_browser(alice) -> Visitor:
    client = Client()
    client.force_login(alice)
    return Visitor(client)


@pytest.fixture
def finance(db) -> Client:
    rights = ["wallet.view_account", "wallet.adjust_wallet", "orders.view_order", "orders.refund_order"]
    goods = ["catalog.view_sku", "catalog.change_sku", "catalog.view_product"]
    return at_desk(staff("fiona", *rights, *goods))


@pytest.fixture
def every_door(as_alice, alices_browser, finance, sku, alice, shelf):
    """A call that tries an amount as a text at each door, and checks that nothing came of it."""
    Channel.objects.create(code="offline", name="支付", methods=["alipay"], gateway_url="https://pay.test/")
    paid = shelf.buy(alice, (sku, 1), from_wallet=True)
    before = (balance_of(alice), Transfer.objects.count(), Order.objects.count())

    def try_amount(text: str) -> None:
        status, body = as_alice.place(sku, expected_total=text)
        assert (status, list(body["error"]["fields"])) == (400, ["expected_total"])
        assert body["error"]["message"]
        top_up = alices_browser.client.post("/wallet/topup/", {"amount": text, "method": "alipay", "token": "t1"})
        assert top_up.status_code == 200 and "请输入正确的金额" in top_up.content.decode()
        act = Act(finance, f"/admin/wallet/account/member/{alice.pk}/adjust/").fill(amount=text, reason="x")
        assert act.page.status_code == 200 and 'value="run"' not in act.text
        line = paid.lines.get()
        act = Act(finance, f"/admin/orders/order/{paid.pk}/refund/").fill(**{f"line_{line.pk}": text, "reason": "x"})
        assert act.page.status_code == 200 and 'value="run"' not in act.text
        page = finance.post(f"/admin/catalog/sku/{sku.pk}/change/", {"list_price": text})
        assert page.status_code == 200 and "errorlist" in page.content.decode()
        assert (balance_of(alice), Transfer.objects.count(), Order.objects.count()) == before
        assert not TopUp.objects.exists()
        assert Sku.objects.get(pk=sku.pk).list_price == Decimal("10.0000")

    return try_amount


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "Infinity", "-inf"])
def test_01_nan_and_infinity_are_no_amounts(every_door, text):
    every_door(text)


@pytest.mark.parametrize("text", ["1E+500000", "1e3", "1E-9999999"])
def test_02_exponents_are_no_amounts(every_door, text):
    every_door(text)


@pytest.mark.parametrize("text", ["０.０１", "１０", "١٠"])
def test_03_full_width_and_other_digits_are_no_amounts(every_door, as_alice, sku, text):
    every_door(text)
    assert as_alice.place(sku, quantity=text)[0] == 400


def test_04_underscores_are_no_amounts(every_door):
    every_door("1_000")


@pytest.mark.parametrize("quantity", ["-1", "-0", "0", "+1", "1.0", "０"])
def test_05_negative_and_zero_quantities_buy_nothing(as_alice, alices_browser, sku, quantity):
    assert as_alice.place(sku, quantity=quantity)[0] == 400
    answer = alices_browser.client.post("/cart/add/", {"sku": sku.public_id, "quantity": quantity}, follow=True)
    assert answer.status_code in {200, 400}
    page = alices_browser.get(f"/checkout/?sku={sku.public_id}&quantity={quantity}", follow=True)
    assert page.status_code in {200, 400, 404}
    fields = {"sku": sku.public_id, "quantity": quantity, "token": "t1", "pay": "wallet"}
    assert alices_browser.client.post("/checkout/", fields, follow=True).status_code in {200, 400, 404}
    assert not Order.objects.exists()
    assert Key.objects.filter(state="available").count() == 3


HUGE = [str(2**31), str(2**63), str(-(2**63) - 1), "9" * 400]


@pytest.mark.parametrize("number", HUGE)
def test_07_numbers_beyond_64_bits_are_somebody_s_mistake_not_ours(as_alice, alices_browser, olga, sku, number):
    for path in ("/search/?q=x&page={}", "/orders/?page={}", "/library/?page={}", "/wallet/?page={}", "/cart/?page={}"):
        assert alices_browser.get(path.format(number), follow=True).status_code in {200, 400, 404}, path
    desk = at_desk(olga)
    for path in ("order/?p={}", "order/{}/change/", "order/?buyer__id__exact={}", "orderline/?p={}"):
        assert desk.get(f"/admin/orders/{path.format(number)}", follow=True).status_code in {200, 400, 404}, path
    for path in ("/orders/?limit={}", "/products/?limit={}", "/products/?min_price={}"):
        assert as_alice.get(path.format(number))[0] in {200, 400, 404}, path
    assert as_alice.place(sku, quantity=int(number) if len(number) < 300 else number)[0] == 400
    assert not Order.objects.exists()


def test_08_a_thousand_million_pieces(as_alice, alices_browser, sku):
    status, body = as_alice.place(sku, quantity=10**9)
    assert (status, list(body["error"]["fields"])) == (400, ["items.0.quantity"])
    for quantity in (10**9, 20_001, 1001):
        alices_browser.add_to_cart(sku, quantity)
        assert alices_browser.get(f"/checkout/?sku={sku.public_id}&quantity={quantity}", follow=True).status_code == 200
        fields = {"sku": sku.public_id, "quantity": quantity, "token": "t1", "pay": "wallet"}
        assert alices_browser.client.post("/checkout/", fields, follow=True).status_code == 200
    assert not Order.objects.exists()


def test_10_nobody_chooses_another_currency(as_alice, alices_browser, sku, alice):
    for more in ({"currency": "IDR"}, {"item": {"currency": "IDR"}}):
        status, body = as_alice.place(sku, pay_with="wallet", key=f"another-currency-{len(str(more))}", **more)
        # What nobody offers is either refused or not looked at; the price is the same.
        assert status == 400 or body["total"] == "10.00"
    assert set(Order.objects.values_list("total", flat=True)) <= {Decimal("10.00")}
    fields = {"amount": "50", "currency": "IDR", "method": "alipay", "token": "t1"}
    assert alices_browser.client.post("/wallet/topup/", fields).status_code == 200
    assert not TopUp.objects.exists(), "there is no channel here at all"
