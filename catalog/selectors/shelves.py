"""What stands on the shelves: categories, products on sale, filters, price history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Exists, F, Min, OuterRef, Prefetch, Q, QuerySet, Sum, Window, prefetch_related_objects
from django.db.models.functions import Coalesce, RowNumber

from catalog.models import (
    BundleItem,
    Category,
    Key,
    Label,
    PriceHistory,
    Product,
    QuantityBreak,
    ReusableSecret,
    Sku,
)
from common import clock
from tenancy.models import Storefront

SORTS = ("", "sales", "price", "-price", "new", "name")


@dataclass(frozen=True)
class Filters:
    """What a visitor chose. Prices in yuan, of the cheapest SKU; `sort` is one of SORTS."""

    label: str = ""
    automatic: bool = False
    in_stock: bool = False
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    sort: str = ""

    @property
    def narrows(self) -> bool:
        """Whether anything is left out by them."""
        return bool(self.label or self.automatic or self.in_stock or self.price_min or self.price_max)


def on_sale(*, storefront: Storefront, until: datetime | None = None) -> QuerySet[Product]:
    """Products that a visitor of this storefront may buy, in shelf order, with their ratings.

    `until` looks ahead: what goes on sale by then counts as on sale (early access); without it, what is on sale now.
    """
    found = Product.objects.filter(
        Q(on_sale_from=None) | Q(on_sale_from__lte=until or clock.now()),
        Exists(Sku.objects.filter(product=OuterRef("pk"), status=Sku.Status.ACTIVE)),
        status=Product.Status.ON_SALE,
        category__is_active=True,
    )
    return found.select_related("rating").order_by("position", "-pk")


def any_coming(at: datetime) -> bool:
    """Whether some product goes on sale to everybody only after `at`."""
    return Product.objects.filter(on_sale_from__gt=at, status=Product.Status.ON_SALE).exists()


def category_tree() -> list[tuple[Category, list[Category]]]:
    """Top categories with their children, both in order."""
    active = list(Category.objects.filter(is_active=True))
    return [(top, [one for one in active if one.parent_id == top.pk]) for top in active if top.parent_id is None]


def category_with_children(slug: str) -> tuple[Category, list[Category]]:
    """An active category, its parent read along, and its active children in order. One statement.

    Raises Category.DoesNotExist.
    """
    shown = Category.objects.filter(Q(slug=slug) | Q(parent__slug=slug), is_active=True).select_related("parent")
    found = list(shown)
    here = next((one for one in found if one.slug == slug), None)
    if here is None:
        raise Category.DoesNotExist(slug)
    return here, [one for one in found if one.parent_id == here.pk]


def filtered(products: QuerySet[Product], filters: Filters) -> QuerySet[Product]:
    """The products that pass the filters, sorted; with `cheapest` (list price of the cheapest SKU) and `sold`."""
    active = Q(skus__status=Sku.Status.ACTIVE)
    products = products.annotate(
        cheapest=Min("skus__list_price", filter=active), sold=Coalesce(Sum("skus__figure__sold"), 0)
    )
    if filters.label:
        products = products.filter(
            Exists(Product.labels.through.objects.filter(product=OuterRef("pk"), label__code=filters.label))
        )
    if filters.automatic:
        products = products.filter(kind__in=[Product.Kind.KEY, Product.Kind.REUSABLE, Product.Kind.BUNDLE])
    if filters.in_stock:
        products = products.filter(has_stock())
    if filters.price_min is not None:
        products = products.filter(cheapest__gte=filters.price_min)
    if filters.price_max is not None:
        products = products.filter(cheapest__lte=filters.price_max)
    orders = {
        "sales": ["-sold"],
        "price": ["cheapest"],
        "-price": ["-cheapest"],
        "new": ["-created_at"],
        "name": ["name_pinyin"],
    }
    return products.order_by(*orders.get(filters.sort, []), "position", "-search_weight", "-pk")


def has_stock() -> Q:
    """A condition on Product: some SKU on sale of it can be bought now."""
    keys = Key.objects.filter(sku=OuterRef("pk"), state=Key.State.AVAILABLE)
    secret = ReusableSecret.objects.filter(sku=OuterRef("pk"), replaced_at=None)
    parts = BundleItem.objects.filter(sku=OuterRef("pk"))
    missing = parts.filter(~Exists(Key.objects.filter(sku=OuterRef("component"), state=Key.State.AVAILABLE)))
    kind = Product.Kind
    buyable = Sku.objects.filter(product=OuterRef("pk"), status=Sku.Status.ACTIVE).filter(
        Q(product__kind__in=[kind.MANUAL, kind.TOP_UP, kind.PRESALE])
        | Q(Exists(keys), product__kind=kind.KEY)
        | Q(Exists(secret), product__kind=kind.REUSABLE)
        | Q(Exists(parts), ~Exists(missing), product__kind=kind.BUNDLE)
    )
    return Q(Exists(buyable))


def by_label(*, storefront: Storefront, each: int, until: datetime | None = None) -> list[tuple[Label, list[Product]]]:
    """For every label that has products on sale: the first `each` of them. One query."""
    links = (
        Product.labels.through.objects.filter(product__in=on_sale(storefront=storefront, until=until).order_by())
        .annotate(
            rank=Window(RowNumber(), partition_by=F("label"), order_by=[F("product__position"), F("product").desc()])
        )
        .filter(rank__lte=each)
        .order_by("rank")
        .select_related("label", "product__rating")
    )
    labels: dict[int, Label] = {}
    shelves: dict[int, list[Product]] = {}
    for link in links:
        labels[link.label_id] = link.label
        shelves.setdefault(link.label_id, []).append(link.product)
    ordered = sorted(labels.values(), key=lambda label: (label.position, label.pk))
    return [(label, shelves[label.pk]) for label in ordered]


def with_skus(products: Iterable[Product]) -> list[Product]:
    """The same products with their labels, ratings and, as `active_skus`, the SKUs that are on sale with quantity breaks."""
    return _with_skus(products, _active_skus().prefetch_related("breaks"))


def listed_with_skus(products: Iterable[Product]) -> list[Product]:
    """As `with_skus`, for lists: a SKU has `has_breaks` instead of the quantity breaks themselves."""
    return _with_skus(products, _active_skus())


def _active_skus() -> QuerySet[Sku]:
    skus = Sku.objects.filter(status=Sku.Status.ACTIVE).select_related("figure")
    return skus.annotate(has_breaks=Exists(QuantityBreak.objects.filter(sku=OuterRef("pk"))))


def _with_skus(products: Iterable[Product], skus: QuerySet[Sku]) -> list[Product]:
    products = list(products)
    prefetch_related_objects(products, "labels", "rating", Prefetch("skus", queryset=skus, to_attr="active_skus"))
    return products


def price_points(sku: Sku, *, since: datetime) -> list[tuple[datetime, Decimal]]:
    """(time, list price) from `since` on, oldest first, beginning with the price that held at `since`."""
    history = PriceHistory.objects.filter(sku=sku)
    held = history.filter(at__lte=since).order_by("-at").values("pk")[:1]
    points = history.filter(Q(at__gt=since) | Q(pk__in=held)).order_by("at").values_list("at", "price")
    return [(max(at, since), price) for at, price in points]


def lowest_since(points: Sequence[tuple[datetime, Decimal]], since: datetime) -> Decimal:
    """The lowest price that held at `since` or later, of points as `price_points` gives them. Needs at least one."""
    prices = [price for at, price in points if at > since]
    held = [price for at, price in points if at <= since]
    return min(prices + held[-1:])
