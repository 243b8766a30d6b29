import re
from decimal import Decimal

import pytest
from django.test import Client

from catalog.models import Product, Sku
from orders.models import Cart, CartItem
from orders.services import add_to_cart
from tenancy.selectors import main_storefront
from tests.membership.perks import hold, publish

pytestmark = pytest.mark.django_db


def test_a_guest_fills_changes_and_empties_the_cart(guest, shelf):
    sku = shelf.sku("10.00", keys=9)
    assert guest.add_to_cart(sku, 2)["Location"] == "/cart/"
    assert guest.add_to_cart(sku, 1).status_code == 302
    html = guest.see("/cart/")
    assert "30.00" in html
    assert '<span class="count">1</span>' in html
    item = CartItem.objects.get()
    assert "50.00" in guest.client.post("/cart/", {"item": item.pk, "quantity": 5}).content.decode()
    assert "购物车是空的" in guest.client.post("/cart/", {"item": item.pk, "quantity": 0}).content.decode()


def test_a_price_that_changed_since_is_told_in_the_cart(as_member, alice, shelf):
    browser, sku, same = as_member(alice), shelf.sku("10.00", keys=9), shelf.sku("5.00", keys=9)
    for one in (sku, same):
        browser.add_to_cart(one)
    assert "单价有变" not in browser.see("/cart/")
    Sku.objects.filter(pk=sku.pk).update(list_price=Decimal("12.00"))
    for _ in range(2):
        html = browser.see("/cart/")
        assert html.count("单价有变") == 1
        assert "加入时 ¥10.00，现在 ¥12.00" in html
    item = CartItem.objects.get(sku=sku)
    assert "单价有变" not in browser.client.post("/cart/", {"item": item.pk, "quantity": 2}).content.decode(), (
        "who chose a quantity at the new price knows it"
    )


def test_a_price_that_falls_by_the_chosen_quantity_is_no_surprise(as_member, alice, shelf):
    browser, sku = as_member(alice), shelf.sku("10.00", keys=20)
    sku.breaks.create(min_quantity=10, unit_price=Decimal("9.5000"))
    browser.add_to_cart(sku, 2)
    item = CartItem.objects.get()
    html = browser.client.post("/cart/", {"item": item.pk, "quantity": 10}).content.decode()
    assert "95.00" in html and "单价有变" not in html


def test_looking_at_an_empty_cart_makes_none(guest):
    guest.see("/cart/")
    assert not Cart.objects.exists()
    assert "device" not in guest.client.cookies


def test_what_a_guest_collected_follows_into_the_account(guest, alice, shelf):
    guest.add_to_cart(shelf.sku(keys=1))
    guest.client.force_login(alice)
    assert "测试商品" in guest.see("/cart/")
    assert CartItem.objects.get().cart.user == alice


def test_carts_of_others_stay_untouched(guest, shelf):
    sku = shelf.sku(keys=9)
    guest.add_to_cart(sku)
    stranger = Client()
    stranger.post("/cart/add/", {"sku": shelf.sku(keys=1).public_id, "quantity": 1})
    item = CartItem.objects.get(sku=sku)
    stranger.post("/cart/", {"item": item.pk, "quantity": 0})
    assert CartItem.objects.filter(pk=item.pk).exists()


def test_scripts_are_answered_with_the_new_count(guest, shelf):
    answer = guest.client.post(
        "/cart/add/", {"sku": shelf.sku(keys=1).public_id, "quantity": 1}, headers={"Accept": "application/json"}
    )
    assert answer.json() == {"message": "已加入购物车", "count": 1}


