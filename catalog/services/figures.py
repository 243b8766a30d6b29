"""Exact stock figures for lists and dashboards, and telling when stock runs low. No sale writes here."""

from collections.abc import Sequence

from django.db import connection, transaction
from django.db.models import F

from catalog.models import Product, Sku, StockFigure
from common import clock
from common.locks import lock
from common.sql import run
from events.contracts import Line, StockLow
from events.services import emit

# Available and reserved come from partial indexes; sold keys are not walked, events count them.
_REFRESH = """
INSERT INTO catalog_stockfigure (sku_id, available, reserved, sold, refreshed_at)
SELECT s.id,
    (SELECT count(*) FROM catalog_key k WHERE k.sku_id = s.id AND k.state = 'available'),
    (SELECT count(*) FROM catalog_key k WHERE k.sku_id = s.id AND k.state = 'reserved'),
    0, %s
FROM catalog_sku s JOIN catalog_product p ON p.id = s.product_id
WHERE p.kind = 'key' AND s.status <> 'archived' AND (%s OR s.id = ANY(%s)) ORDER BY s.id
ON CONFLICT (sku_id) DO UPDATE SET
    available = excluded.available, reserved = excluded.reserved, refreshed_at = excluded.refreshed_at
"""
_COUNT_SOLD = """
INSERT INTO catalog_stockfigure (sku_id, available, reserved, sold, refreshed_at)
SELECT * FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::timestamptz[])
ON CONFLICT (sku_id) DO UPDATE SET sold = catalog_stockfigure.sold + excluded.sold
"""


def refresh_figures(*, sku_ids: Sequence[int] | None = None) -> int:
    """Count keys again, of these SKUs or of all; returns how many SKUs. Then tells who runs low."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_REFRESH, [clock.now(), sku_ids is None, list(sku_ids or [])])
        counted = cursor.rowcount
    tell_low_stock()
    return counted


def count_sales(*, lines: Sequence[Line]) -> None:
    """Add paid lines, of one order or of many, to the figures of their SKUs, in the caller's transaction. Called once per
    paid order, by the event's handler. Locks the figures by SKU."""
    units: dict[int, int] = {}
    for line in lines:
        units[line.sku_id] = units.get(line.sku_id, 0) + line.quantity
    skus = sorted(units)
    nothing = [0] * len(skus)
    run(_COUNT_SOLD, [skus, nothing, nothing, [units[pk] for pk in skus], [clock.now()] * len(skus)])


def tell_low_stock() -> int:
    """Tell once when a SKU has fallen to its reminder; a SKU that was filled up again is armed again.

    Locks the SKUs that change. Returns how many were told.
    """
    watched = Sku.objects.filter(product__kind=Product.Kind.KEY, status=Sku.Status.ACTIVE)
    with transaction.atomic():
        at = clock.now()
        filled = watched.filter(low_stock_told=True, figure__available__gt=F("low_stock_at"))
        Sku.objects.filter(pk__in=[one.pk for one in lock(filled)]).update(low_stock_told=False)
        low = lock(watched.filter(low_stock_told=False, figure__available__lte=F("low_stock_at")))
        Sku.objects.filter(pk__in=[one.pk for one in low]).update(low_stock_told=True)
        figures = dict(StockFigure.objects.filter(sku__in=low).values_list("sku", "available"))
        for sku in low:
            emit(StockLow(sku_id=sku.pk, available=figures[sku.pk], threshold=sku.low_stock_at, noticed_at=at), at=at)
    return len(low)
