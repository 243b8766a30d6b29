"""One product: what it is, what it costs this visitor and why, how to use it, what buyers say of it."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from catalog.models import Sku
from catalog.selectors import lowest_since, on_sale, price_points
from common import clock
from common.texts import foreign, in_language
from membership.services import record_view
from shop import visitor
from shop.cards import Card, Offer, product_card
from shop.guest_pages import kept_for_guests
from shop.json_ld import product_data
from shop.markdown import to_html
from shop.reviews import reviews_of
from shop.sparkline import sparkline

HISTORY_DAYS = 90
LOWEST_DAYS = 30


@kept_for_guests
def product(request: HttpRequest, slug: str) -> HttpResponse:
    shelf = on_sale(storefront=request.storefront, until=visitor.shelf_time(request))
    found = get_object_or_404(shelf.select_related("category__parent"), slug=slug)
    if request.user.is_authenticated and request.method == "GET":
        storefront_id = request.storefront.pk
        record_view(user_id=request.user.pk, storefront_id=storefront_id, product_id=found.pk, at=clock.now())
    card = product_card(found, storefront=request.storefront, user_id=request.user.pk)
    said = reviews_of(found, request.GET)
    chosen = _chosen(card, request.GET.get("sku", ""))
    context = {
        "card": card,
        "product": found,
        "opens_at": found.on_sale_from if found.on_sale_from and found.on_sale_from > clock.now() else None,
        "chosen": chosen,
        "summary": in_language(found.summary, found.summary_en),
        "summary_lang": foreign(found.summary_en),
        "description": to_html(in_language(found.description, found.description_en)),
        "description_lang": foreign(found.description_en),
        "guide": to_html(in_language(found.guide, found.guide_en)),
        "guide_lang": foreign(found.guide_en),
        "reviews": said,
        "json_ld": product_data(card, rating=said.rating, public_url=settings.PUBLIC_URL),
        **_history(chosen.sku),
    }
    return render(request, "shop/product.html", context)


def _chosen(card: Card, public_id: str) -> Offer:
    return next((offer for offer in card.offers if offer.sku.public_id == public_id), card.cheapest)


def _history(sku: Sku) -> dict:
    """The price line of the last months, where the price has moved at all, and the lowest of 30 days."""
    at = clock.now()
    points = price_points(sku, since=at - timedelta(days=HISTORY_DAYS))
    if len({price for _at, price in points}) < 2:
        return {}
    return {
        "price_line": sparkline(points, until=at),
        "lowest": lowest_since(points, at - timedelta(days=LOWEST_DAYS)),
        "history_days": HISTORY_DAYS,
    }
