"""Buying, with fingers and with keys, with scripts and without."""

import re

import pytest
from playwright.sync_api import expect

from orders.models import Order
from tests.shelf import books

KEY = re.compile("TEST-[0-9A-F]{16}")


@pytest.fixture
def card(shelf):
    return shelf.sku("10.00", keys=5)


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scripts", [True, False])
def test_a_member_with_balance_has_the_key_in_three_taps(visit, card, alice, scripts, width):
    visitor = visit(width, scripts)
    visitor.sign_in(alice)
    visitor.go("/categories/")
    visitor.tap("link", name="测试商品")
    visitor.tap("button", name="购买")
    visitor.tap("button", name="确认支付 ¥10.00")
    expect(visitor.page.get_by_role("heading", name="已发货")).to_be_visible()
    expect(visitor.page.get_by_text(KEY)).to_be_visible()
    assert visitor.taps == 3
    assert Order.objects.get().state == Order.State.DELIVERED
    assert visitor.faults() == [] if scripts else visitor.troubles == []
    assert books() == {}


def test_with_scripts_the_checkout_is_a_sheet_on_the_product_page(visit, card, alice):
    visitor = visit()
    visitor.sign_in(alice)
    visitor.go(f"/p/{card.product.slug}/")
    visitor.tap("button", name="购买")
    sheet = visitor.page.get_by_role("dialog", name="确认订单")
    expect(sheet).to_be_visible()
    assert visitor.page.url.endswith(f"/p/{card.product.slug}/")
    assert visitor.faults() == []
    sheet.get_by_role("button", name="关闭").click()
    expect(sheet).to_be_hidden()


def test_buying_again_takes_two_taps(visit, card, alice, shelf):
    shelf.buy(alice, (card, 1), from_wallet=True)
    visitor = visit()
    visitor.sign_in(alice)
    visitor.tap("link", name="再买 测试商品")
    visitor.tap("button", name="确认支付 ¥10.00")
    expect(visitor.page.get_by_text(KEY)).to_be_visible()
    assert visitor.taps == 2


def test_the_keyboard_alone_is_enough(visit, card, alice):
    visitor = visit(1280)
    visitor.sign_in(alice)
    page = visitor.go("/categories/")

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if name in page.evaluate("(document.activeElement.ariaLabel || document.activeElement.textContent).trim()"):
                return
        raise AssertionError(f"no way to {name} by Tab")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "跳到正文"
    page.keyboard.press("Enter")
    tab_to("测试商品")
    page.keyboard.press("Enter")
    page.wait_for_url("**/p/**")
    tab_to("购买")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="确认订单")).to_be_visible()
    tab_to("确认支付")
    page.keyboard.press("Enter")
    expect(page.get_by_text(KEY)).to_be_visible()


def test_escape_leaves_the_sheet_and_focus_returns(visit, card, alice):
    visitor = visit(1280)
    visitor.sign_in(alice)
    page = visitor.go(f"/p/{card.product.slug}/")
    page.get_by_role("button", name="购买").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.textContent") == "购买"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_cart_of_two_becomes_one_order(visit, shelf, alice, scripts):
    visitor = visit(scripts=scripts)
    visitor.sign_in(alice)
    skus = [shelf.sku("10.00", keys=5), shelf.sku("5.00", keys=5)]
    for number, sku in enumerate(skus, 1):
        page = visitor.go(f"/p/{sku.product.slug}/")
        visitor.tap("button", name="加入购物车")
        expect(page.locator(".count")).to_have_text(str(number))
    page = visitor.go("/cart/")
    expect(page.get_by_text("¥15.00")).to_be_visible()
    if scripts:
        visitor.tap("button", name="增加")
    else:
        page.get_by_label("的数量").first.fill("2")
        visitor.tap("button", name="更新")
    expect(page.get_by_text("¥25.00")).to_be_visible()
    visitor.tap("link", name="去结算")
    visitor.tap("button", name="确认支付 ¥25.00")
    expect(page.get_by_text(KEY)).to_have_count(3)
    assert visitor.troubles == []


def test_a_second_click_while_waiting_buys_once(visit, card, alice):
    visitor = visit()
    visitor.sign_in(alice)
    page = visitor.go(f"/checkout/?sku={card.public_id}")
    page.get_by_role("button", name="确认支付").dblclick()
    expect(page.get_by_text(KEY)).to_be_visible()
    assert Order.objects.count() == 1


def test_english_all_the_way(visit, card, alice):
    visitor = visit()
    visitor.sign_in(alice)
    visitor.choose(lang="en")
    page = visitor.go(f"/checkout/?sku={card.public_id}")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator("main form .btn-tall").click()
    expect(page.get_by_text(KEY)).to_be_visible()
