"""What a line takes out of stock: its own SKU's keys, or, for a bundle, those of its components."""

from datetime import datetime

from catalog.models import Product, Sku
from catalog.services import stock
from orders.models import OrderLine

# Kinds whose pieces are keys of our own stock.
FROM_STOCK = {Product.Kind.KEY, Product.Kind.BUNDLE}


def components(sku: Sku, kind: str) -> list[tuple[Sku, int]]:
    """(SKU whose keys are taken, keys per unit sold), in the order in which they are locked."""
    if kind != Product.Kind.BUNDLE:
        return [(sku, 1)]
    return [
        (item.component, item.quantity)
        for item in sku.bundle_items.select_related("component").order_by("component_id")
    ]


def pieces_per_unit(sku: Sku) -> int:
    """How many keys one unit delivers; 1 for everything but a bundle."""
    return max(1, sum(count for _sku, count in components(sku, sku.product.kind)))


def reserve_line(line: OrderLine) -> None:
    """Reserve the keys of an unpaid line. Raises OutOfStock."""
    if line.kind in FROM_STOCK:
        for sku, count in components(line.sku, line.kind):
            stock.reserve_keys(sku=sku, quantity=line.quantity * count, line_id=line.pk)


def sell_line(line: OrderLine, *, at: datetime) -> int:
    """Sell the keys of a line straight from stock, all or none; returns how many. Raises OutOfStock."""
    if line.kind not in FROM_STOCK:
        return 0
    sold = 0
    for sku, count in components(line.sku, line.kind):
        sold += len(stock.sell_keys(sku=sku, quantity=line.quantity * count, line_id=line.pk, at=at))
    return sold


def sell_missing(line: OrderLine, *, at: datetime) -> int:
    """Sell to a paid line what it still lacks and stock has, without the pieces that were paid back; returns how many."""
    held = stock.count_by_sku(line.pk)
    sold = 0
    for sku, count in components(line.sku, line.kind):
        missing = min(line.quantity * count - held.get(sku.pk, 0), line.pieces_missing - sold)
        if missing > 0:
            sold += len(stock.sell_available(sku=sku, quantity=missing, line_id=line.pk, at=at))
    return sold
