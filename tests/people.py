"""A visitor who uses the shop's pages as a browser without scripts does."""

import re
from html import unescape

from django.test import Client

from orders.models import Order


class Visitor:
    def __init__(self, client: Client) -> None:
        self.client = client

    def get(self, path: str, **extra):
        return self.client.get(path, **extra)

    def see(self, path: str) -> str:
        """The text of a page that must be there."""
        answer = self.client.get(path, follow=True)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.content.decode()

    def add_to_cart(self, sku, quantity: int = 1):
        return self.client.post("/cart/add/", {"sku": sku.public_id, "quantity": quantity})

    def open_checkout(self, query: str) -> dict[str, list[str]]:
        """The hidden and preselected fields of the checkout form, as the browser would send them."""
        return form_fields(self.see(f"/checkout/?{query}"))

    def checkout(self, query: str, **typed):
        """Open the checkout, type, confirm; returns the answer to the post."""
        fields = self.open_checkout(query)
        return self.client.post("/checkout/", {**fields, **typed})

    def buy(self, sku, quantity: int = 1, **typed) -> Order:
        """Buy one SKU and arrive at the order."""
        answer = self.checkout(f"sku={sku.public_id}&quantity={quantity}", **typed)
        assert answer.status_code == 302, answer.content.decode()
        return Order.objects.latest("pk")


def form_fields(html: str) -> dict[str, list[str]]:
    """Values of hidden inputs, prefilled texts and chosen radios of the page's main form."""
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", html[html.index("<main") :]):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        kind = attributes.get("type", "text")
        if "name" not in attributes or (kind in {"radio", "checkbox"} and " checked" not in tag):
            continue
        fields.setdefault(attributes["name"], []).append(unescape(attributes.get("value", "")))
    return fields
