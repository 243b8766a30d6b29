"""Passkeys in a real browser, with an authenticator that Chromium plays: added, signed in with, paid with."""

import re

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from orders.models import Order
from tests.browser.conftest import PASSWORD
from wallet.services import set_guard

CARD = re.compile("TEST-[0-9A-F]{16}")
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def with_device(visitor) -> None:
    tools = visitor.context.new_cdp_session(visitor.page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})


def test_a_passkey_is_added_signs_in_and_pays(visit, alice, shelf):
    cache.clear()
    sku = shelf.sku("30.00", keys=1)
    visitor = visit()
    with_device(visitor)
    visitor.sign_in(alice)
    page = visitor.go("/account/security/")
    assert visitor.faults() == []
    visitor.tap("link", name="添加通行密钥")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_role("heading", name="添加通行密钥")).to_be_visible()
    assert visitor.faults() == []
    visitor.tap("button", name="添加通行密钥")
    expect(page.get_by_role("heading", name="恢复码")).to_be_visible()
    assert visitor.faults() == []
    visitor.go("/account/logout/")
    page.get_by_role("main").get_by_role("button", name="退出登录").click()
    page.wait_for_url(visitor.base + "/")

    visitor.go("/account/login/?next=/wallet/")
    assert visitor.faults() == []
    visitor.tap("button", name="用通行密钥登录")
    page.wait_for_url(visitor.base + "/wallet/")

    set_guard(user=alice, above=0)
    page = visitor.go(f"/checkout/?sku={sku.public_id}")
    page.get_by_role("button", name="确认支付").click()
    expect(page.get_by_role("heading", name="确认付款")).to_be_visible()
    assert visitor.faults() == []
    visitor.tap("button", name="用通行密钥支付 ¥30.00")
    expect(page.get_by_text(CARD)).to_be_visible(timeout=15000)
    assert Order.objects.get().state == "delivered"
    assert visitor.troubles == []


@pytest.mark.parametrize("scripts", [True, False])
def test_without_a_passkey_the_password_pays(visit, alice, shelf, scripts):
    sku = shelf.sku("30.00", keys=1)
    set_guard(user=alice, above=0)
    visitor = visit(scripts=scripts)
    visitor.sign_in(alice)
    page = visitor.go(f"/checkout/?sku={sku.public_id}")
    page.get_by_role("button", name="确认支付").click()
    page.get_by_label("登录密码").fill(PASSWORD)
    page.get_by_role("button", name="确认支付 ¥30.00").click()
    expect(page.get_by_text(CARD)).to_be_visible(timeout=15000)


def test_without_scripts_no_page_offers_what_cannot_work(visit, alice):
    visitor = visit(scripts=False)
    page = visitor.go("/account/login/")
    expect(page.get_by_role("button", name="用通行密钥登录")).to_be_hidden()
