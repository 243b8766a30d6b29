"""From wanting to paying, as a browser without scripts does it."""

import re
from decimal import Decimal
from html import unescape
from urllib.parse import unquote

import pytest
from django.test import Client

from catalog.models import Product, Sku
from orders.models import CartItem, Order
from orders.services import place
from shop.views import checkout
from tests.people import Visitor, form_fields
from tests.shelf import books
from wallet.selectors import balance_of

PHONE = [{"name": "phone", "label": "手机号", "regex": "1[0-9]{10}", "type": "tel"}]


def test_alice_buys_with_her_balance_and_sees_the_key(as_member, alice, shelf):
    sku = shelf.sku("10.00")
    keys = shelf.stock(sku, 2)
    browser = as_member(alice)
    fields = browser.open_checkout(f"sku={sku.public_id}&quantity=2")
    assert fields["pay"] == ["wallet"], "a balance that suffices is proposed"
    answer = browser.client.post("/checkout/", fields, follow=True)
    html = answer.content.decode()
    assert all(key in html for key in keys)
    assert answer["Cache-Control"] == "no-store, private"
    assert balance_of(alice) == Decimal("980.00")
    assert books() == {}


def test_a_double_click_buys_once_and_both_arrive(as_member, make_member, shelf):
    poor = make_member("poor", balance="10.00")
    sku = shelf.sku("10.00", keys=5)
    browser = as_member(poor)
    fields = browser.open_checkout(f"sku={sku.public_id}&quantity=1")
    first = browser.client.post("/checkout/", fields)
    again = browser.client.post("/checkout/", fields)
    assert first["Location"] == again["Location"]
    assert Order.objects.count() == 1


def test_a_double_click_on_a_cart_buys_once_and_both_arrive(as_member, alice, shelf):
    browser = as_member(alice)
    for _ in range(2):
        browser.add_to_cart(shelf.sku("10.00", keys=5), 2)
    fields = browser.open_checkout("from=cart")
    first = browser.client.post("/checkout/", fields)
    again = browser.client.post("/checkout/", fields)
    assert first["Location"] == again["Location"]
    order = Order.objects.get()
    assert order.total == Decimal("40.00")
    assert not CartItem.objects.exists()


def test_what_another_tab_added_stays_in_the_cart(as_member, alice, shelf):
    browser = as_member(alice)
    ordered, later = shelf.sku("10.00", keys=9), shelf.sku("3.00", keys=9)
    browser.add_to_cart(ordered, 2)
    fields = browser.open_checkout("from=cart")
    browser.add_to_cart(later, 1)
    browser.add_to_cart(ordered, 1)
    for _ in range(2):
        assert browser.client.post("/checkout/", fields).status_code == 302
    left = [(item.sku, item.quantity) for item in CartItem.objects.order_by("sku")]
    assert left == [(ordered, 1), (later, 1)], "a repeated click takes out nothing more"
    assert Order.objects.get().total == Decimal("20.00")


def test_an_order_that_fails_leaves_the_cart_as_it_was(as_member, make_member, shelf):
    browser = as_member(make_member("poor", balance="10.00"))
    sku = shelf.sku("10.00", keys=9)
    browser.add_to_cart(sku, 2)
    browser.checkout("from=cart", pay="wallet")
    assert CartItem.objects.get().quantity == 2
    assert not Order.objects.exists()


@pytest.mark.parametrize("from_cart", [False, True])
def test_signing_in_leads_back_to_the_purchase_also_after_a_refusal(guest, shelf, make_member, from_cart):
    sku = shelf.sku(keys=9)
    guest.add_to_cart(sku, 2)
    query = "from=cart" if from_cart else f"sku={sku.public_id}&quantity=2"
    refused = guest.checkout(query, contact="").content.decode()
    ways = re.findall(r'href="(/account/login/[^"]*)">登录享会员价', refused)
    (way,) = [unquote(unescape(one).partition("next=")[2]) for one in ways]
    guest.client.force_login(make_member())
    assert guest.open_checkout(way.partition("?")[2])["item"] == [f"{sku.public_id}:2"]


def test_a_checkout_of_nothing_leads_to_the_cart(guest):
    assert guest.get("/checkout/")["Location"] == "/cart/"


def test_what_leaves_the_shelf_while_it_is_ordered_is_told(as_member, alice, shelf, monkeypatch):
    sku = shelf.sku("10.00", keys=9)
    browser = as_member(alice)
    fields = browser.open_checkout(f"sku={sku.public_id}")

    def slower(**wish):
        """The same, but staff were faster."""
        Sku.objects.filter(pk=sku.pk).update(status=Sku.Status.OFF)
        return place(**wish)

    monkeypatch.setattr(checkout, "place", slower)
    answer = browser.client.post("/checkout/", fields, follow=True)
    assert answer.redirect_chain == [("/", 302)]
    assert "已下架" in answer.content.decode()
    assert not Order.objects.exists()


def test_a_price_that_moved_is_told_before_money_moves(as_member, alice, shelf):
    sku = shelf.sku("10.00", keys=1)
    browser = as_member(alice)
    fields = browser.open_checkout(f"sku={sku.public_id}")
    Sku.objects.filter(pk=sku.pk).update(list_price=Decimal("12.00"))
    answer = browser.client.post("/checkout/", fields)
    html = answer.content.decode()
    assert "价格已变为 ¥12.00" in html
    assert not Order.objects.exists()
    assert browser.client.post("/checkout/", form_fields(html)).status_code == 302


def test_what_sold_out_meanwhile_is_told(as_member, alice, bob, shelf):
    sku = shelf.sku("10.00", keys=1)
    browser = as_member(alice)
    fields = browser.open_checkout(f"sku={sku.public_id}")
    shelf.buy(bob, (sku, 1), from_wallet=True)
    assert "库存不足" in browser.client.post("/checkout/", fields).content.decode()
    assert balance_of(alice) == Decimal("1000.00")


