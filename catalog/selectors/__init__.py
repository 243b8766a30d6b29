from catalog.selectors.shelves import (
    Filters,
    by_label,
    category_tree,
    filtered,
    lowest_price,
    on_sale,
    price_points,
    with_skus,
)
from catalog.selectors.stock import PLENTY, shown_stock

__all__ = [
    "PLENTY",
    "Filters",
    "by_label",
    "category_tree",
    "filtered",
    "lowest_price",
    "on_sale",
    "price_points",
    "shown_stock",
    "with_skus",
]
