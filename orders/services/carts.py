"""Filling and emptying the cart."""

from collections.abc import Mapping

from django.db import transaction

from accounts.models import User
from catalog.models import Product, Sku
from common import clock
from orders.exceptions import BadQuantity, SkuUnknown, TooManyLines
from orders.models import Cart, CartItem
from orders.services.quoting import MAX_LINES
from tenancy.models import Storefront


def cart_of(*, storefront: Storefront, user: User | None, device: str) -> Cart:
    """The buyer's cart, made on first use. A guest's hangs on the device."""
    owner = {"user": user} if user is not None else {"user": None, "device": device}
    return Cart.objects.get_or_create(storefront=storefront, **owner, defaults={"updated_at": clock.now()})[0]


def add_to_cart(
    *, storefront: Storefront, user: User | None, device: str, sku: str, quantity: int, fields: Mapping[str, str]
) -> Cart:
    """Add `quantity` of a SKU (by public id) to the cart. Raises SkuUnknown, BadQuantity, TooManyLines."""
    with transaction.atomic():
        found = Sku.objects.filter(
            public_id=sku, status=Sku.Status.ACTIVE, product__status=Product.Status.ON_SALE
        ).first()
        if found is None:
            raise SkuUnknown
        cart = cart_of(storefront=storefront, user=user, device=device)
        item = cart.items.select_for_update().filter(sku=found, fields=dict(fields)).first()
        wanted = quantity + (item.quantity if item else 0)
        if quantity < 1 or wanted > found.max_quantity:
            raise BadQuantity(min=found.min_quantity, max=found.max_quantity)
        if item is not None:
            item.quantity = wanted
            item.save(update_fields=["quantity"])
        elif cart.items.count() >= MAX_LINES:
            raise TooManyLines(max=MAX_LINES)
        else:
            CartItem.objects.create(cart=cart, sku=found, quantity=max(wanted, found.min_quantity), fields=dict(fields))
        Cart.objects.filter(pk=cart.pk).update(updated_at=clock.now())
    return cart


def set_cart_quantity(*, cart: Cart, item_id: int, quantity: int) -> None:
    """Set an item's quantity; 0 takes it out. An item of another cart is left alone. Raises BadQuantity."""
    with transaction.atomic():
        item = cart.items.select_for_update().filter(pk=item_id).first()
        if item is None:
            return
        if quantity <= 0:
            item.delete()
            return
        sku = Sku.objects.get(pk=item.sku_id)
        if not sku.min_quantity <= quantity <= sku.max_quantity:
            raise BadQuantity(min=sku.min_quantity, max=sku.max_quantity)
        item.quantity = quantity
        item.save(update_fields=["quantity"])


def clear_cart(*, cart: Cart) -> None:
    """Take everything out, after an order was placed from it."""
    with transaction.atomic():
        cart.items.all().delete()


def merge_carts(*, storefront: Storefront, user: User, device: str) -> None:
    """After signing in: what the device collected as a guest moves into the member's cart."""
    with transaction.atomic():
        guest = Cart.objects.select_for_update().filter(storefront=storefront, user=None, device=device).first()
        if guest is None or not device:
            return
        mine = cart_of(storefront=storefront, user=user, device="")
        known = {(item.sku_id, tuple(sorted(item.fields.items()))) for item in mine.items.all()}
        for item in guest.items.all():
            if (item.sku_id, tuple(sorted(item.fields.items()))) not in known:
                item.cart = mine
                item.save(update_fields=["cart"])
        guest.delete()
