"""How much is left, as far as a page needs to know."""

from collections.abc import Iterable

from django.db import connection
from django.db.models import F, Q, QuerySet

from catalog.models import BundleItem, Product, ReusableSecret, Sku

# Counting stops above this: "充足" needs no figure, and nobody learns a competitor's stock.
PLENTY = 21


def shown_stock(skus: Iterable[Sku]) -> dict[int, int]:
    """Pieces on sale by SKU id, counted no further than PLENTY. `product` should be selected.

    Goods that need no stock of ours (by hand, top-up, presale) count as PLENTY, a reusable secret too while there is one,
    a bundle as often as its scarcest component allows.
    """
    shown: dict[int, int] = {}
    parts: list[tuple[int, int, int]] = []
    bundles, reusable = [], []
    for sku in skus:
        kind = sku.product.kind
        shown[sku.pk] = 0
        if kind == Product.Kind.KEY:
            parts.append((sku.pk, sku.pk, 1))
        elif kind == Product.Kind.BUNDLE:
            bundles.append(sku.pk)
        elif kind == Product.Kind.REUSABLE:
            reusable.append(sku.pk)
        else:
            shown[sku.pk] = PLENTY
    if bundles:
        items = BundleItem.objects.filter(sku__in=bundles)
        parts += items.values_list("sku_id", "component_id", "quantity")
    if reusable:
        current = ReusableSecret.objects.filter(sku__in=reusable, replaced_at=None)
        shown |= dict.fromkeys(current.values_list("sku_id", flat=True), PLENTY)
    return shown | _counted(parts)


def _counted(parts: list[tuple[int, int, int]]) -> dict[int, int]:
    """Units by SKU for (SKU, component, keys per unit): each count walks at most PLENTY units of the partial index."""
    if not parts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sku_id, min(units) FROM (SELECT part.sku_id, ("
            "  SELECT count(*) FROM (SELECT 1 FROM catalog_key k WHERE k.sku_id = part.component_id"
            "   AND k.state = 'available' LIMIT %s * part.per) AS few) / part.per AS units"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS part(sku_id, component_id, per)) AS counted"
            " GROUP BY sku_id",
            [PLENTY, *map(list, zip(*parts, strict=True))],
        )
        return dict(cursor.fetchall())


def low_stock() -> QuerySet[Sku]:
    """Active key SKUs of products on sale whose figures are at or below their reminder, emptiest first.

    A SKU without figures has never had a key.
    """
    return (
        Sku.objects.filter(
            Q(figure__available__lte=F("low_stock_at")) | Q(figure=None),
            status=Sku.Status.ACTIVE,
            product__status=Product.Status.ON_SALE,
            product__kind=Product.Kind.KEY,
        )
        .select_related("product", "figure")
        .order_by(F("figure__available").asc(nulls_first=True), "pk")
    )
