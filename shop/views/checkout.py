"""Checkout: a page, and on the product page a sheet with the same form."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.selectors import shown_stock
from common import clock
from common.device import device_of, ensure_device
from common.exceptions import DomainError
from common.forms import sent_token
from common.ids import public_id
from common.money import parse_money
from orders.models import Order
from orders.selectors import cart_items, orders_of_device
from orders.services import AUTO, Item, Quote, is_cash_only, place, preview
from shop import nudges, paying, visitor
from shop.cards import Stock
from shop.coupons import choose
from shop.forms import BuyerFieldsForm, ContactForm, read_quantity
from shop.refusals import missing_is_404, private
from shop.views.cart import wanted_items

FROM_CART = "cart"


@dataclass(frozen=True)
class Wanted:
    """What is being bought. The form carries it along, so that a repeated click asks for the very same."""

    items: list[Item]
    source: str = ""

    @property
    def back(self) -> str:
        return reverse("shop:cart") if self.source == FROM_CART else reverse("shop:home")

    @property
    def address(self) -> str:
        """Where the same purchase begins anew, such as after signing in."""
        return f"{reverse('shop:checkout')}?{self.query}"

    @property
    def query(self) -> str:
        """What says the same purchase in an address."""
        if self.source == FROM_CART:
            said = {"from": FROM_CART}
        else:
            said = {"sku": self.items[0].sku, "quantity": self.items[0].quantity} if self.items else {}
        return urlencode(said)


@private
@missing_is_404
def checkout(request: HttpRequest) -> HttpResponse:
    """Show what is bought and ask for the rest; a post places the order."""
    if request.method == "GET" and not request.GET.keys() & {"sku", "from"}:
        # Reached by the address bar, after a refusal was shown here.
        return redirect("shop:cart")
    wanted = _sent(request) if request.method == "POST" else asked(request)
    try:
        quoted = preview(storefront=request.storefront, user_id=request.user.pk, items=wanted.items)
    except DomainError as refusal:
        return _back(request, wanted, refusal)
    reprice = "reprice" in request.POST
    form = CheckoutForm(request, quoted, is_sent=request.method == "POST" and not reprice)
    if request.method == "POST" and not reprice and form.is_valid():
        return _place(request, wanted, quoted, form)
    return _show(request, wanted, quoted, form)


def _back(request: HttpRequest, wanted: Wanted, refusal: DomainError) -> HttpResponse:
    """To where the visitor came from, when what is wanted cannot be bought at all."""
    if refusal.status == 404:
        raise refusal
    messages.error(request, str(refusal))
    return redirect(wanted.back)


class CheckoutForm:
    """The contact of a guest and the buyer fields of each line, as one form."""

    def __init__(self, request: HttpRequest, quoted: Quote, *, is_sent: bool) -> None:
        data = request.POST if is_sent else None
        self.lines = [
            BuyerFieldsForm(line.product, data, prefix=f"line{number}", initial=_typed(request, f"line{number}-"))
            for number, line in enumerate(quoted.lines)
        ]
        contact = request.POST.get("contact") or _contact(request)
        self.contact = None if visitor.member(request) else ContactForm(data, initial={"contact": contact})

    def is_valid(self) -> bool:
        forms = [*self.lines, *filter(None, [self.contact])]
        return all([form.is_valid() for form in forms])

    def items(self, quoted: Quote) -> list[Item]:
        return [
            Item(line.sku.public_id, line.quantity, {name: value for name, value in form.cleaned_data.items() if value})
            for line, form in zip(quoted.lines, self.lines, strict=True)
        ]


def _typed(request: HttpRequest, prefix: str) -> dict[str, str]:
    """What was typed into fields of this prefix, when the form comes back for another price."""
    return {name.removeprefix(prefix): value for name, value in request.POST.items() if name.startswith(prefix)}


def asked(request: HttpRequest) -> Wanted:
    """From the address: the cart, or a SKU and a quantity."""
    if request.GET.get("from") == FROM_CART:
        found = visitor.cart(request)
        items = cart_items(found) if found else []
        return Wanted(wanted_items(items, visitor.perks(request), clock.now()), FROM_CART)
    return Wanted([Item(request.GET.get("sku", ""), read_quantity(request.GET.get("quantity", "1")))])


def _sent(request: HttpRequest) -> Wanted:
    """From the form: lines of "SKU:quantity"."""
    pairs = [text.rpartition(":") for text in request.POST.getlist("item")]
    return Wanted([Item(sku, read_quantity(text)) for sku, _colon, text in pairs], request.POST.get("from", ""))


def _contact(request: HttpRequest) -> str:
    """What this device gave last time."""
    last = orders_of_device(device_of(request)).first()
    return last.contact if last else ""


def _show(
    request: HttpRequest, wanted: Wanted, quoted: Quote, form: CheckoutForm, refusal: DomainError | None = None
) -> HttpResponse:
    left = shown_stock([line.sku for line in quoted.lines])
    coupon = choose(request, quoted, request.POST.get("coupon", AUTO))
    quoted = coupon.quote
    context = {
        "wanted": wanted,
        "quote": quoted,
        "coupon": coupon,
        "choosing": "reprice" in request.POST,
        "lines": list(zip(quoted.lines, form.lines, strict=True)),
        "short": [
            (line, Stock(left[line.sku.pk]))
            for line in quoted.lines
            if Stock(left[line.sku.pk]).level != "plenty" and left[line.sku.pk] < line.quantity
        ],
        "contact": form.contact,
        "options": paying.pay_options(request, quoted.total, cash_only=_cash_only(quoted)),
        "refusal": refusal or coupon.refusal,
        # A fresh token for a fresh try; a repeated click sends the same one and is answered with the same order.
        "token": public_id(),
        "waiting": nudges.before_order(request, wanted.items, quoted.at),
        "waiting_query": wanted.query,
    }
    in_sheet = "Sheet" in request.headers
    response = render(request, "shop/checkout_sheet.html" if in_sheet else "shop/checkout.html", context)
    if in_sheet:
        response["Sheet"] = "1"
    return response


def _cash_only(quoted: Quote) -> bool:
    return any(is_cash_only(line.sku) for line in quoted.lines)


def _place(request: HttpRequest, wanted: Wanted, quoted: Quote, form: CheckoutForm) -> HttpResponse:
    chosen, coupon = request.POST.get("pay", ""), request.POST.get("coupon", "")
    total = choose(request, quoted, coupon).quote.total
    if not paying.is_known(request, chosen, total, cash_only=_cash_only(quoted)):
        return _show(request, wanted, quoted, form, DomainError("no_method", _("请选择支付方式")))
    try:
        order = place(
            storefront=request.storefront,
            buyer=visitor.buyer(
                request,
                contact=form.contact.cleaned_data["contact"] if form.contact else "",
                device=ensure_device(request),
            ),
            items=form.items(quoted),
            idempotency_key=sent_token(request),
            expected_total=parse_money(request.POST.get("expected", "")),
            from_wallet=chosen == paying.WALLET and not paying.asks_first(request, chosen, total),
            coupon=coupon,
            cart=visitor.cart(request) if wanted.source == FROM_CART else None,
        )
    except DomainError as refusal:
        try:
            fresh = preview(storefront=request.storefront, user_id=request.user.pk, items=wanted.items)
        except DomainError as moved:
            # It left the shelf in between.
            return _back(request, wanted, moved)
        return _show(request, wanted, fresh, form, refusal)
    response = _onward(request, order, chosen)
    paying.remember(response, chosen)
    return response


def _onward(request: HttpRequest, order: Order, chosen: str) -> HttpResponse:
    """To the keys when it is paid, else to the payment; when no payment can be put up, to the order, which offers others."""
    if order.paid_at is None:
        try:
            return paying.pay(request, order, chosen)
        except DomainError as refusal:
            messages.error(request, str(refusal))
    return redirect("shop:order", order.public_id)
