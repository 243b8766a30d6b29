"""What a product page tells search engines, as schema.org data. A data block runs nothing, so that the policy allows it."""

import json
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from catalog.models import ProductRating
from common.texts import in_language
from shop.cards import Card

# What would end the block, or begin another, in HTML.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def product_data(card: Card, *, rating: ProductRating | None, public_url: str) -> SafeString:
    """The product with its list prices, and its rating where there is one."""
    prices = sorted(offer.list_price for offer in card.offers)
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": card.name,
        "url": f"{public_url}{card.url}",
        "offers": {
            "@type": "AggregateOffer",
            "priceCurrency": "CNY",
            "lowPrice": f"{prices[0]:.2f}",
            "highPrice": f"{prices[-1]:.2f}",
            "offerCount": len(prices),
            "availability": f"https://schema.org/{'InStock' if card.stock.left else 'OutOfStock'}",
        },
    }
    if card.product.summary:
        data["description"] = in_language(card.product.summary, card.product.summary_en)
    if card.cover:
        data["image"] = f"{public_url}{card.cover}"
    if rating is not None:
        data["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": f"{rating.mean:.1f}",
            "reviewCount": rating.count,
            "bestRating": 5,
            "worstRating": 1,
        }
    return mark_safe(json.dumps(data, ensure_ascii=False).translate(_ESCAPES))  # noqa: S308 - escaped above
