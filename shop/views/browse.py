"""The shop window: home, categories, lists."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from catalog.models import Category, Label, Product
from catalog.selectors import by_label, category_tree, filtered, on_sale, search
from shop.cards import Card, cards
from shop.forms import read_filters

ON_A_SHELF = 10
ON_A_PAGE = 40
MAX_QUERY = 64


def home(request: HttpRequest) -> HttpResponse:
    """Search, categories, one shelf for each label."""
    shelves = by_label(storefront=request.storefront, each=ON_A_SHELF)
    by_product = _cards_by_product(request, [product for _label, products in shelves for product in products])
    return render(
        request,
        "shop/home.html",
        {
            "categories": [top for top, _children in category_tree()],
            "shelves": [
                (label, [by_product[one.pk] for one in products if one.pk in by_product]) for label, products in shelves
            ],
        },
    )


def categories(request: HttpRequest) -> HttpResponse:
    """Every category laid out, nothing nested in menus."""
    products = filtered(on_sale(storefront=request.storefront), read_filters(request.GET))
    return render(request, "shop/categories.html", {"tree": category_tree(), **_list(request, products)})


def category(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Category, slug=slug, is_active=True)
    members = Category.objects.filter(pk=found.pk) | Category.objects.filter(parent=found, is_active=True)
    products = on_sale(storefront=request.storefront).filter(category__in=members)
    context = {
        "category": found,
        "children": found.children.filter(is_active=True),
        **_list(request, filtered(products, read_filters(request.GET))),
    }
    return render(request, "shop/category.html", context)


def results(request: HttpRequest) -> HttpResponse:
    """What a search found; when it had to guess, it says so, and when it found nothing, it shows where to go."""
    text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY]
    if not text:
        return redirect("shop:categories")
    found = search(storefront=request.storefront, text=text, filters=read_filters(request.GET))
    context = {"search_text": text, "how": found.how, "tree": category_tree(), **_list(request, found.products)}
    return render(request, "shop/results.html", context)


def _list(request: HttpRequest, products: QuerySet[Product]) -> dict:
    """One page of a filtered list with what its filter bar needs."""
    page = Paginator(products, ON_A_PAGE).get_page(request.GET.get("page"))
    return {
        "filters": read_filters(request.GET),
        "labels": Label.objects.all(),
        "page": page,
        "cards": cards(page.object_list, storefront=request.storefront, user_id=request.user.pk),
    }


def _cards_by_product(request: HttpRequest, products: list[Product]) -> dict[int, Card]:
    unique = {product.pk: product for product in products}
    return {
        card.product.pk: card for card in cards(unique.values(), storefront=request.storefront, user_id=request.user.pk)
    }
