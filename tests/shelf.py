"""A small shop to test against: products with SKUs and sealed keys, made the way the shop makes them."""

import itertools
import secrets
from decimal import Decimal

from django.db import connection, transaction

from accounts.models import User
from catalog.models import Category, Key, KeyBatch, Product, Sku
from catalog.services.sealing import new_data_key, seal_key
from common import clock, crypto
from common.findings import Findings
from orders.models import Order
from orders.services import Buyer, Item, place
from shop.books import audit
from tenancy.selectors import main_storefront
from wallet.models import Account, Transfer
from wallet.services import Posting, post, shop_account, user_wallet

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
        at = clock.now()
        data_key = new_data_key(at=at)
        batch = KeyBatch.objects.create(sku=sku, data_key=data_key, state=KeyBatch.State.DONE, created_at=at)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('catalog_key_id_seq') FROM generate_series(1, %s)", [count])
            ids = [row[0] for row in cursor.fetchall()]
        texts = [f"TEST-{secrets.token_hex(8).upper()}" for _ in ids]
        Key.objects.bulk_create(
            Key(
                pk=pk,
                sku=sku,
                product_id=sku.product_id,
                batch=batch,
                data_key=data_key,
                position=pk,
                ciphertext=seal_key(text, key_id=pk, seller_id=None, data_key=data_key),
                fingerprint=crypto.fingerprint(text, f"product:{sku.product_id}"),
                preview=f"{text[:6]}****",
            )
            for pk, text in zip(ids, texts, strict=True)
        )
        return texts

    @staticmethod
    def fund(user: User, amount: str) -> None:
        """Give a member money."""
        if Decimal(amount):
            with transaction.atomic():
                legs = [
                    Posting(user_wallet(user.pk), Decimal(amount)),
                    Posting(shop_account(Account.Purpose.ADJUSTMENT), -Decimal(amount)),
                ]
                ref = f"test:fund:{user.pk}:{secrets.token_hex(4)}"
                post(ref=ref, kind=Transfer.Kind.ADJUSTMENT, postings=legs, at=clock.now())

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
