"""The admin's command palette."""

import re

import pytest
from django.core.cache import cache

from catalog.models import Product
from catalog.services.indexing import index_products
from kameng.desk import FOUND_OF_EACH
from tests.desk import at_desk, staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_kept():
    """unfold keeps what it found for minutes, by user and words."""
    cache.clear()


def found(client, term: str) -> list[tuple[str, str]]:
    """(name, what it is) of each result, as the page says it."""
    answer = client.get("/admin/search/", {"s": term, "extended": 1})
    assert answer.status_code == 200
    return re.findall(r'data-title="([^"]*)"\s+data-description="([^"]*)"', answer.content.decode())


def test_results_say_what_they_are_in_the_readers_language(olga, alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1))
    desk = at_desk(olga)
    assert found(desk, order.number) == [(str(order), "订单")]
    assert found(desk, "alice") == [(str(order), "订单"), ("alice", "用户")]
    desk.post("/preferences/", {"lang": "en", "next": "/admin/"}, HTTP_ORIGIN="http://testserver")
    assert found(desk, order.number) == [(str(order), "Order")]


def test_nobody_finds_what_is_not_his_to_see(alice, shelf):
    order = shelf.buy(alice, (shelf.sku(keys=1), 1))
    index_products(Product.objects.all())
    desk = at_desk(staff("sue", "catalog.view_product"))
    assert found(desk, order.number) == []
    assert [kind for _title, kind in found(desk, "测试商品")] == ["商品"]


def test_a_word_that_fits_everything_loads_a_page_of_it(olga, shelf):
    for _ in range(FOUND_OF_EACH + 3):
        shelf.sku()
    index_products(Product.objects.all())
    assert len(found(at_desk(olga), "测试商品")) == FOUND_OF_EACH
