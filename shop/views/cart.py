"""The cart. A guest's hangs on the device, a member's on the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from catalog.models import Product, Sku
from catalog.selectors import shown_stock
from common import clock
from common.device import ensure_device
from common.exceptions import DomainError
from common.origin import same_origin_post
from membership.selectors import Perks
from orders.models import CartItem
from orders.selectors import cart_items
from orders.services import Item, QuoteLine, add_to_cart, preview, set_cart_quantity
from shop import nudges, visitor
from shop.cards import Stock
from shop.forms import read_quantity
from shop.refusals import private


@dataclass(frozen=True)
class Row:
    """One item as the cart shows it. `gone` is what cannot be bought any more, or not in this quantity; `line` is None for
    it, and for all while the cart as a whole cannot be priced. `limit` is the most that this visitor may buy at once."""

    item: CartItem
    line: QuoteLine | None
    stock: Stock
    gone: bool
    limit: int

    @property
    def price_was(self) -> Decimal | None:
        """The unit price when it was chosen, if it is another one now."""
        seen = self.item.seen_price
        return seen if self.line and seen is not None and seen != self.line.unit_price else None

    @property
    def most(self) -> int:
        """The most that the field takes: a quantity that was allowed once is shown as it is."""
        return max(self.item.quantity, self.limit)

    @property
    def short(self) -> bool:
        return self.stock.level != "plenty" and self.stock.left < self.item.quantity


@private
def cart(request: HttpRequest) -> HttpResponse:
    """Show the cart; a post changes the quantity of one item, 0 takes it out."""
    found = visitor.cart(request)
    if request.method == "POST" and found is not None:
        quantity = read_quantity(request.POST.get("quantity", ""))
        try:
            set_cart_quantity(cart=found, item_id=read_quantity(request.POST.get("item", "")), quantity=quantity)
        except DomainError as refusal:
            messages.error(request, str(refusal))
    items = cart_items(found) if found else []
    perks, at = visitor.perks(request), clock.now()
    wanted = wanted_items(items, perks, at)
    lines, refusal = _priced(request, wanted)
    rows = _rows(items, perks, lines, wanted)
    return render(
        request,
        "shop/cart.html",
        {
            "rows": rows,
            "refusal": refusal,
            "total": sum(line.cash for line in lines),
            "can_buy": _can_buy(rows),
            "waiting": nudges.before_order(request, wanted, at),
            "cart_count": len(items),
            "waiting_query": "from=cart",
        },
    )


@same_origin_post
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Put a SKU into the cart; answers scripts in JSON, others by going to the cart."""
    try:
        add_to_cart(
            storefront=request.storefront,
            user=visitor.member(request),
            device=ensure_device(request),
            sku=request.POST.get("sku", ""),
            quantity=read_quantity(request.POST.get("quantity", "1")),
            fields={},
        )
        message, level, status = _("已加入购物车"), messages.SUCCESS, 200
    except DomainError as refusal:
        message, level, status = str(refusal), messages.ERROR, refusal.status
    if request.accepts("text/html"):
        messages.add_message(request, level, message)
        return HttpResponseRedirect(reverse("shop:cart"))
    return JsonResponse({"message": message, "count": visitor.cart_count(request)}, status=status)


def wanted_items(items: Sequence[CartItem], perks: Perks, at: datetime) -> list[Item]:
    """What of the cart a visitor with these perks can buy now."""
    shown_until = at + perks.early
    return [
        Item(item.sku.public_id, item.quantity, item.fields)
        for item in items
        if item.sku.status == Sku.Status.ACTIVE
        and item.sku.product.status == Product.Status.ON_SALE
        and (item.sku.product.on_sale_from is None or item.sku.product.on_sale_from <= shown_until)
        and item.sku.min_quantity <= item.quantity <= perks.most_of(item.sku.max_quantity)
    ]


def _priced(request: HttpRequest, wanted: Sequence[Item]) -> tuple[Sequence[QuoteLine], DomainError | None]:
    """The lines of what can be bought, or why it cannot be bought as one order, such as for its total."""
    if not wanted:
        return (), None
    try:
        return preview(storefront=request.storefront, user_id=request.user.pk, items=wanted).lines, None
    except DomainError as refusal:
        return (), refusal


def _rows(items: Sequence[CartItem], perks: Perks, lines: Sequence[QuoteLine], wanted: Sequence[Item]) -> list[Row]:
    left = shown_stock([item.sku for item in items])
    priced, there = {line.sku.pk: line for line in lines}, {one.sku for one in wanted}
    return [
        Row(
            item,
            priced.get(item.sku_id),
            Stock(left[item.sku_id]),
            gone=item.sku.public_id not in there,
            limit=perks.most_of(item.sku.max_quantity),
        )
        for item in items
    ]


def _can_buy(rows: list[Row]) -> bool:
    return any(row.line for row in rows) and not any(row.line and row.short for row in rows)