def test_a_wallet_that_does_not_suffice_is_off_and_says_what_is_missing(as_member, make_member, shelf):
    browser = as_member(make_member("poor", balance="3.00"))
    sku = shelf.sku("10.00", keys=1)
    html = browser.see(f"/checkout/?sku={sku.public_id}")
    assert "还差 ¥7.00" in html
    answer = browser.checkout(f"sku={sku.public_id}", pay="wallet")
    assert "余额不足" in answer.content.decode()
    assert not Order.objects.exists()


@pytest.mark.parametrize("pay", ["", "nonsense", "wallet"])
def test_a_guest_must_choose_a_method_that_exists(guest, shelf, pay):
    sku = shelf.sku(keys=1)
    answer = guest.checkout(f"sku={sku.public_id}", contact="a@example.com", pay=pay)
    assert "请选择支付方式" in answer.content.decode()
    assert not Order.objects.exists()


def test_a_guest_without_contact_is_asked_for_it(guest, shelf):
    answer = guest.checkout(f"sku={shelf.sku(keys=1).public_id}", contact="  ")
    html = answer.content.decode()
    assert "请填写联系方式" in html
    assert 'aria-invalid="true"' in html


def test_buyer_fields_are_asked_checked_and_kept(as_member, alice, shelf):
    sku = shelf.sku("10.00", kind=Product.Kind.TOP_UP, buyer_fields=PHONE)
    browser = as_member(alice)
    query = f"sku={sku.public_id}"
    wrong = browser.checkout(query, **{"line0-phone": "123"}).content.decode()
    assert "请正确填写「手机号」" in wrong
    assert 'value="123"' in wrong
    assert not Order.objects.exists()
    assert browser.checkout(query, **{"line0-phone": "13800138000"}).status_code == 302
    assert Order.objects.get().lines.get().fields == {"phone": "13800138000"}


def test_sent_again_with_other_contents_is_explained_and_can_be_sent(as_member, alice, shelf):
    sku = shelf.sku("10.00", keys=5)
    browser = as_member(alice)
    fields = browser.open_checkout(f"sku={sku.public_id}&quantity=1")
    assert browser.client.post("/checkout/", fields).status_code == 302
    more = {**fields, "item": [f"{sku.public_id}:2"], "expected": ["20.00"]}
    answer = browser.client.post("/checkout/", more)
    html = answer.content.decode()
    assert "刚才已经提交过一次，这次的内容却不同，请核对后再提交" in html and "幂等" not in html
    assert browser.client.post("/checkout/", form_fields(html)).status_code == 302
    assert [order.lines.get().quantity for order in Order.objects.order_by("pk")] == [1, 2]


def test_what_staff_write_about_a_field_is_text_and_not_markup(as_member, alice, shelf):
    field = {"name": "uid", "label": "<b>UID</b>", "help": "<img src=x onerror=alert(1)>"}
    html = as_member(alice).see(f"/checkout/?sku={shelf.sku(buyer_fields=[field]).public_id}")
    assert "&lt;img src=x onerror=alert(1)&gt;" in html and "&lt;b&gt;UID&lt;/b&gt;" in html
    assert "<img src=x" not in html and "<b>UID" not in html


def test_the_sheet_is_the_form_alone(as_member, alice, shelf):
    sku = shelf.sku(keys=1)
    answer = as_member(alice).get(f"/checkout/?sku={sku.public_id}", headers={"Sheet": "1"})
    html = answer.content.decode()
    assert answer["Sheet"] == "1"
    assert 'id="sheet-title"' in html
    assert "<html" not in html


def test_nothing_to_buy_goes_back_with_a_word(guest, shelf):
    assert "还没有选择商品" in guest.see("/checkout/?from=cart")
    assert guest.get("/checkout/?sku=nothing").status_code == 404
    sku = shelf.sku(keys=1, min_quantity=2)
    assert "购买数量须在 2 到" in guest.see(f"/checkout/?sku={sku.public_id}&quantity=1")
    Sku.objects.filter(pk=sku.pk).update(status=Sku.Status.OFF)
    assert "已下架" in guest.see(f"/checkout/?sku={sku.public_id}&quantity=2")


@pytest.mark.parametrize("quantity", ["0", "-1", "1e9", "９", "99999999999999999999", ""])
def test_odd_quantities_buy_nothing(guest, shelf, quantity):
    sku = shelf.sku(keys=1)
    assert guest.get(f"/checkout/?sku={sku.public_id}&quantity={quantity}").status_code == 302


@pytest.mark.parametrize("expected", ["", "1e2", "NaN", "0.01", "１０.00"])
def test_a_forged_total_buys_nothing(as_member, alice, shelf, expected):
    answer = as_member(alice).checkout(f"sku={shelf.sku(keys=1).public_id}", expected=expected)
    assert answer.status_code == 200
    assert not Order.objects.exists()


def test_the_form_needs_its_token(alice, shelf):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    fields = Visitor(client).open_checkout(f"sku={shelf.sku(keys=1).public_id}")
    fields.pop("csrfmiddlewaretoken")
    assert client.post("/checkout/", fields).status_code == 403
    assert not Order.objects.exists()


def test_member_checkout_needs_few_queries(as_member, alice, shelf, django_assert_max_num_queries):
    sku = shelf.sku(keys=1)
    browser = as_member(alice)
    browser.see("/")
    # One of them writes down since when the goods lie there.
    with django_assert_max_num_queries(13):
        browser.see(f"/checkout/?sku={sku.public_id}")
