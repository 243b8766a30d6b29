"""A small shop to test against: products with SKUs and sealed keys, made the way the shop makes them."""

import itertools
import secrets
from decimal import Decimal

from accounts.models import User
from catalog.models import Category, Product, Sku
from common import clock
from common.findings import Findings
from orders.models import Order
from orders.services import Buyer, Item, place
from shop.books import audit
from tenancy.selectors import main_storefront
from torture import scene

_numbers = itertools.count(1)


class Shelf:
    def __init__(self) -> None:
        self.category = Category.objects.get_or_create(
            slug="test-cards", defaults={"code": "test_card", "name": "测试卡", "name_en": "Test cards"}
        )[0]

    def sku(self, price: str = "10.00", keys: int = 0, kind: str = Product.Kind.KEY, **fields) -> Sku:
        """A SKU on sale of a product of its own, with `keys` keys in stock."""
        number = next(_numbers)
        at = clock.now()
        product = Product.objects.create(
            slug=f"test-{number}",
            category=self.category,
            name=f"测试商品 {number}",
            kind=kind,
            status=Product.Status.ON_SALE,
            buyer_fields=fields.pop("buyer_fields", []),
            created_at=at,
            updated_at=at,
        )
        sku = Sku.objects.create(product=product, code=f"T{number}", name="标准", list_price=Decimal(price), **fields)
        if keys:
            self.stock(sku, keys)
        return sku

    def stock(self, sku: Sku, count: int) -> list[str]:
        """Put `count` fresh keys on the shelf and return them in the order of sale."""
        return [text for _, text in scene.fresh_keys([sku], count, mark="TEST")]

    @staticmethod
    def fund(user: User, amount: str) -> None:
        """Give a member money."""
        scene.fund(user, amount)

    @staticmethod
    def buy(user: User | None, *wanted: tuple[Sku, int], from_wallet: bool = False, **extra) -> Order:
        """Place an order; a guest (None) buys with a contact and a device."""
        guest = {"contact": "guest@example.com", "device": "device-of-a-guest"} if user is None else {}
        return place(
            storefront=main_storefront(),
            buyer=Buyer(user=user, **{**guest, **extra.pop("buyer", {})}),
            items=[Item(sku.public_id, count, extra.pop("fields", {})) for sku, count in wanted],
            idempotency_key=extra.pop("key", secrets.token_hex(8)),
            from_wallet=from_wallet,
            **extra,
        )


def books() -> dict[str, Findings]:
    """What `audit_books` would complain about; {} when the books are clean."""
    return {name: found for name, found in audit(at=clock.now()).items() if found}
