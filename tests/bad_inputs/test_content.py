"""Texts that want to be more than texts."""

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from events.services import relay
from notifications.services import send_due_mails
from orders.models import Order
from tests.api.conftest import Caller
from tests.desk import at_desk
from tests.orders.test_buying import pay

pytestmark = pytest.mark.django_db
CODE = "{{ settings.SECRET_KEY }}{% load static %}${7*7}#{7*7}<%= 7*7 %>%(order)s{0.__class__}"


def test_75_template_code_in_a_name_is_mailed_as_it_was_typed(shelf, settings):
    sku = shelf.sku("1.00", keys=1)
    type(sku.product).objects.filter(pk=sku.product_id).update(name=CODE[:160], name_en=CODE[:160])
    order = shelf.buy(None, (sku, 1))
    pay(order)
    relay()
    assert send_due_mails() == 1
    said = mail.outbox[0].subject + mail.outbox[0].body
    assert settings.SECRET_KEY not in said and "49" not in said.replace(order.number, "").split("http")[0]
    page = Client().get("/search/?q=" + "7*7")
    assert page.status_code == 200 and settings.SECRET_KEY not in page.content.decode()


def test_75_header_lines_in_a_contact_reach_no_mail(shelf):
    contact = "guest@example.com\r\nBcc: everybody@example.com"
    sku = shelf.sku("1.00", keys=1)
    answer = Client().post(
        "/checkout/", {"sku": sku.public_id, "quantity": 1, "contact": contact, "token": "t1", "pay": "x"}, follow=True
    )
    assert answer.status_code in {200, 400}
    assert not Order.objects.filter(contact__contains="\n").exists()
    relay()
    send_due_mails()
    assert not [one for one in mail.outbox if "everybody" in str(one.message())]


@pytest.mark.parametrize(
    "query",
    [
        "ordering=buyer__password",
        "order_by=-cost",
        "sort=cost",
        "sort=pk); DROP TABLE orders_order",
        "skus__cost__gte=1",
        "seller_id__isnull=True",
        "buyer__password__startswith=argon2",
        "q__contains=x&_connector=OR",
        "filter[cost]=1",
    ],
)
def test_79_lookups_and_sortings_from_the_address_read_no_column(query, shelf, alice):
    """Django CVE-2026-1287: a dictionary of what was asked, expanded into a query."""
    sku = shelf.sku("10.00", keys=1, cost="7.7777")
    caller, browser = Caller(alice), Client()
    plain = caller.get("/products/")[1]
    for path in ("/products/", "/orders/", "/wallet/statement/"):
        status, body = caller.get(f"{path}?{query}")
        assert status in {200, 400}, path
        if status == 200 and path == "/products/":
            assert body == plain
    for path in (f"/p/{sku.product.slug}/", "/search/", "/orders/", f"/c/{sku.product.category.slug}/"):
        answer = browser.get(f"{path}?{query}", follow=True)
        assert answer.status_code in {200, 404}, path
        assert "7.77" not in answer.content.decode()


@pytest.mark.parametrize(
    "query", ["o=99", "o=x.y", "e=1", "_popup=1&_to_field=password", "q=%00", "p=-1", "state__exact=%27"]
)
def test_79_the_desk_s_lists_survive_whatever_is_in_their_address(query, olga, shelf):
    desk = at_desk(olga)
    for path in ("orders/order/", "accounts/user/", "payments/reconciliationcase/", "payments/paymentattempt/"):
        assert desk.get(f"/admin/{path}?{query}", follow=True).status_code in {200, 400}, path


AWAY = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "\t//evil.example",
]


@pytest.mark.parametrize("target", AWAY)
def test_80_no_page_leads_to_another_site(target, alice, olga):
    cache.clear()
    for path, typed in (
        ("/account/login/", {"login": "alice", "password": "tea-and-keys-9", "next": target}),
        ("/admin/login/", {"username": "olga", "password": "tea-and-keys-9", "next": target}),
        ("/preferences/", {"language": "en", "next": target}),
        ("/account/logout/", {"next": target}),
    ):
        client = Client()
        answer = client.post(path, typed)
        where = answer.get("Location", "")
        assert "evil" not in where and "javascript" not in where, path
        assert answer.status_code in {200, 302, 403}, path
        assert "evil" not in client.get(f"{path}?next={target}").get("Location", "")
