"""What scripts make quicker."""

import re

from playwright.sync_api import expect

from catalog.models import Product, Sku
from orders.services import deliver_by_hand

CARD = re.compile("TEST-[0-9A-F]{16}")
# wait_for_function() would evaluate a string in the page once more, which our Content-Security-Policy forbids.
CONTROLLED = """() => navigator.serviceWorker.controller || new Promise((done) =>
    navigator.serviceWorker.addEventListener("controllerchange", () => done(), { once: true }))"""


def test_theme_switches_at_once_and_stays(visit):
    visitor = visit(color_scheme="light")
    page = visitor.go("/")
    html = page.locator("html")
    expect(html).not_to_have_attribute("data-theme", re.compile(".*"))
    visitor.tap("button", name="深色或浅色")
    expect(html).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(html).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") == "rgb(16, 22, 21)"
    visitor.tap("button", name="深色或浅色")
    expect(html).to_have_attribute("data-theme", "light")


def test_theme_and_language_switch_without_scripts(visit):
    visitor = visit(scripts=False)
    page = visitor.go("/categories/?sort=price")
    visitor.tap("button", name="深色或浅色")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    visitor.tap("button", name="Switch to English")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.url.endswith("/categories/?sort=price")
    visitor.tap("button", name="切换到中文")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")


def test_the_system_decides_where_nobody_chose(visit):
    page = visit(color_scheme="dark").go("/")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(16, 22, 21)"


def test_copying_one_key_and_all_keys(visit, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.sign_in(alice)
    page = visitor.go(f"/orders/{order.public_id}/")
    keys = page.locator(".keybox-text").all_text_contents()
    visitor.tap("button", name="复制", exact=True)
    expect(page.get_by_text("已复制")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == keys[0]
    visitor.tap("button", name="复制全部")
    expect(page.get_by_text("已全部复制")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(keys)


def test_copying_where_the_browser_has_no_clipboard(visit, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    visitor = visit()
    visitor.context.add_init_script("delete Navigator.prototype.clipboard")
    visitor.sign_in(alice)
    page = visitor.go(f"/orders/{order.public_id}/")
    visitor.tap("button", name="复制", exact=True)
    expect(page.get_by_text("已复制")).to_be_visible()


def test_buttons_that_only_work_with_scripts_are_not_there_without(visit, shelf, alice):
    order = shelf.buy(alice, (shelf.sku(keys=2), 2), from_wallet=True)
    visitor = visit(scripts=False)
    visitor.sign_in(alice)
    page = visitor.go(f"/orders/{order.public_id}/")
    expect(page.get_by_text(CARD)).to_have_count(2)
    expect(page.get_by_role("button", name="复制")).to_have_count(0)


def test_choosing_a_sku_changes_price_stock_and_limits(visit, shelf):
    sku = shelf.sku("10.00", keys=2)
    other = Sku.objects.create(
        product=sku.product, code="big", name="大", list_price="50.00", min_quantity=5, max_quantity=6
    )
    shelf.stock(other, 30)
    page = visit().go(f"/p/{sku.product.slug}/")
    page.get_by_role("radio", name="大").check()
    expect(page.locator("[data-filled=price]")).to_contain_text("50.00")
    expect(page.locator("[data-filled=stock]")).to_contain_text("充足")
    quantity = page.get_by_label("数量")
    expect(quantity).to_have_value("5")
    more = page.get_by_role("button", name="增加")
    more.click()
    expect(quantity).to_have_value("6")
    expect(more).to_be_disabled()


def test_showing_masked_keys_in_place(visit, shelf, alice):
    for _ in range(2):
        shelf.buy(alice, (shelf.sku(keys=1), 1), from_wallet=True)
    visitor = visit()
    visitor.sign_in(alice)
    page = visitor.go("/library/")
    expect(page.get_by_text(CARD)).to_have_count(0)
    visitor.tap("button", name="显示")
    expect(page.get_by_text(CARD)).to_have_count(1)
    visitor.tap("button", name="显示")
    expect(page.get_by_text(CARD)).to_have_count(2)
    assert visitor.faults() == []


def test_a_delivery_by_hand_arrives_on_the_open_page(visit, shelf, alice, olga):
    order = shelf.buy(alice, (shelf.sku(kind=Product.Kind.MANUAL), 1), from_wallet=True)
    visitor = visit()
    visitor.sign_in(alice)
    page = visitor.go(f"/orders/{order.public_id}/")
    expect(page.get_by_text("客服正在处理")).to_be_visible()
    deliver_by_hand(line_id=order.lines.get().pk, text="已充值，流水 123", actor=olga)
    expect(page.get_by_text("已充值，流水 123")).to_be_visible(timeout=15000)


def test_the_password_can_be_looked_at(visit):
    page = visit().go("/account/signup/")
    field = page.get_by_label("密码", exact=True)
    field.fill("tea-and-keys-9")
    page.get_by_role("button", name="显示密码").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="隐藏密码").click()
    expect(field).to_have_attribute("type", "password")


def test_without_network_a_page_says_so_and_goes_on_later(visit):
    visitor = visit(workers=True)
    page = visitor.go("/")
    page.evaluate(CONTROLLED)
    visitor.context.set_offline(True)
    page.goto(visitor.base + "/categories/")
    expect(page.get_by_role("heading", name="没有网络")).to_be_visible()
    visitor.context.set_offline(False)
    page.get_by_role("link", name="再试一次").click()
    expect(page.get_by_role("heading", name="全部商品")).to_be_visible()
