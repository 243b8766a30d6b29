"""What search engines are told: where they may look, and which pages there are."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from catalog.models import Category
from catalog.selectors import on_sale

CLOSED = (
    "/account/",
    "/admin/",
    "/api/",
    "/cart/",
    "/checkout/",
    "/library/",
    "/messages/",
    "/orders/",
    "/pay/",
    "/search/",
    "/wallet/",
)
# What one file may hold, by the sitemap protocol.
MOST = 50_000


def robots(request: HttpRequest) -> HttpResponse:
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in CLOSED), ""]
    lines.append(f"Sitemap: {settings.PUBLIC_URL}{reverse('shop:sitemap')}")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def sitemap(request: HttpRequest) -> HttpResponse:
    paths = [reverse(name) for name in ("shop:home", "shop:categories", "membership:rules")]
    slugs = Category.objects.filter(is_active=True).values_list("slug", flat=True)
    paths += [reverse("shop:category", args=[slug]) for slug in slugs]
    products = on_sale(storefront=request.storefront).values_list("slug", "updated_at")[: MOST - len(paths)]
    pages = [(path, None) for path in paths]
    pages += [(reverse("shop:product", args=[slug]), changed) for slug, changed in products]
    context = {"base": settings.PUBLIC_URL, "pages": pages}
    return render(request, "shop/sitemap.xml", context, content_type="application/xml; charset=utf-8")
