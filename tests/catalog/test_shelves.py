from datetime import timedelta
from decimal import Decimal

import pytest

from catalog.models import BundleItem, Category, Label, PriceHistory, Product, ReusableSecret, Sku
from catalog.selectors import (
    PLENTY,
    Filters,
    by_label,
    category_tree,
    filtered,
    listed_with_skus,
    lowest_since,
    on_sale,
    price_points,
    shown_stock,
    with_skus,
)
from catalog.services.sealing import new_data_key
from common import clock
from tenancy.selectors import main_storefront

pytestmark = pytest.mark.django_db


def names(products) -> list[str]:
    return [product.name for product in products]


def shelf_of(filters: Filters | None = None) -> list[Product]:
    return list(filtered(on_sale(storefront=main_storefront()), filters or Filters()))


def test_only_what_can_be_bought_stands_on_the_shelf(shelf):
    good = shelf.sku().product
    for field, value in [("status", Product.Status.DRAFT), ("status", Product.Status.OFF_SALE)]:
        product = shelf.sku().product
        Product.objects.filter(pk=product.pk).update(**{field: value})
    Sku.objects.filter(pk=shelf.sku().pk).update(status=Sku.Status.OFF)
    hidden = Category.objects.create(slug="hidden", code="hidden", name="隐藏", is_active=False)
    Product.objects.filter(pk=shelf.sku().product_id).update(category=hidden)
    assert shelf_of() == [good]


def test_sorting_by_the_price_of_the_cheapest_sku(shelf):
    dear, cheap = shelf.sku("30.00").product, shelf.sku("20.00").product
    Sku.objects.create(product=dear, code="small", name="小", list_price=Decimal("5.00"))
    assert shelf_of(Filters(sort="price")) == [dear, cheap]
    assert shelf_of(Filters(sort="-price")) == [cheap, dear]


def test_filters_narrow(shelf):
    key, manual = shelf.sku("10.00", keys=1).product, shelf.sku("20.00", kind=Product.Kind.MANUAL).product
    empty = shelf.sku("30.00").product
    label = Label.objects.create(code="hot", name="热门")
    label.products.add(manual)
    assert set(shelf_of(Filters(automatic=True))) == {key, empty}
    assert set(shelf_of(Filters(in_stock=True))) == {key, manual}
    assert shelf_of(Filters(label="hot")) == [manual]
    assert set(shelf_of(Filters(price_min=Decimal("15"), price_max=Decimal("30")))) == {manual, empty}
    assert shelf_of(Filters(price_min=Decimal("31"))) == []
    assert not Filters(sort="price").narrows
    assert Filters(in_stock=True).narrows


def test_label_shelves_hold_the_first_few_of_each(shelf, django_assert_num_queries):
    hot, new = (Label.objects.create(code=code, name=code) for code in ("hot", "new"))
    Label.objects.create(code="unused", name="unused")
    products = [shelf.sku().product for _ in range(4)]
    hot.products.add(*products)
    new.products.add(products[0])
    Product.objects.filter(pk=products[0].pk).update(position=-1)
    at = clock.now()
    with django_assert_num_queries(1):
        shelves = by_label(storefront=main_storefront(), each=2, until=at)
    assert [(label.code, found) for label, found in shelves] == [
        ("hot", [products[0], products[3]]),
        ("new", [products[0]]),
    ]


def test_categories_come_as_a_tree(shelf):
    top = Category.objects.create(slug="top", code="top", name="上", position=-1)
    child = Category.objects.create(slug="child", code="child", name="下", parent=top)
    assert category_tree()[0] == (top, [child])


def test_stock_is_counted_no_further_than_plenty(shelf):
    few, many, none = shelf.sku(keys=3), shelf.sku(keys=PLENTY + 5), shelf.sku()
    by_hand = shelf.sku(kind=Product.Kind.MANUAL)
    assert shown_stock([few, many, none, by_hand]) == {few.pk: 3, many.pk: PLENTY, none.pk: 0, by_hand.pk: PLENTY}


def test_sold_and_reserved_keys_do_not_count(shelf, alice):
    sku = shelf.sku(keys=5)
    shelf.buy(alice, (sku, 1), from_wallet=True)
    shelf.buy(alice, (sku, 2))
    assert shown_stock([sku]) == {sku.pk: 2}


def test_a_bundle_is_as_many_as_its_scarcest_part_allows(shelf):
    one, other = shelf.sku(keys=9), shelf.sku(keys=50)
    bundle = shelf.sku(kind=Product.Kind.BUNDLE)
    BundleItem.objects.create(sku=bundle, component=one, quantity=2)
    BundleItem.objects.create(sku=bundle, component=other, quantity=1)
    assert shown_stock([bundle]) == {bundle.pk: 4}


def test_a_reusable_secret_is_there_or_not(shelf):
    with_secret, without = (shelf.sku(kind=Product.Kind.REUSABLE) for _ in range(2))
    at = clock.now()
    ReusableSecret.objects.create(sku=with_secret, data_key=new_data_key(at=at), ciphertext=b"x", created_at=at)
    assert shown_stock([with_secret, without]) == {with_secret.pk: PLENTY, without.pk: 0}


def test_one_statement_counts_a_whole_page(shelf, django_assert_num_queries):
    skus = [shelf.sku(keys=1) for _ in range(10)]
    with django_assert_num_queries(1):
        shown_stock(skus)


def test_a_page_of_products_loads_in_four_queries(shelf, django_assert_num_queries):
    for _ in range(5):
        shelf.sku()
    at = clock.now()
    with django_assert_num_queries(4):
        for product in with_skus(on_sale(storefront=main_storefront(), until=at)):
            assert [list(sku.breaks.all()) for sku in product.active_skus]
            assert not list(product.labels.all())
    with django_assert_num_queries(3):
        for product in listed_with_skus(on_sale(storefront=main_storefront(), until=at)):
            assert not any(sku.has_breaks for sku in product.active_skus)


def test_price_points_begin_with_the_price_that_held(shelf):
    sku = shelf.sku("10.00")
    at = clock.now()
    for days, price in [(90, "8.00"), (40, "9.00"), (5, "12.00")]:
        PriceHistory.objects.create(sku=sku, price=Decimal(price), at=at - timedelta(days=days))
    since = at - timedelta(days=30)
    points = price_points(sku, since=since)
    assert [(point[0] == since, point[1]) for point in points] == [(True, Decimal("9.00")), (False, Decimal("12.00"))]
    assert lowest_since(points, since) == Decimal("9.00")
    assert lowest_since(points, at - timedelta(days=1)) == Decimal("12.00")
