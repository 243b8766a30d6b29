"""The sum that a browser does when a limit is about to refuse somebody."""

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from accounts.models import User
from accounts.services.doors import REGISTER
from audit.services import take
from common import clock

PASSWORD = "tea-and-keys-9"


@pytest.fixture
def busy(db):
    """Others of this network have registered a moment ago."""
    cache.clear()
    for _ in range(REGISTER.freely.burst):
        take(REGISTER.freely, subject="127.0.0.1", at=clock.now())


def register(page) -> None:
    page.get_by_label("用户名").fill("dora")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.locator("main form").get_by_role("button", name="注册").click()


def test_the_browser_does_the_sum_and_the_visitor_sends_once_more(visit, busy):
    visitor = visit()
    page = visitor.go("/account/signup/")
    register(page)
    expect(page.get_by_role("status")).to_have_text("自动验证完成，请再提交一次", timeout=30000)
    assert [one for one in visitor.faults() if "429" not in one] == []
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.locator("main form").get_by_role("button", name="注册").click()
    page.wait_for_url(visitor.base + "/")
    assert User.objects.filter(username="dora").exists()


def test_without_scripts_one_is_told_how_long_to_wait(visit, busy):
    visitor = visit(scripts=False)
    page = visitor.go("/account/signup/")
    register(page)
    expect(page.get_by_role("alert")).to_contain_text("秒后再试")
    assert not User.objects.exists()
