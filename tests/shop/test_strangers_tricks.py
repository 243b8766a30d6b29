"""What a visitor may claim about who they are, where they come from and where to send them: none of it is believed."""

import json
import logging
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client, override_settings

from accounts.services.signing_in import BY_NAME_AND_ADDRESS
from audit.services import take
from common import clock
from common.ids import public_id
from orders.models import Order
from orders.selectors import order_secret
from orders.services import receive_payment
from shop import visitor
from shop.orders import table
from shop.views import violations
from shop.views.lookup import LIMIT
from tenancy.models import Storefront
from tenancy.selectors import forget

pytestmark = pytest.mark.django_db
PASSWORD = "tea-and-keys-9"
# Nothing listens there: every call to the cache fails as it does while Redis is down.
NO_REDIS = {"default": {"BACKEND": "common.cache.ForgivingRedisCache", "LOCATION": "redis://127.0.0.1:1/0"}}


@pytest.fixture(autouse=True)
def nobody_waits():
    cache.clear()


def test_a_session_that_was_handed_to_somebody_is_not_theirs_after_signing_in(alice):
    """Session fixation: the thief's cookie opens nothing once the victim has signed in with it."""
    thief = Client()
    thief.get("/account/login/?next=/wallet/")
    session = thief.session
    session["seed"] = 1
    session.save()
    victim = Client()
    victim.cookies["sessionid"] = session.session_key
    assert victim.post("/account/login/", {"login": "alice", "password": PASSWORD}).status_code == 302
    assert victim.cookies["sessionid"].value != session.session_key
    thief.cookies["sessionid"] = session.session_key
    assert thief.get("/wallet/").status_code == 302


AWAY = [
    "https://evil.example/",
    "//evil.example/",
    "\\\\evil.example",
    "/\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "http://testserver@evil.example/",
    " //evil.example",
    "\t//evil.example",
    "https:///evil.example",
]


@pytest.mark.parametrize("away", AWAY)
def test_nobody_is_sent_away(alice, olga, away):
    doors = [
        ("/account/login/", {"login": "alice", "password": PASSWORD, "next": away}),
        ("/admin/login/", {"username": "olga", "password": PASSWORD, "next": away}),
        ("/preferences/", {"lang": "en", "next": away}),
    ]
    for path, typed in doors:
        answer = Client().post(path, typed, HTTP_ORIGIN="http://testserver")
        assert answer.status_code == 302
        to = answer["Location"]
        assert to.startswith("/") and not to.startswith(("//", "/\\")), (path, to)
    client = Client()
    client.force_login(alice)
    for path in ("/account/reauthenticate/", "/account/logout/"):
        answer = client.post(path, {"password": PASSWORD, "next": away})
        assert answer["Location"].startswith("/") and "evil" not in answer["Location"], path


@override_settings(ALLOWED_HOSTS=["shop.example"])
@pytest.mark.parametrize(
    "host", ["evil.example", "shop.example.evil.example", "shop.example@evil.example", "shop.example:x"]
)
def test_a_forged_host_is_refused_before_anything_is_mailed(alice, host, mailoutbox):
    alice.email = "alice@example.com"
    alice.save()
    answer = Client().post("/account/password/reset/", {"email": alice.email}, HTTP_HOST=host)
    assert answer.status_code == 400
    forwarded = Client().post(
        "/account/password/reset/", {"email": alice.email}, HTTP_HOST="shop.example", HTTP_X_FORWARDED_HOST=host
    )
    assert forwarded.status_code == 302
    assert all(host not in mail.body for mail in mailoutbox)


def test_mails_lead_to_the_shop_whatever_port_a_stranger_names(alice, settings, mailoutbox):
    """A host that is ours, with a port that is not: the link would carry the owner's reset to whoever listens there."""
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = ["shop.example"], "https://shop.example"
    alice.email = "alice@example.com"
    alice.save()
    Client().post("/account/password/reset/", {"email": alice.email}, HTTP_HOST="shop.example:6666")
    told = f"{mailoutbox[0].subject} {mailoutbox[0].body}"
    assert ":6666" not in told and "https://shop.example/account/password/reset/key/" in told


def test_mails_of_a_sub_site_lead_to_the_sub_site(alice, settings, mailoutbox):
    settings.PUBLIC_URL = "https://shop.example"
    Storefront.objects.create(host="tea.example", name="茶叶分站")
    forget()
    alice.email = "alice@example.com"
    alice.save()
    Client().post("/account/password/reset/", {"email": alice.email}, HTTP_HOST="tea.example")
    assert "https://tea.example/account/password/reset/key/" in mailoutbox[0].body
    assert mailoutbox[0].subject.startswith("[茶叶分站] ")


