from catalog.selectors.keys import find_keys
from catalog.selectors.searching import Found, search
from catalog.selectors.shelves import (
    SORTS,
    Filters,
    by_label,
    category_tree,
    filtered,
    lowest_since,
    on_sale,
    price_points,
    with_skus,
)
from catalog.selectors.stock import PLENTY, low_stock, shown_stock

__all__ = [
    "PLENTY",
    "SORTS",
    "Filters",
    "Found",
    "by_label",
    "category_tree",
    "filtered",
    "find_keys",
    "low_stock",
    "lowest_since",
    "on_sale",
    "price_points",
    "search",
    "shown_stock",
    "with_skus",
]
