"""What every template can read. Nothing here asks the database unless the template wants the answer."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language

from shop import visitor

THEMES = ("light", "dark")
HTML_LANG = {"zh-hans": "zh-Hans", "en": "en"}
# Which entry of the navigation is lit, by the view's name or by its namespace.
SECTIONS = {
    "shop:home": "home",
    "shop:categories": "categories",
    "shop:category": "categories",
    "shop:search": "categories",
    "shop:product": "categories",
    "shop:orders": "orders",
    "shop:order": "orders",
    "shop:lookup": "orders",
    "shop:account": "account",
    "shop:wallet": "account",
    "shop:library": "account",
    "shop:coupons": "account",
    "shop:member": "member",
    "shop:member_spending": "member",
    "shop:points_shop": "member",
    "shop:reviews": "account",
    "shop:review": "account",
    "membership": "member",
}


def look(request: HttpRequest) -> dict[str, str]:
    """Language and theme, as the html element states them. An unknown theme counts as none: the system decides."""
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    return {
        "html_lang": HTML_LANG.get(get_language() or "", "zh-Hans"),
        "theme": theme if theme in THEMES else "",
    }


def site(request: HttpRequest) -> dict:
    match = request.resolver_match
    return {
        **look(request),
        "storefront": getattr(request, "storefront", None),
        "public_url": settings.PUBLIC_URL,
        "cart_count": SimpleLazyObject(lambda: visitor.cart_count(request)),
        "section": (SECTIONS.get(match.view_name) or SECTIONS.get(match.namespace, "")) if match else "",
    }
