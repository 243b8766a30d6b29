"""A problem from the order to the desk and back, with and without scripts; every look of its pages."""

import pytest
from playwright.sync_api import expect

from catalog.models import Product
from orders import services
from orders.models import Dispute
from tests.browser.test_pages import LOOKS, faults_on
from tests.complaints import complain, decide, keys_on, picture

TEXT = "兑换时提示已经被使用，我是第一次输入"


@pytest.fixture
def sku(shelf):
    made = shelf.sku("10.00", keys=30)
    Product.objects.filter(pk=made.product_id).update(warranty_days=7)
    made.product.refresh_from_db()
    return made


@pytest.mark.parametrize("scripts", [True, False])
def test_reported_replaced_accepted(visit, sku, shelf, alice, olga, scripts):
    order = shelf.buy(alice, (sku, 2), from_wallet=True)
    buyer = visit(390, scripts=scripts)
    buyer.sign_in(alice)
    page = buyer.go(f"/orders/{order.public_id}/")
    page.get_by_role("link", name=f"报告 {sku.product.name} 的问题").click()
    page.get_by_role("checkbox").first.check()
    page.locator("label.chip", has_text="已被使用").click()
    page.get_by_label("说明").fill(TEXT)
    shot = {"name": "shot.png", "mimeType": "image/png", "buffer": picture((800, 600)).getvalue()}
    page.get_by_label("图片").set_input_files([shot])
    page.locator("label.chip", has_text="换新").click()
    page.get_by_role("button", name="提交").click()
    expect(page.get_by_role("heading", name="等卖家答复")).to_be_visible()
    expect(page.locator(".evidence img")).to_have_count(1)
    dispute = Dispute.objects.get()

    desk = visit(1280)
    desk.go("/admin/")
    desk.page.locator("[name=username]").fill("olga")
    desk.page.locator("[name=password]").fill("tea-and-keys-9")
    desk.page.get_by_role("button", name="登录").click()
    desk.page.get_by_role("link", name="待处理售后").click()
    desk.page.get_by_role("link", name=dispute.number).click()
    desk.page.locator("a[href$='/replace/']").first.click()
    desk.page.locator("#confirm-form button").last.click()
    expect(desk.page.get_by_text("足够，立即换新")).to_be_visible()
    desk.page.locator("#confirm-form").get_by_role("button", name="确认换新").click()
    expect(desk.page.get_by_text("已裁定：换新")).to_be_visible()

    page.reload()
    expect(page.get_by_role("heading", name="已换新")).to_be_visible()
    page.get_by_role("button", name="接受结果").click()
    expect(page.get_by_text("售后已结束")).to_be_visible()
    assert buyer.faults() == [] if scripts else True


@pytest.mark.parametrize(("theme", "lang", "width"), LOOKS)
def test_pages_of_after_sale(visit, sku, shelf, alice, olga, theme, lang, width):
    order = shelf.buy(alice, (sku, 6), from_wallet=True)
    many = shelf.buy(alice, (shelf.sku("1.00", keys=55), 55), from_wallet=True)
    keys = keys_on(order.lines.get())
    long = "说明很长 " + "W" * 80
    waiting = complain(order, keys[0], text=long, pictures=[picture(), picture((40, 90))])
    services.say_in_dispute(dispute_id=waiting.pk, text="请补截图", party="operator", actor=olga)
    rejected, part, replaced = (complain(order, key) for key in keys[1:4])
    decide(rejected, "reject", by=olga, reason=long)
    decide(part, "partial", by=olga, amount=services.refundable_of(part) / 2)
    decide(replaced, "replace", by=olga)
    services.appeal_decision(dispute_id=part.pk, text="请再看一次", actor=alice)
    services.withdraw_dispute(dispute_id=complain(order, keys[4]).pk)
    visitor = visit(width)
    visitor.sign_in(alice)
    visitor.choose(theme=theme, lang=lang)
    paths = [f"/disputes/{one.public_id}/" for one in (waiting, rejected, part, replaced)]
    paths += [f"/orders/{one.public_id}/report/?line={one.lines.get().pk}" for one in (order, many)]
    assert faults_on(visitor, [*paths, "/disputes/", f"/orders/{order.public_id}/", "/orders/", "/library/"]) == {}
