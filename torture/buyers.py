"""Buyers who click like people whose connection keeps breaking: they send the same form again until they are answered."""

import re
import threading
import time
from dataclasses import dataclass, field

import httpx

GIVE_UP_AFTER = 240.0
PAUSE = 0.2
# Prices do not change as often as that.
MOST_PAGES = 10


@dataclass
class Journal:
    """What buyers were told: the order that answered each click."""

    orders: dict[str, str] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, status: int) -> None:
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def acknowledged(self, token: str, order: str) -> None:
        with self.lock:
            assert self.orders.setdefault(token, order) == order, "one click was answered with two orders"

    def public_ids(self) -> list[str]:
        """Of the orders that were answered with their own page: bought and paid for."""
        with self.lock:
            return [found[1] for order in self.orders.values() if (found := re.fullmatch(r"/orders/([\w-]+)/", order))]


class Browser:
    """One member at the shop's pages."""

    def __init__(self, url: str, username: str, password: str, journal: Journal) -> None:
        self.url, self.username, self.password, self.journal = url, username, password, journal
        self.shown: dict[str, str] = {}
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False, headers={"Origin": url})

    def close(self) -> None:
        self.client.close()

    def sign_in(self) -> None:
        page = self.until("GET", "/account/login/", {200})
        form = {
            "login": self.username,
            "password": self.password,
            "csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"),
        }
        self.until("POST", "/account/login/", {302}, data=form)

    def buy(self, sku: str, pay: str = "wallet") -> str:
        """One purchase; returns the address that answered it. The form is sent again, token and all, until an order answers."""
        answer = self.until("GET", f"/checkout/?sku={sku}&quantity=1", {200})
        # A page instead of an order tells of a new price: the member has climbed to a tier that pays less, and agrees.
        for _ in range(MOST_PAGES):
            if answer.status_code != 200:
                break
            form = {name: hidden(answer, name) for name in ("csrfmiddlewaretoken", "token", "expected", "item")}
            assert form != self.shown, f"the same form again:\n{words(answer)}"
            self.shown = form
            answer = self.until("POST", "/checkout/", {200, 302}, data={**form, "pay": pay})
        assert answer.status_code == 302, f"a page again and again instead of an order:\n{words(answer)}"
        self.journal.acknowledged(form["token"], answer.headers["location"])
        return answer.headers["location"]

    def press(self, path: str, page: str, **fields: str) -> str:
        """Post a form of a page that changes nothing when it is sent twice; returns where it leads."""
        token = hidden(self.until("GET", page, {200}), "csrfmiddlewaretoken")
        answer = self.until("POST", path, {302}, data={"csrfmiddlewaretoken": token, **fields})
        return answer.headers["location"]

    def top_up(self, amount: str, method: str) -> str:
        page = self.until("GET", "/wallet/topup/", {200})
        form = {name: hidden(page, name) for name in ("csrfmiddlewaretoken", "token")}
        answer = self.until("POST", "/wallet/topup/", {302}, data={**form, "amount": amount, "method": method})
        return answer.headers["location"]

    def until(self, method: str, path: str, wanted: set[int], data: dict | None = None) -> httpx.Response:
        deadline = time.monotonic() + GIVE_UP_AFTER
        while True:
            try:
                answer = self.client.request(method, path, data=data)
                self.journal.saw(answer.status_code)
                if answer.status_code in wanted:
                    return answer
                assert answer.status_code >= 500, f"{method} {path}: {answer.status_code}\n{words(answer)}"
            except httpx.TransportError:
                self.journal.saw(0)
            assert time.monotonic() < deadline, f"{method} {path} was never answered with {wanted}"
            time.sleep(PAUSE)


class Buyer(threading.Thread):
    """One member who buys `count` keys one after another, paying from the wallet; None buys until `enough` is set."""

    def __init__(self, url: str, username: str, password: str, sku: str, count: int | None, journal: Journal) -> None:
        super().__init__(name=username, daemon=True)
        self.browser = Browser(url, username, password, journal)
        self.sku, self.count = sku, count
        self.enough = threading.Event()
        self.error: BaseException | None = None

    def sign_in(self) -> None:
        self.browser.sign_in()

    def run(self) -> None:
        bought = 0
        try:
            while not self.enough.is_set() and (self.count is None or bought < self.count):
                self.browser.buy(self.sku)
                bought += 1
        except BaseException as error:
            self.error = error
        finally:
            self.browser.close()


def hidden(page: httpx.Response, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, f"no {name} on {page.url}:\n{words(page)}"
    return found[1]


def words(page: httpx.Response) -> str:
    """What a person would read on the page."""
    main = page.text.partition("<main")[2] or page.text
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())[:1000]
