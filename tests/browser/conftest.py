"""A real Chromium against the shop in a thread of this process.

CHROMIUM names the browser; bin/test sets it. Phones are 390 px wide unless a test says otherwise.
"""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import User

# Playwright keeps an event loop running in this thread; what it calls Django for is nothing asynchronous.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

PASSWORD = "tea-and-keys-9"
PHONE_AGENT = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the browser, and a database that the server's threads see too."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    return {"executable_path": os.environ.get("CHROMIUM") or shutil.which("chromium"), "args": FLAGS}


class Visitor:
    """Somebody with a browser: `page` is the tab, `taps` how often they tapped, `troubles` what the console said."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.context, self.base = context, base
        self.page: Page = context.new_page()
        self.taps = 0
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message) -> None:
        if message.type == "error":
            self.troubles.append(message.text)

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def tap(self, *locator, **wanted) -> None:
        """Tap the element with this role and name."""
        self.page.get_by_role(*locator, **wanted).first.click()
        self.taps += 1

    def sign_in(self, user: User) -> None:
        self.go("/account/login/")
        self.page.get_by_label("用户名或邮箱").fill(user.username)
        self.page.get_by_label("密码", exact=True).fill(PASSWORD)
        self.page.locator("main form").get_by_role("button", name="登录", exact=True).click()
        self.page.wait_for_url(self.base + "/")

    def choose(self, **cookies: str) -> None:
        """Set language and theme as their switches do."""
        host = urlsplit(self.base)
        self.context.add_cookies(
            [{"name": name, "value": value, "url": f"http://{host.netloc}"} for name, value in cookies.items()]
        )

    def faults(self) -> list[str]:
        """What axe finds wrong with the page, and whether it scrolls sideways."""
        found = [
            f"{one['id']}: {[node['html'][:140] for node in one['nodes'][:3]]}"
            for one in Axe().run(self.page).response["violations"]
        ]
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found + ([f"{wide} px too wide"] if wide > 0 else []) + self.troubles


@pytest.fixture
def visit(browser: Browser, live_server, db) -> Iterator:
    """visit(width=390, scripts=True) → a Visitor with a browser profile of their own."""
    opened: list[BrowserContext] = []

    def arrive(width: int = 390, scripts: bool = True, workers: bool = False, **options) -> Visitor:
        phone = width < 600
        context = browser.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            is_mobile=phone,
            has_touch=phone,
            java_script_enabled=scripts,
            service_workers="allow" if workers else "block",
            **({"user_agent": PHONE_AGENT} if phone else {}),
            **options,
        )
        opened.append(context)
        return Visitor(context, live_server.url)

    yield arrive
    for context in opened:
        context.close()
