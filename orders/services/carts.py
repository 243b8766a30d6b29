"""Filling and emptying the cart."""

from collections.abc import Iterable, Mapping

from django.db import transaction

from accounts.models import User
from catalog.models import Product, Sku
from common import clock
from orders.exceptions import BadQuantity, SkuUnavailable, SkuUnknown, TooManyLines
from orders.models import Cart, CartItem
from orders.services.quoting import MAX_LINES, Item, most_of, preview
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
        wanted = max(quantity + (item.quantity if item else 0), found.min_quantity)
        if quantity < 1 or wanted > found.max_quantity:
            most = most_of(found, storefront, user.pk if user else None)
            if quantity < 1 or wanted > most:
                raise BadQuantity(min=found.min_quantity, max=most)
        if item is not None:
            _choose(item, wanted)
        elif cart.items.count() >= MAX_LINES:
            raise TooManyLines(max=MAX_LINES)
        else:
            _choose(CartItem(cart=cart, sku=found, fields=dict(fields)), wanted)
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
        sku = item.sku
        if not sku.min_quantity <= quantity <= sku.max_quantity:
            most = most_of(sku, cart.storefront, cart.user_id)
            if not sku.min_quantity <= quantity <= most:
                raise BadQuantity(min=sku.min_quantity, max=most)
        _choose(item, quantity)


def _choose(item: CartItem, quantity: int) -> None:
    """Keep how many the buyer wants, and the unit price that this buyer is shown for so many."""
    item.quantity = quantity
    wish = Item(item.sku.public_id, quantity, item.fields)
    cart = item.cart
    try:
        item.seen_price = preview(storefront=cart.storefront, user_id=cart.user_id, items=[wish]).lines[0].unit_price
    except (SkuUnavailable, SkuUnknown):
        item.seen_price = None  # off the shelf: it has no price
    item.save()


def take_from_cart(*, cart: Cart, ordered: Iterable[tuple[int, int]]) -> None:
    """Take out what was ordered, (SKU id, quantity), in the transaction of the order. What was put in since stays.

    Locks the cart's items.
    """
    items = list(cart.items.select_related("sku").select_for_update(of=("self",)).order_by("pk"))
    for sku_id, count in ordered:
        for item in items:
            taken = min(count, item.quantity) if item.sku_id == sku_id else 0
            if taken and taken == item.quantity:
                item.delete()
            elif taken:
                item.quantity = max(item.quantity - taken, item.sku.min_quantity)
                item.save(update_fields=["quantity"])
            count -= taken


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
