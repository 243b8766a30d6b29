"""A fresh clone in an empty folder, one command, and a phone: what somebody who found the shop today would do."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from launcher.environment import ROOT
from tests.browser.conftest import PHONE_AGENT
from tests.launcher.conftest import Up, end_everything_of

pytestmark = [pytest.mark.full, pytest.mark.browser, pytest.mark.xdist_group("fresh")]

SET_UP = 900  # seconds: a whole environment and the demo shop, on a busy machine
CARDS = "/c/game-cards/"


class Clone:
    """The committed state of this repository, cloned, with its shop running."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "kameng"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.tree)], check=True)
        self.up = Up(self.tree / "var", root=self.tree, demo=True, logs=folder)
        self.up.wait_for("kameng is ready", SET_UP)
        self.url = f"http://127.0.0.1:{self.up.port}"

    def login(self, role: str) -> dict[str, str]:
        logins = json.loads((self.tree / "var/demo-logins.json").read_text())
        return next(one for one in logins if one["role"] == role)


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    folder = Path(tempfile.mkdtemp(prefix="kameng-fresh-")).resolve()
    made = Clone(folder)
    yield made
    assert made.up.stop() == 0
    end_everything_of(folder)
    shutil.rmtree(folder)


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def phone(request, browser: Browser, clone) -> Iterator[Page]:
    context = browser.new_context(
        base_url=clone.url,
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
        user_agent=PHONE_AGENT,
        java_script_enabled=request.param,
    )
    yield context.new_page()
    context.close()


def choose(page: Page) -> None:
    """From the home page to a product that is delivered at once."""
    page.goto("/")
    page.goto(CARDS)
    page.locator("main a[href^='/p/']").first.click()
    page.get_by_role("button", name="购买").first.click()


def test_a_guest_buys_through_epay(phone):
    choose(phone)
    phone.get_by_label("联系方式").fill("guest@example.com")
    phone.get_by_role("button", name=re.compile("确认支付")).first.click()
    phone.get_by_role("link", name=re.compile("打开.*付款")).first.click()
    phone.get_by_role("button", name="确认支付").click()
    expect(phone.get_by_role("heading", name="已发货")).to_be_visible(timeout=20_000)
    expect(phone.locator("main code, main .key").first).to_be_visible()


def test_a_member_buys_from_the_wallet_and_sees_the_tier(phone, clone):
    buyer = clone.login("buyer")
    phone.goto("/account/login/")
    phone.get_by_label("用户名或邮箱").fill(buyer["username"])
    phone.get_by_label("密码", exact=True).fill(buyer["password"])
    phone.locator("main form").get_by_role("button", name="登录", exact=True).click()
    # Whoever goes on before the answer has not signed in.
    phone.wait_for_url(lambda url: "/login/" not in url)
    choose(phone)
    phone.get_by_role("button", name=re.compile("确认支付")).first.click()
    expect(phone.get_by_role("heading", name="已发货")).to_be_visible(timeout=20_000)
    phone.goto("/member/")
    expect(phone.locator("[role=progressbar], progress").first).to_be_visible()


def test_the_operator_finds_the_orders(browser, clone):
    operator = clone.login("operator")
    page = browser.new_context(base_url=clone.url, viewport={"width": 1280, "height": 900}).new_page()
    page.goto("/admin/")
    page.locator("[name=username]").fill(operator["username"])
    page.locator("[name=password]").fill(operator["password"])
    page.locator("[name=password]").press("Enter")
    page.goto("/admin/orders/order/")
    expect(page.locator("main, #changelist").get_by_text(re.compile(r"K20\d{12,}")).first).to_be_visible()


def test_nothing_was_left_in_the_tree(clone):
    """Setting up, running and selling writes into ignored folders only."""
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone.tree, capture_output=True, text=True, check=True
    )
    assert status.stdout == ""
