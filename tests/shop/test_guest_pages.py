"""Pages kept for strangers, and closing for maintenance."""

from decimal import Decimal

import pytest
from django.core.cache import cache
from django.test import Client

from catalog.models import Product, Sku

PATH = "/categories/"


@pytest.fixture(autouse=True)
def kept(settings):
    cache.clear()
    settings.GUEST_PAGE_SECONDS = 30


def rename(sku: Sku, name: str) -> None:
    Product.objects.filter(pk=sku.product_id).update(name=name)


def test_strangers_share_one_copy_without_the_database(guest, shelf, django_assert_num_queries):
    sku = shelf.sku(keys=1)
    first = guest.see(PATH)
    rename(sku, "改名了")
    with django_assert_num_queries(0):
        assert Client().get(PATH).content.decode() == first


def test_language_and_theme_have_copies_of_their_own(guest, shelf):
    guest.see(PATH)
    guest.client.cookies["lang"] = "en"
    assert '<html lang="en">' in guest.see(PATH)
    guest.client.cookies["theme"] = "dark"
    assert '<html lang="en" data-theme="dark">' in guest.see(PATH)


def test_a_member_never_gets_the_copy_nor_leaves_one(guest, as_member, alice, shelf):
    sku = shelf.sku("10.00", keys=1)
    guest.see(PATH)
    rename(sku, "会员看到的")
    assert "会员看到的" in as_member(alice).see(PATH)
    cache.clear()
    as_member(alice).see(PATH)
    assert 'href="/account/"' in guest.see(PATH)
    assert "登录" in guest.see(PATH)


def test_a_guest_with_a_cart_sees_its_count(guest, shelf):
    guest.see(PATH)
    guest.add_to_cart(shelf.sku(keys=1))
    assert '<span class="count">1</span>' in guest.see(PATH)
    assert '<span class="count">' not in Client().get(PATH).content.decode()


def test_copies_say_that_they_depend_on_cookies(guest, shelf):
    for _ in range(2):
        assert "Cookie" in guest.get(PATH)["Vary"]


def test_other_addresses_are_other_pages(guest, shelf):
    Sku.objects.filter(pk=shelf.sku(keys=1).pk).update(list_price=Decimal("10.00"))
    assert "测试商品" in guest.see(PATH)
    assert "测试商品" not in guest.see(PATH + "?min=500")


def test_errors_are_not_kept(guest, shelf):
    sku = shelf.sku(keys=1)
    path = f"/p/{sku.product.slug}/"
    Product.objects.update(status=Product.Status.DRAFT)
    assert guest.get(path).status_code == 404
    Product.objects.update(status=Product.Status.ON_SALE)
    assert guest.get(path).status_code == 200


def test_maintenance_closes_pages_and_keeps_staff_and_gateways_in(settings, client, db):
    settings.MAINTENANCE = True
    answer = client.get("/")
    assert answer.status_code == 503
    assert "不用重复付款" in answer.content.decode()
    assert client.get("/admin/login/").status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.post("/pay/notify/nothing").status_code == 404
