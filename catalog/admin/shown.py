"""States in their colours, unit prices with as many places as they need."""

from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from catalog.models import Key, KeyBatch, Product, Review, Sku
from catalog.wording import KINDS
from common.admin import chip

PRODUCT_TONES = {
    Product.Status.DRAFT: "neutral",
    Product.Status.ON_SALE: "success",
    Product.Status.OFF_SALE: "warning",
    Product.Status.ARCHIVED: "neutral",
}
SKU_TONES = {Sku.Status.ACTIVE: "success", Sku.Status.OFF: "warning", Sku.Status.ARCHIVED: "neutral"}
KEY_TONES = {
    Key.State.AVAILABLE: "success",
    Key.State.RESERVED: "info",
    Key.State.SOLD: "neutral",
    Key.State.VOID: "danger",
    Key.State.REPLACED: "warning",
}
BATCH_TONES = {
    KeyBatch.State.CHECKING: "info",
    KeyBatch.State.READY: "warning",
    KeyBatch.State.IMPORTING: "info",
    KeyBatch.State.DONE: "success",
    KeyBatch.State.FAILED: "danger",
    KeyBatch.State.CANCELLED: "neutral",
}
REVIEW_TONES = {
    Review.State.PENDING: "warning",
    Review.State.PUBLISHED: "success",
    Review.State.REJECTED: "danger",
    Review.State.WITHDRAWN: "neutral",
    Review.State.REMOVED: "neutral",
}


def product_chip(product: Product) -> SafeString:
    return chip(product.get_status_display(), PRODUCT_TONES[product.status])


def sku_chip(sku: Sku) -> SafeString:
    return chip(sku.get_status_display(), SKU_TONES[sku.status])


def key_chip(key: Key) -> SafeString:
    return chip(key.get_state_display(), KEY_TONES[key.state])


def batch_chip(batch: KeyBatch) -> SafeString:
    return chip(batch.get_state_display(), BATCH_TONES[batch.state])


def review_chip(review: Review) -> SafeString:
    return chip(review.get_state_display(), REVIEW_TONES[Review.State(review.state)])


def stars(review: Review) -> SafeString:
    """Five stars, as many full ones as were given; read aloud as a figure."""
    shown = "★" * review.stars + "☆" * (5 - review.stars)
    return format_html('<span class="desk-nowrap" role="img" aria-label="{} / 5">{}</span>', review.stars, shown)


def flag_chips(review: Review) -> SafeString | str:
    """What staff should look at twice; a dash where nothing was found."""
    found = [str(KINDS.get(kind, kind)) for kind in review.flags.get("kinds", [])]
    found += review.flags.get("words", [])
    return format_html_join(" ", "{}", ((chip(one, "danger"),) for one in found)) or "–"


def unit_money(value: Decimal | None) -> SafeString | str:
    """¥9.65, ¥0.0125: two places, and up to four where the price has them; empty for None."""
    if value is None:
        return ""
    places = max(2, -int(value.normalize().as_tuple().exponent))
    return format_html('<span class="desk-money">¥{}</span>', f"{value:,.{places}f}")


def stock_chip(sku: Sku) -> SafeString | str:
    """What is left of a key SKU, in the colour of its reminder; a dash for goods without stock of their own."""
    if sku.product.kind != Product.Kind.KEY:
        return "–"
    left = sku.figure.available if hasattr(sku, "figure") else 0
    tone = "danger" if left == 0 else "warning" if left <= sku.low_stock_at else "success"
    return chip(f"{left:,}", tone)
