from catalog.selectors.keys import find_keys
from catalog.selectors.reviews import (
    ENOUGH,
    audit_reviews,
    pending_reviews,
    published_reviews,
    rating_of,
    review_rules,
    shown_name,
    ticket_of,
    tickets_of,
    tickets_of_lines,
)
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
    "ENOUGH",
    "PLENTY",
    "SORTS",
    "Filters",
    "Found",
    "audit_reviews",
    "by_label",
    "category_tree",
    "filtered",
    "find_keys",
    "low_stock",
    "lowest_since",
    "on_sale",
    "pending_reviews",
    "price_points",
    "published_reviews",
    "rating_of",
    "review_rules",
    "search",
    "shown_name",
    "shown_stock",
    "ticket_of",
    "tickets_of",
    "tickets_of_lines",
    "with_skus",
]