@pytest.mark.parametrize(
    ("sku", "quantity"), [("nothing", "1"), ("", ""), ("real", "0"), ("real", "x"), ("real", "99999")]
)
def test_what_cannot_be_added_is_said(guest, shelf, sku, quantity):
    real = shelf.sku(keys=1).public_id
    answer = guest.client.post(
        "/cart/add/",
        {"sku": real if sku == "real" else sku, "quantity": quantity},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code in {400, 404}
    assert answer.json()["message"]
    assert not CartItem.objects.exists()


def test_another_site_cannot_fill_the_cart(shelf):
    answer = Client(enforce_csrf_checks=True).post(
        "/cart/add/", {"sku": shelf.sku().public_id, "quantity": 1}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert not CartItem.objects.exists()


def test_goods_that_left_the_shelf_are_shown_and_not_counted(guest, shelf):
    gone, good = shelf.sku("10.00", keys=1), shelf.sku("5.00", keys=1)
    guest.add_to_cart(gone)
    guest.add_to_cart(good)
    Product.objects.filter(pk=gone.product_id).update(status=Product.Status.OFF_SALE)
    html = guest.see("/cart/")
    assert "已下架" in html
    assert 'href="/checkout/?from=cart"' in html
    Sku.objects.filter(pk=good.pk).update(status=Sku.Status.OFF)
    assert 'href="/checkout/?from=cart"' not in guest.see("/cart/")


def test_more_than_there_is_cannot_go_to_the_checkout(guest, shelf):
    guest.add_to_cart(shelf.sku(keys=2), 3)
    html = guest.see("/cart/")
    assert "库存只剩 2 件" in html
    assert 'href="/checkout/?from=cart"' not in html


def test_what_is_too_much_for_one_order_is_told_and_can_be_taken_out(as_member, alice, shelf):
    browser = as_member(alice)
    for _ in range(2):
        browser.add_to_cart(shelf.sku("60000.00", max_quantity=1000), 1000)
    html = browser.see("/cart/")
    assert "单笔订单不能超过" in html and "已下架" not in html
    assert 'href="/checkout/?from=cart"' not in html
    item = CartItem.objects.first()
    html = browser.client.post("/cart/", {"item": item.pk, "quantity": 0}).content.decode()
    assert "单笔订单不能超过" not in html and "60,000,000.00" in html


def test_a_limit_that_two_rows_pass_together_is_told_as_that(as_member, alice, shelf):
    asks = [{"name": "account", "label": "账号"}]
    sku = shelf.sku("1.00", kind=Product.Kind.TOP_UP, buyer_fields=asks, max_quantity=3)
    for account in ("a", "b"):
        add_to_cart(
            storefront=main_storefront(),
            user=alice,
            device="",
            sku=sku.public_id,
            quantity=3,
            fields={"account": account},
        )
    html = as_member(alice).see("/cart/")
    assert "每单最多 3 件，各行合计有 6 件" in html and "须在 1 到 3 之间" not in html


def test_two_full_carts_are_one_that_is_too_long(guest, alice, shelf, monkeypatch):
    """What was collected before signing in comes along, however much there is already."""
    monkeypatch.setattr("orders.services.quoting.MAX_LINES", 2)
    for _ in range(2):
        guest.add_to_cart(shelf.sku(keys=1))
    add_to_cart(
        storefront=main_storefront(),
        user=alice,
        device="",
        sku=shelf.sku(keys=1).public_id,
        quantity=1,
        fields={},
    )
    guest.client.force_login(alice)
    html = guest.see("/cart/")
    assert html.count("测试商品") >= 3 and "最多" in html
    assert guest.get("/checkout/?from=cart")["Location"] == "/cart/"


def test_the_field_takes_as_many_as_the_tier_allows(as_member, alice, bob, shelf):
    publish([], [{"kind": "quantity_limit", "value": Decimal("2.5")}])
    sku = shelf.sku("1.00", keys=9, max_quantity=3)
    for user, most in ((hold(alice, 1), 7), (bob, 3)):
        browser = as_member(user)
        browser.add_to_cart(sku, 2)
        [field] = re.findall(r'<input id="quantity-[^>]*>', browser.see("/cart/"))
        assert f'max="{most}"' in field
