"""Programs pay within what their owner lets each token pay, and are told plainly when they may not."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.services import IssuedToken, issue_token
from audit.models import AuditEntry
from common import clock
from orders.models import Order
from orders.services import refund
from tests.accounts.test_second_factor import signed_in, sure
from tests.api.conftest import Caller
from wallet.exceptions import BadAllowance
from wallet.models import TokenAllowance
from wallet.selectors import balance_of
from wallet.services import set_allowance, set_guard

pytestmark = pytest.mark.django_db
PAGE = "/account/tokens/"


@pytest.fixture(autouse=True)
def nobody_waits():
    cache.clear()


@pytest.fixture
def issued(alice) -> IssuedToken:
    return issue_token(user=alice, name="my-script")


@pytest.fixture
def program(alice, issued) -> Caller:
    caller = Caller(alice)
    caller.client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.text}")
    return caller


def allow(issued: IssuedToken, once: str | None, daily: str | None) -> None:
    once, daily = (one and Decimal(one) for one in (once, daily))
    set_allowance(token=issued.token, once=once, daily=daily, actor=issued.token.user)


def buy(program: Caller, sku, key: str) -> tuple[int, dict]:
    return program.place(sku, pay_with="wallet", key=f"a-key-for-this-{key}")


def test_a_guarded_wallet_is_paid_from_within_the_allowance_and_nobody_is_asked(alice, issued, program, shelf):
    set_guard(user=alice, above=20)
    sku = shelf.sku("30.00", keys=9)
    status, body = buy(program, sku, "first")
    assert (status, body["error"]["code"]) == (403, "confirmation_needed") and not Order.objects.exists()
    allow(issued, "30", "70")
    for key in ("second", "third", "third"):
        assert buy(program, sku, key)[0] == 201
    assert balance_of(alice) == Decimal("940.00")
    status, body = buy(program, sku, "fourth")
    assert (status, body["error"]["code"]) == (403, "token_limit")
    assert body["error"]["params"] == {"once": "30.00", "left": "10.00"}
    assert (Order.objects.count(), balance_of(alice)) == (2, Decimal("940.00"))
    with clock.travel(clock.now() + timedelta(days=1)):
        assert buy(program, sku, "fifth")[0] == 201


def test_more_at_once_than_allowed_is_refused_where_nothing_is_guarded_too(alice, issued, program, shelf):
    allow(issued, "29.99", "1000")
    sku = shelf.sku("30.00", keys=2)
    assert buy(program, sku, "first")[1]["error"]["code"] == "token_limit"
    status, placed = program.place(sku, key="without-paying")
    assert status == 201
    answer = program.post(f"/orders/{placed['id']}/pay/", {"method": "wallet"})
    assert (answer[0], answer[1]["error"]["code"]) == (403, "token_limit")
    allow(issued, "30", "1000")
    assert program.post(f"/orders/{placed['id']}/pay/", {"method": "wallet"})[0] == 200
    assert program.post(f"/orders/{placed['id']}/pay/", {"method": "wallet"})[0] == 200, "again, nothing more is spent"
    assert TokenAllowance.objects.get().spent == Decimal("30.00")


def test_another_token_and_the_browser_have_nothing_of_it(alice, issued, shelf):
    set_guard(user=alice, above=0)
    allow(issued, "100", "100")
    other = Caller(alice)
    sku = shelf.sku("30.00", keys=2)
    assert buy(other, sku, "other")[1]["error"]["code"] == "confirmation_needed"
    browser = signed_in("alice")
    order = shelf.buy(alice, (sku, 1))
    answer = browser.post(f"/api/orders/{order.public_id}/pay/", {"method": "wallet"}, content_type="application/json")
    assert answer.json()["error"]["code"] == "confirmation_needed"


def test_what_came_back_is_not_spent_twice_in_a_day(alice, issued, program, shelf, olga):
    allow(issued, "30", "30")
    sku = shelf.sku("30.00", keys=2)
    assert buy(program, sku, "first")[0] == 201
    order = Order.objects.get()
    refund(order_id=order.pk, amounts={order.lines.get().pk: Decimal(30)}, ref="r", reason="x", actor=olga)
    assert buy(program, sku, "second")[1]["error"]["code"] == "token_limit"


@pytest.mark.parametrize(("once", "daily"), [("1", None), (None, "1"), ("2", "1"), ("-1", "1"), ("1", "1e20")])
def test_half_an_allowance_is_none(issued, once, daily):
    with pytest.raises(BadAllowance):
        allow(issued, once, daily)


def post(client: Client, issued: IssuedToken, **fields: str):
    mark = issued.token.public_id
    return client.post(PAGE, {"token": mark, **{f"{mark}-{name}": value for name, value in fields.items()}})


def test_the_owner_sets_it_after_the_password_and_ends_a_token(alice, issued):
    client = signed_in("alice")
    page = client.get(PAGE).content.decode()
    assert "my-script" in page and "没设限额的令牌，可以花完你的余额" in page
    with clock.travel(clock.now() + timedelta(hours=1)):
        found = Client()
        found.force_login(alice)
        assert "reauthenticate" in post(found, issued, once="1", daily="1")["Location"]
    client = sure(client)
    for once, daily in (("5", ""), ("6", "5"), ("-1", "5"), ("x", "5"), ("1e3", "5"), ("0.001", "5")):
        assert post(client, issued, once=once, daily=daily).status_code == 200
    assert not TokenAllowance.objects.exists()
    assert post(client, issued, once="5.50", daily="20").status_code == 302
    assert (TokenAllowance.objects.get().once, TokenAllowance.objects.get().daily) == (Decimal("5.50"), 20)
    assert "今天还可付 ¥20.00" in client.get(PAGE).content.decode()
    assert AuditEntry.objects.get(action="token.allowance").detail == {"name": "my-script", "value": "5.50 / 20.00"}
    assert post(client, issued, once="", daily="").status_code == 302
    assert not TokenAllowance.objects.exists()
    client.post(PAGE, {"token": issued.token.public_id, "revoke": "1"})
    assert f"token-{issued.token.public_id}" not in client.get(PAGE).content.decode()


def test_a_stranger_s_token_is_not_there(alice, bob, issued):
    client = sure(signed_in("bob"))
    assert "my-script" not in client.get(PAGE).content.decode()
    assert post(client, issued, once="1", daily="1").status_code == 404
    assert client.post(PAGE, {"token": issued.token.public_id, "revoke": "1"}).status_code == 404
    assert not TokenAllowance.objects.exists()
    issued.token.refresh_from_db()
    assert issued.token.revoked_at is None
