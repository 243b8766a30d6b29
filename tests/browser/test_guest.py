"""Guests pay at a gateway: the real sandbox, in a process of its own."""

import re

import pytest
from playwright.sync_api import expect

from orders.models import Order
from orders.selectors import order_secret
from payments.models import Channel
from payments.services import save_channel
from tests.sandboxes import KEY as SANDBOX_KEY
from tests.sandboxes import PID, RunningSandbox
from tests.shelf import books

CARD = re.compile("TEST-[0-9A-F]{16}")


@pytest.fixture(scope="session")
def running_sandbox(tmp_path_factory):
    with RunningSandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def alipay(running_sandbox, live_server, settings, db) -> Channel:
    settings.OUTGOING_ALLOW = [f"127.0.0.1:{running_sandbox.port}"]
    settings.PUBLIC_URL = live_server.url
    channel = Channel(
        code="alipay",
        name="支付宝",
        methods=["alipay", "wxpay"],
        gateway_url=running_sandbox.url,
        merchant_id=PID,
        sandbox=True,
    )
    return save_channel(channel=channel, secrets={"key": SANDBOX_KEY})


@pytest.mark.parametrize("scripts", [True, False])
def test_a_guest_buys_with_four_taps_and_one_field(visit, shelf, alipay, scripts):
    shelf.sku("10.00", keys=1)
    visitor = visit(scripts=scripts)
    page = visitor.go("/categories/")
    visitor.tap("link", name="测试商品")
    visitor.tap("button", name="购买")
    page.get_by_label("联系方式").fill("g@example.com")
    visitor.tap("button", name="确认支付 ¥10.00")
    expect(page.get_by_text("¥10.00").first).to_be_visible()
    if scripts:
        assert visitor.faults() == []
    visitor.tap("link", name="打开支付宝付款")
    assert visitor.taps == 4
    page.get_by_role("button", name="确认支付").click()
    expect(page.get_by_role("heading", name="已发货")).to_be_visible(timeout=15000)
    expect(page.get_by_text(CARD)).to_be_visible()
    expect(page.get_by_text(order_secret(Order.objects.get()))).to_be_visible()
    assert visitor.troubles == []
    assert books() == {}


def test_the_page_moves_on_when_the_app_has_paid(visit, shelf, alipay, running_sandbox):
    """The buyer pays in another app and comes back to a page that has been waiting."""
    sku = shelf.sku("10.00", keys=1)
    visitor = visit(width=1280)
    page = visitor.go(f"/checkout/?sku={sku.public_id}")
    page.get_by_label("联系方式").fill("g@example.com")
    page.get_by_role("button", name="确认支付").click()
    expect(page.get_by_role("img", name="付款二维码")).to_be_visible()
    assert visitor.faults() == []
    running_sandbox.act(Order.objects.get().attempts.get().number, "pay")
    expect(page.get_by_text(CARD)).to_be_visible(timeout=15000)


def test_the_order_page_shows_by_itself_what_arrived_elsewhere(visit, shelf, alipay, running_sandbox):
    sku = shelf.sku("10.00", keys=1)
    visitor = visit()
    page = visitor.go(f"/checkout/?sku={sku.public_id}")
    page.get_by_label("联系方式").fill("g@example.com")
    page.get_by_role("button", name="确认支付").click()
    page.get_by_role("link", name="返回订单").click()
    expect(page.get_by_role("timer")).to_have_text(re.compile("1[45]:[0-9]{2}"))
    assert visitor.faults() == []
    running_sandbox.act(Order.objects.get().attempts.get().number, "pay")
    expect(page.get_by_text(CARD)).to_be_visible(timeout=15000)


@pytest.mark.parametrize("scripts", [True, False])
def test_another_device_finds_the_order_by_contact_and_secret(visit, shelf, alipay, scripts):
    order = shelf.buy(None, (shelf.sku("10.00", keys=1), 1))
    visitor = visit(scripts=scripts)
    page = visitor.go("/orders/find/")
    page.get_by_label("联系方式").fill("guest@example.com")
    page.get_by_label("订单密码").fill(order_secret(order).lower())
    page.get_by_role("button", name="查询").click()
    expect(page.get_by_role("heading", name="等待付款")).to_be_visible()
    visitor.tap("button", name="取消订单")
    expect(page.get_by_role("heading", name="订单已取消")).to_be_visible()


def test_a_gateway_that_refuses_leaves_a_way_on(visit, shelf, alipay, running_sandbox):
    running_sandbox.fault("mapi", "refused")
    try:
        sku = shelf.sku("10.00", keys=1)
        visitor = visit()
        page = visitor.go(f"/checkout/?sku={sku.public_id}")
        page.get_by_label("联系方式").fill("g@example.com")
        page.get_by_role("button", name="确认支付").click()
        expect(page.get_by_role("heading", name="等待付款")).to_be_visible()
        expect(page.get_by_text("支付渠道拒绝了请求")).to_be_visible()
    finally:
        running_sandbox.fault("mapi", None)
