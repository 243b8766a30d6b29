"""How much is left, as far as a page needs to know."""

from collections.abc import Iterable

from django.db.models import F, Q, QuerySet

from catalog.models import Product, Sku
from common.sql import fetch

# Counting stops above this: "充足" needs no figure, and nobody learns a competitor's stock.
PLENTY = 21


# Units by SKU. Each count walks at most PLENTY units of the partial index.
_COUNTED = """
SELECT sku_id, min(units) FROM (
    SELECT part.sku_id, (
        SELECT count(*) FROM (SELECT 1 FROM catalog_key AS k WHERE k.sku_id = part.component_id AND k.state = 'available'
        LIMIT %(plenty)s * part.per) AS few) / part.per AS units
    FROM (
        SELECT sku_id, sku_id AS component_id, 1 AS per FROM unnest(%(keys)s::bigint[]) AS sku_id
        UNION ALL
        SELECT sku_id, component_id, quantity FROM catalog_bundleitem WHERE sku_id = ANY(%(bundles)s::bigint[])
    ) AS part
) AS counted GROUP BY sku_id
UNION ALL
SELECT sku_id, %(plenty)s FROM catalog_reusablesecret WHERE sku_id = ANY(%(reusable)s::bigint[]) AND replaced_at IS NULL
"""


def shown_stock(skus: Iterable[Sku]) -> dict[int, int]:
    """Pieces on sale by SKU id, counted no further than PLENTY. `product` should be selected.

    Goods that need no stock of ours (by hand, top-up, presale) count as PLENTY, a reusable secret too while there is one,
    a bundle as often as its scarcest component allows.
    """
    shown: dict[int, int] = {}
    counted: dict[str, list[int]] = {Product.Kind.KEY: [], Product.Kind.BUNDLE: [], Product.Kind.REUSABLE: []}
    for sku in skus:
        kind = sku.product.kind
        shown[sku.pk] = 0 if kind in counted else PLENTY
        if kind in counted:
            counted[kind].append(sku.pk)
    if any(counted.values()):
        keys, bundles, reusable = counted.values()
        shown |= dict(fetch(_COUNTED, {"plenty": PLENTY, "keys": keys, "bundles": bundles, "reusable": reusable}))
    return shown


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
