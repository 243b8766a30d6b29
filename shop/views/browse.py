"""The shop window: home, categories, lists."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from catalog.models import Category, Label, Product, Sku
from catalog.selectors import by_label, category_tree, category_with_children, filtered, on_sale, search
from common import clock
from membership.selectors import Holding
from orders.selectors import recent_skus
from shop import nudges, visitor
from shop.cards import Card, Offer, cards
from shop.forms import read_filters
from shop.guest_pages import kept_for_guests

SHELVES = 4
ON_A_SHELF = 10
BOUGHT_AGAIN = 6
ON_A_PAGE = 40
MAX_QUERY = 64


@kept_for_guests
def home(request: HttpRequest) -> HttpResponse:
    """Search, categories, what the member bought last, a shelf for each of the first labels."""
    user, held = visitor.member(request), visitor.holding(request)
    until = clock.now() + visitor.early(held)
    shelves = by_label(storefront=request.storefront, each=ON_A_SHELF, until=until)[:SHELVES]
    again = recent_skus(user, limit=BOUGHT_AGAIN) if user else []
    shown = [product for _label, products in shelves for product in products] + [sku.product for sku in again]
    unique = {product.pk: product for product in shown}
    by_product = {card.product.pk: card for card in cards(unique.values(), held)}
    return render(
        request,
        "shop/home.html",
        {
            "again": [offer for sku in again if (offer := _offer(by_product.get(sku.product_id), sku))],
            "nudge": nudges.before_midnight(request),
            "categories": [top for top, _children in category_tree()],
            "shelves": [
                (label, [by_product[one.pk] for one in products if one.pk in by_product]) for label, products in shelves
            ],
        },
    )


@kept_for_guests
def categories(request: HttpRequest) -> HttpResponse:
    """Every category laid out, nothing nested in menus."""
    held = visitor.holding(request)
    products = filtered(
        on_sale(storefront=request.storefront, until=clock.now() + visitor.early(held)), read_filters(request.GET)
    )
    return render(request, "shop/categories.html", {"tree": category_tree(), **_list(request, products, held)})


@kept_for_guests
def category(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        found, children = category_with_children(slug)
    except Category.DoesNotExist as error:
        raise Http404 from error
    held = visitor.holding(request)
    products = on_sale(storefront=request.storefront, until=clock.now() + visitor.early(held)).filter(
        category__in=[found, *children]
    )
    context = {
        "category": found,
        "children": children,
        **_list(request, filtered(products, read_filters(request.GET)), held),
    }
    return render(request, "shop/category.html", context)


@kept_for_guests
def results(request: HttpRequest) -> HttpResponse:
    """What a search found; when it had to guess, it says so, and when it found nothing, it shows where to go."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY]
    if not text:
        return redirect("shop:categories")
    held = visitor.holding(request)
    found = search(
        storefront=request.storefront,
        text=text,
        filters=read_filters(request.GET),
        until=clock.now() + visitor.early(held),
    )
    context = {"search_text": text, "how": found.how, "tree": category_tree(), **_list(request, found.products, held)}
    return render(request, "shop/results.html", context)


def _list(request: HttpRequest, products: QuerySet[Product], held: Holding | None) -> dict:
    """One page of a filtered list with what its filter bar needs."""
    page = Paginator(products, ON_A_PAGE).get_page(request.GET.get("page"))
    return {
        "filters": read_filters(request.GET),
        "labels": Label.objects.all(),
        "page": page,
        "cards": cards(page.object_list, held),
    }


def _offer(card: Card | None, sku: Sku) -> Offer | None:
    """The offer of this SKU, when it can be bought now."""
    offers = card.offers if card else ()
    return next((offer for offer in offers if offer.sku.pk == sku.pk and offer.stock.left), None)
