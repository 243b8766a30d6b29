"""Paying inside WeChat's own browser: the page's script and the bridge that WeChat puts into every page, under our policy."""

# Fixtures are taken from the room that knows gateways, and named as arguments.
# ruff: noqa: F401, F811

import json

import httpx
import pytest
from playwright.sync_api import expect

from payments.models import PaymentAttempt
from tests.payments.conftest import WECHAT, running_sandbox, sandbox, till

# What WeChat injects, as far as our page knows it.
BRIDGE = """window.WeixinJSBridge = {
    invoke: (name, request, done) => window.wechatPays(name, JSON.stringify(request)).then(done),
};"""


@pytest.fixture
def inside(visit, live_server, settings):
    """inside(answers): a visitor in WeChat's browser, whose bridge answers by `answers(name, request)`."""
    settings.PUBLIC_URL = live_server.url

    def arrive(answers):
        visitor = visit(width=700, user_agent=WECHAT)
        visitor.page.expose_function("wechatPays", answers)
        visitor.page.add_init_script(BRIDGE)
        return visitor

    return arrive


def test_one_sign_in_that_nobody_sees_and_one_sheet_of_wechat(inside, till, shelf, alice):
    channel = till.of("wechat")
    attempt = till.start(shelf.buy(alice, (shelf.sku("10.00", keys=1), 1)), channel, "wxpay", agent=WECHAT)

    def pay(name: str, request: str) -> dict:
        assert name == "getBrandWCPayRequest"
        return httpx.post(f"{till.sandbox.url}/wechat/bridge", json=json.loads(request)).json()

    visitor = inside(pay)
    visitor.sign_in(alice)
    visitor.go(f"/pay/{attempt.public_id}/")
    expect(visitor.page.get_by_role("heading", name="已发货")).to_be_visible()
    assert visitor.troubles == []
    assert PaymentAttempt.objects.get(pk=attempt.pk).show == "bridge"


def test_who_closes_the_sheet_may_try_again(inside, till, shelf, alice):
    attempt = till.start(shelf.buy(alice, (shelf.sku("10.00", keys=1), 1)), till.of("wechat"), "wxpay", agent=WECHAT)
    asked = []

    def give_up(name: str, request: str) -> dict:
        asked.append(request)
        return {"err_msg": "get_brand_wcpay_request:cancel"}

    visitor = inside(give_up)
    page = visitor.go(f"/pay/{attempt.public_id}/")
    expect(page.get_by_text("付款没有完成，可以再试一次")).to_be_visible()
    visitor.tap("button", name="用微信付款")
    expect(page.get_by_text("付款没有完成，可以再试一次")).to_be_visible()
    assert len(asked) == 2
    assert visitor.faults() == []
