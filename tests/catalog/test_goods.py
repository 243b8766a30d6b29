"""Products, SKUs, prices and their history; what pages read of them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from audit.models import AuditEntry
from catalog.exceptions import BundleRefused
from catalog.models import Category, Key, PriceHistory, Product, Sku
from catalog.selectors import Filters, filtered, on_sale, shown_stock
from catalog.services import goods
from common import clock
from tenancy.selectors import main_storefront

pytestmark = pytest.mark.django_db


@pytest.fixture
def category(db):
    return goods.save_category(category=Category(slug="cards", code="cards", name="点卡"))


def listing(**filters) -> list[Product]:
    return list(filtered(on_sale(storefront=main_storefront()), Filters(**filters)))


def make_product(category, slug="card", kind=Product.Kind.KEY, price="10.00", **fields) -> Product:
    fields = {"name": f"商品 {slug}", "status": Product.Status.ON_SALE, **fields}
    product = goods.save_product(product=Product(slug=slug, category=category, kind=kind, **fields))
    goods.save_sku(sku=Sku(product=product, code=slug.upper(), name="标准", list_price=Decimal(price)))
    return product


class TestPrices:
    def test_a_price_change_is_remembered_and_audited(self, category, olga):
        sku = make_product(category).skus.get()
        start = clock.now()
        for days, price in [(5, "12.00"), (20, "9.00"), (50, "11.00")]:
            with clock.travel(start + timedelta(days=days)):
                sku.list_price = Decimal(price)
                goods.save_sku(sku=sku, actor=olga)
        assert [row.price for row in PriceHistory.objects.filter(sku=sku).order_by("at")] == [
            Decimal("10.0000"),
            Decimal("12.0000"),
            Decimal("9.0000"),
            Decimal("11.0000"),
        ]
        entry = AuditEntry.objects.filter(action="sku.save").last()
        assert entry.actor == "olga" and entry.detail == {"list_price": ["9.0000", "11.00"]}

    def test_saving_without_a_change_writes_no_history(self, category):
        sku = make_product(category).skus.get()
        goods.save_sku(sku=sku)
        assert PriceHistory.objects.filter(sku=sku).count() == 1

    @pytest.mark.parametrize("price", ["0", "-1", "NaN", "1e9"])
    def test_bad_prices_are_refused(self, category, price):
        product = make_product(category)
        with pytest.raises(ValidationError):
            goods.save_sku(sku=Sku(product=product, code="BAD", name="坏", list_price=Decimal(price)))

    def test_breaks_fall_as_quantities_rise(self, category):
        sku = make_product(category).skus.get()
        goods.set_breaks(sku=sku, breaks={10: Decimal("9.80"), 50: Decimal("9.50")})
        assert [str(one) for one in sku.breaks.all()] == ["10+ ¥9.8", "50+ ¥9.5"]
        for bad in ({10: Decimal("10.00")}, {10: Decimal("9"), 50: Decimal("9.5")}, {1: Decimal("9")}):
            with pytest.raises(ValidationError):
                goods.set_breaks(sku=sku, breaks=bad)
        assert sku.breaks.count() == 2


class TestBuyerFields:
    PHONE = {"name": "phone", "label": "手机号", "regex": r"1[3-9]\d{9}", "type": "tel"}

    def test_good_ones_are_kept(self, category):
        server = {"name": "server", "label": "区服", "type": "select", "options": [{"value": "1", "label": "官服"}]}
        product = make_product(category, buyer_fields=[self.PHONE, server])
        assert len(Product.objects.get(pk=product.pk).buyer_fields) == 2

    @pytest.mark.parametrize(
        "bad",
        [
            {"name": "phone"},
            "phone",
            [{"name": "Phone", "label": "手机"}],
            [{"name": "phone", "label": ""}],
            [{"name": "phone", "label": "手机", "regex": "("}],
            [{"name": "phone", "label": "手机", "regex": r"(?!0)\d+"}],
            [{"name": "phone", "label": "手机", "type": "password"}],
            [{"name": "phone", "label": "手机", "onclick": "x"}],
            [{"name": "a", "label": "甲"}, {"name": "a", "label": "乙"}],
            [{"name": "s", "label": "区服", "type": "select"}],
            [{"name": f"f{n}", "label": "x"} for n in range(9)],
            [{"name": "phone", "label": "手机", "required": "yes"}],
        ],
    )
    def test_bad_ones_are_refused(self, category, bad):
        with pytest.raises(ValidationError):
            make_product(category, buyer_fields=bad)


class TestArchive:
    def test_an_archived_product_is_gone_from_the_shelves_and_stays_in_the_books(self, category):
        product = make_product(category)
        goods.archive_product(product_id=product.pk)
        assert listing() == []
        assert Product.objects.get(pk=product.pk).status == Product.Status.ARCHIVED
        assert PriceHistory.objects.filter(sku__product=product).exists()


class TestBundles:
    def test_stock_of_a_bundle_is_that_of_its_scarcest_part(self, category, shelf):
        one, two = shelf.sku(keys=7), shelf.sku(keys=4)
        bundle = make_product(category, slug="pack", kind=Product.Kind.BUNDLE).skus.get()
        assert shown_stock([bundle])[bundle.pk] == 0
        assert "pack" not in [one.slug for one in listing(in_stock=True)]
        goods.set_bundle(sku=bundle, items={one.pk: 2, two.pk: 1})
        bundle = Sku.objects.select_related("product").get(pk=bundle.pk)
        assert shown_stock([bundle])[bundle.pk] == 3
        assert "pack" in [one.slug for one in listing(in_stock=True)]
        Key.objects.filter(sku=two).update(state=Key.State.VOID)
        assert "pack" not in [one.slug for one in listing(in_stock=True)]

    def test_bundles_hold_key_skus_only(self, category, shelf):
        bundle = make_product(category, slug="pack", kind=Product.Kind.BUNDLE).skus.get()
        other = make_product(category, slug="other", kind=Product.Kind.TOP_UP).skus.get()
        for items in ({}, {bundle.pk: 1}, {other.pk: 1}, {shelf.sku().pk: 0}, {10**9: 1}):
            with pytest.raises(BundleRefused):
                goods.set_bundle(sku=bundle, items=items)


def test_names_sort_by_pinyin(category):
    for slug, name in [("z", "中国移动"), ("a", "爱奇艺"), ("m", "美团"), ("b", "Bilibili")]:
        make_product(category, slug=slug, name=name)
    assert [one.slug for one in listing(sort="name")] == ["a", "b", "m", "z"]