def test_a_guest_opens_no_more_keys_with_another_cookie(shelf):
    """The browser's name is the visitor's own choice; the order and the address are not."""
    sku = shelf.sku("1.00", keys=1)
    order = shelf.buy(None, (sku, 1))
    with transaction.atomic():
        receive_payment(order_id=order.pk, amount=order.total, channel="epay", ref="t:1", at=clock.now())
    guest, secret = Client(), order_secret(order)
    guest.post("/orders/find/", {"contact": "guest@example.com", "secret": secret})
    at = clock.now()
    for _ in range(visitor._OPENING.burst - 1):
        take(visitor._OPENING, subject=f"order:{order.pk}", at=at)
    path = f"/orders/{order.public_id}/keys.txt"
    with clock.travel(at):
        for wanted in (200, 302):
            guest.cookies["device"] = public_id()
            assert guest.get(path, REMOTE_ADDR=f"198.51.100.{wanted % 99}").status_code == wanted
    for _ in range(visitor._OPENING_FROM.burst):
        take(visitor._OPENING_FROM, subject="203.0.113.7", at=at + timedelta(hours=2))
    with clock.travel(at + timedelta(hours=2)):
        assert guest.get(path, REMOTE_ADDR="203.0.113.7").status_code == 302
        assert guest.get(path, REMOTE_ADDR="203.0.113.8").status_code == 200


def test_a_claimed_address_neither_frees_nor_burdens(alice):
    """Without proxies of ours X-Forwarded-For is only what the visitor writes."""
    for number in range(BY_NAME_AND_ADDRESS.burst):
        typed = {"login": "alice", "password": "guess"}
        Client().post("/account/login/", typed, HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
    answer = Client().post("/account/login/", {**typed, "password": PASSWORD}, HTTP_X_FORWARDED_FOR="198.51.100.99")
    assert answer.status_code == 429


@override_settings(CACHES=NO_REDIS)
def test_limits_hold_while_redis_is_down(alice, shelf):
    guess = {"login": "alice", "password": "guess"}
    for _ in range(BY_NAME_AND_ADDRESS.burst):
        assert Client().post("/account/login/", guess).status_code == 200
    assert Client().post("/account/login/", guess).status_code == 429
    assert Client().post("/admin/login/", {"username": "alice", "password": "guess"}).status_code == 429
    typed = {"contact": "guest@example.com", "secret": "ABCDEFGHJK"}
    answers = [Client().post("/orders/find/", typed).status_code for _ in range(LIMIT.burst + 1)]
    assert answers == [200] * LIMIT.burst + [429]
    names = [Client().post("/account/signup/", {"username": f"dora{n}", "password1": PASSWORD}) for n in range(6)]
    assert [one.status_code for one in names] == [302] * 5 + [429]
    mails = [Client().post("/account/password/reset/", {"email": "x@example.com"}).status_code for _ in range(6)]
    assert mails == [302] * 5 + [429]


def test_what_is_typed_changes_no_rights(charlie):
    """Fields that no form has: balance, staff, another's shop."""
    extra = {"is_staff": "1", "is_superuser": "on", "balance": "1000", "home_storefront": "2", "groups": "1"}
    Client().post("/account/signup/", {"username": "dora", "password1": PASSWORD, **extra})
    dora = type(charlie).objects.get(username="dora")
    assert (dora.is_staff, dora.is_superuser, dora.home_storefront_id) == (False, False, 1)


def report(**said) -> str:
    told = {"document-uri": "http://testserver/wallet/?key=secret", "effective-directive": "script-src", **said}
    return json.dumps({"csp-report": told})


def send(body: str, client: Client | None = None):
    return (client or Client()).post("/csp-report/", body, content_type="application/csp-report")


def test_browsers_tell_what_a_page_was_refused(caplog):
    with caplog.at_level(logging.WARNING, "shop.views.violations"):
        assert send(report(**{"blocked-uri": "https://evil.example/x.js?q=1"})).status_code == 204
    (line,) = caplog.messages
    assert "script-src on /wallet/ refused evil.example" in line
    assert "secret" not in line and "q=1" not in line


@pytest.mark.parametrize("path", ["/", "/admin/login/"])
def test_both_policies_name_where_to_tell(path):
    assert "report-uri /csp-report/" in Client().get(path)["Content-Security-Policy"]


ODD = ["", "{}", "[]", "null", "x", '{"csp-report": 1}', '{"csp-report": {"document-uri": 5}}', "[" * 4000, "y" * 9000]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_whatever_else_is_sent_there_is_answered_alike(body, caplog):
    assert send(body).status_code == 204
    assert caplog.messages == []


def test_nobody_fills_or_forges_the_log(caplog):
    with caplog.at_level(logging.WARNING, "shop.views.violations"):
        for _ in range(violations.BY_ADDRESS.burst + 5):
            send(report(**{"blocked-uri": "inline\n2026 ERROR forged", "effective-directive": "x" * 5000}))
    assert len(caplog.messages) == violations.BY_ADDRESS.burst
    assert all("\n" not in line and len(line) < 500 for line in caplog.messages)
    assert not Order.objects.exists()


@pytest.mark.parametrize("text", ["=1+1", "\t=1+1", "\r+1", "＝1+1", " @SUM(1)", "\u3000-1", "|calc"])
def test_no_cell_of_a_buyers_table_is_a_formula(text):
    cell = table(["卡密"], [[text]]).splitlines()[1].strip('"')
    assert cell.startswith("'")
