"""Who is looking: the member or None, the device, and which guest orders this session may open."""

from datetime import datetime, timedelta

from django.http import HttpRequest

from accounts.models import User
from audit.services import Limit, take
from catalog.selectors import any_coming
from common import clock
from common.addresses import counted_as
from common.device import device_of
from membership.selectors import Holding, Perks, holding_of, perks_for, perks_of_tier
from orders.models import Cart, Order
from orders.selectors import cart_for, carts_for, count_in_cart, order_for
from orders.services import Buyer, merge_carts

_GRANTED = "granted_orders"
# How often one visitor may have keys opened in a list or sent as a file: enough for a shop, too few for whoever took a session.
_OPENING = Limit("open_keys", burst=120, every=timedelta(seconds=30))
# Guests behind one address, a company's or a carrier's, share this.
_OPENING_FROM = Limit("open_keys: address", burst=600, every=timedelta(seconds=6))
_MOST_GRANTED = 50


def member(request: HttpRequest) -> User | None:
    return request.user if request.user.is_authenticated else None


def opens_keys(request: HttpRequest, found: Order | None = None) -> None:
    """Count one opening of keys, a guest's by what no visitor can choose: the order and the address. Raises TooManyRequests."""
    user, at = member(request), clock.now()
    if user is not None:
        take(_OPENING, subject=f"user:{user.pk}", at=at)
        return
    take(_OPENING_FROM, subject=counted_as(request.client_address), at=at)
    if found is not None:
        take(_OPENING, subject=f"order:{found.pk}", at=at)


def buyer(request: HttpRequest, *, contact: str = "", device: str = "") -> Buyer:
    return Buyer(
        user=member(request), contact=contact, device=device or device_of(request), address=request.client_address
    )


def perks(request: HttpRequest) -> Perks:
    """What the visitor's tier gives."""
    return perks_for(user_id=request.user.pk, storefront_id=request.storefront.pk)


def holding(request: HttpRequest) -> Holding | None:
    """The tier that a member holds, by the rules in force; None for a guest."""
    user = member(request)
    return holding_of(user_id=user.pk, storefront_id=request.storefront.pk) if user is not None else None


def early(held: Holding | None) -> timedelta:
    """How much earlier than others the visitor sees goods that go on sale."""
    return perks_of_tier(held.own).early if held is not None else timedelta(0)


def shelf_time(request: HttpRequest) -> datetime:
    """Up to when this visitor sees goods that go on sale: now, or later for members with early access."""
    at = clock.now()
    return at + perks(request).early if member(request) and any_coming(at) else at


def cart(request: HttpRequest) -> Cart | None:
    """The visitor's cart, if there is one. What was collected before signing in comes along."""
    user, device = member(request), device_of(request)
    carts = carts_for(storefront=request.storefront, user=user, device=device)
    if user is not None and any(cart.user_id is None for cart in carts):
        merge_carts(storefront=request.storefront, user=user, device=device)
        return cart_for(storefront=request.storefront, user=user, device=device)
    return next(iter(carts), None)


def cart_count(request: HttpRequest) -> int:
    """How many different goods are in the cart; asks the database only for visitors who may have one."""
    return count_in_cart(storefront=request.storefront, user=member(request), device=device_of(request))


def order(request: HttpRequest, public_id: str) -> Order:
    """The order, when this visitor may see it. Raises OrderNotFound."""
    return order_for(
        public_id=public_id,
        user=member(request),
        device=device_of(request),
        token=request.GET.get("key", ""),
        granted=frozenset(request.session.get(_GRANTED, ())),
    )


def grant(request: HttpRequest, orders: list[Order]) -> None:
    """Let this session open these guest orders from now on."""
    known = [one for one in request.session.get(_GRANTED, ()) if one not in {order.public_id for order in orders}]
    request.session[_GRANTED] = (known + [order.public_id for order in orders])[-_MOST_GRANTED:]
