"""How many statements the pages take that a member opens most: 12 at most, however much there is to show and with no cache."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from catalog.models import Category, Label, Product, QuantityBreak
from events.services import relay
from membership.models import CheckIn, TaskShown
from membership.services import check_in
from tenancy.models import MAIN_ID

MOST = 12
PAGES = (
    "/member/",
    "/",
    "/categories/",
    "/c/test-cards/",
    "/c/below-test-cards/",
    "/account/",
    "/orders/",
    "/cart/",
    "/coupons/",
    "/points/",
    "/wallet/",
    "/member/earn/",
    "/member/points/",
    "/member/rules/",
    "/member/decisions/",
    "/member/passes/",
    "/member/invite/",
    "/member/spending/",
)


@pytest.fixture
def without_cache(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}


@pytest.fixture
def settled(alice, shelf, as_member):
    """Alice, who checked in, bought a few things and has one in the cart; the goods stand on shelves, some in quantity."""
    label = Label.objects.create(code="hot", name="热卖")
    below = Category.objects.create(slug="below-test-cards", code="below", name="下级", parent=shelf.category)
    for _ in range(3):
        sku = shelf.sku("30.00", keys=4)
        label.products.add(sku.product)
        Product.objects.filter(pk=sku.product_id).update(category=below)
        QuantityBreak.objects.create(sku=sku, min_quantity=2, unit_price="29.00")
        shelf.buy(alice, (sku, 1), from_wallet=True)
    relay()
    check_in(user_id=alice.pk, storefront_id=MAIN_ID)
    relay()
    browser = as_member(alice)
    browser.add_to_cart(sku)
    return browser


def asked(browser, path: str) -> list[str]:
    """The statements of a page. The storefront is left out: each process asks for it now and then, for all visitors."""
    with CaptureQueriesContext(connection) as found:
        browser.see(path)
    return [one["sql"] for one in found if 'FROM "tenancy_storefront"' not in one["sql"]]


@pytest.fixture(params=["by day", "in the evening"])
def hour(request, monkeypatch, settled, alice):
    """By day, or in the evening with a streak that ends tonight, of which pages remind."""
    evening = request.param == "in the evening"
    monkeypatch.setattr("shop.nudges.is_evening", lambda _at: evening)
    if evening:
        CheckIn.objects.filter(user=alice).update(day=F("day") - timedelta(days=1))


def test_what_members_open_takes_few_statements(settled, alice, hour, without_cache):
    for path in PAGES:  # reads the rules, which a process parses once, and makes what is made on a first visit
        settled.see(path)
    TaskShown.objects.filter(user=alice).delete()
    first = asked(settled, "/member/")
    # The first look of a day also notes which tasks were seen.
    assert sum("INSERT" in one for one in first) == 1
    assert len(first) <= MOST, first
    counted = {path: len(asked(settled, path)) for path in PAGES}
    assert {path: count for path, count in counted.items() if count > MOST} == {}
    assert not any("INSERT" in one for one in asked(settled, "/member/"))
