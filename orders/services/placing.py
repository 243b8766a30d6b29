"""Placing an order: quote, reserve, store; paying from the wallet settles in the same transaction."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils.translation import get_language

from accounts.models import ApiToken, User
from audit.services import run_once
from common import clock
from common.addresses import counted_as
from common.ids import order_number
from common.locks import lock_name
from common.texts import in_both
from events.contracts import OrderPlaced
from events.services import emit
from membership.selectors import perks_for
from orders.exceptions import BadQuantity, ContactNeeded, PriceMoved, TooManyUnpaid
from orders.guests import lookup_mark, secret_of
from orders.models import Cart, Order, OrderLine, OrderMove, PriceStep
from orders.services.carts import take_from_cart
from orders.services.coupons import hold_coupon
from orders.services.paying import settle_from_wallet
from orders.services.pieces import pieces_per_unit, reserve_line
from orders.services.quoting import Item, Quote, QuoteLine, Step, quote
from tenancy.models import Storefront

MAX_CONTACT = 120


@dataclass(frozen=True)
class Buyer:
    """Who is buying: a member, or a guest with a contact; from which device (a random id) and network address, and by which
    token, when a program buys."""

    user: User | None
    contact: str = ""
    device: str = ""
    address: str | None = None
    token: ApiToken | None = None

    @property
    def caller(self) -> str:
        """Whose idempotency keys these are."""
        return f"user:{self.user.pk}" if self.user else f"device:{self.device}"

    @property
    def counted_address(self) -> str:
        return counted_as(self.address) if self.address else ""


def place(
    *,
    storefront: Storefront,
    buyer: Buyer,
    items: Sequence[Item],
    idempotency_key: str,
    expected_total: Decimal | None = None,
    from_wallet: bool = False,
    cart: Cart | None = None,
    coupon: str = "",
) -> Order:
    """Place an order once per (buyer, key); the same call again answers with the same order.

    Reserves keys until the payment deadline, or, `from_wallet`, pays and delivers in the same transaction. What is
    ordered from a `cart` leaves it in this transaction too. `coupon` as in `quote`; the order holds it. Locks: the cart's
    items, the wallet account, the coupon, then keys. Raises what `quote` raises, ContactNeeded, PriceMoved,
    TooManyUnpaid, OutOfStock, InsufficientBalance, CashOnly, ConfirmationNeeded, TokenLimit, KeyReused; nothing is kept then.
    """
    contact = buyer.contact.strip()[:MAX_CONTACT]
    if buyer.user is None and (not contact or not buyer.device):
        raise ContactNeeded
    request = {
        "items": [asdict(item) for item in items],
        "contact": contact,
        "wallet": from_wallet,
        "expected_total": expected_total,
    }
    if coupon:
        request["coupon"] = coupon
    with transaction.atomic():
        at = clock.now()

        def run() -> int:
            user_id = buyer.user.pk if buyer.user else None
            quoted = quote(storefront=storefront, user_id=user_id, items=items, coupon=coupon)
            if expected_total is not None and quoted.total != expected_total:
                raise PriceMoved(total=quoted.total)
            if not from_wallet:
                check_unpaid_caps(buyer, storefront)
            order = _store(storefront, buyer, contact, quoted, at)
            lines = _store_lines(order, quoted)
            if cart is not None:
                take_from_cart(cart=cart, ordered=[(line.sku_id, line.quantity) for line in lines])
            if from_wallet:
                settle_from_wallet(order, lines, user=buyer.user, at=at, token=buyer.token)
            else:
                hold_coupon(order, at=at)
                for line in lines:
                    reserve_line(line)
                placed = OrderPlaced(
                    order_id=order.pk,
                    user_id=order.buyer_id,
                    storefront_id=storefront.pk,
                    placed_at=at,
                    pay_deadline=order.pay_deadline,
                )
                emit(placed, at=at)
            return order.pk

        order_id, _new = run_once(
            act="order", caller=buyer.caller, key=idempotency_key, request=request, at=at, run=run
        )
        return Order.objects.get(pk=order_id)


def check_unpaid_caps(buyer: Buyer, storefront: Storefront) -> None:
    """Refuse hoarding: unpaid orders are capped per account, device and address. Raises TooManyUnpaid.

    Advisory locks make parallel requests of one buyer, and of one address, count each other; always in this order, and
    before any key is locked. A guest without a cookie is a new buyer each time, so the address is what holds.
    """
    for one in filter(None, [buyer.caller, buyer.counted_address]):
        lock_name(f"unpaid:{one}")
    unpaid = Order.objects.filter(state=Order.State.UNPAID)
    caps = settings.UNPAID_CAPS
    mine = unpaid.filter(buyer=buyer.user).count() if buyer.user is not None else 0
    here = unpaid.filter(device=buyer.device).count() if buyer.device else 0
    if mine >= caps["account"] or here >= caps["device"]:
        # A tier may allow its members more, on one device too.
        user_id = buyer.user.pk if buyer.user is not None else None
        own = perks_for(user_id=user_id, storefront_id=storefront.pk).unpaid
        if mine >= max(caps["account"], own) or here >= max(caps["device"], own):
            raise TooManyUnpaid
    if buyer.address and unpaid.filter(counted_address=buyer.counted_address).count() >= caps["address"]:
        raise TooManyUnpaid


def _store(storefront: Storefront, buyer: Buyer, contact: str, quoted: Quote, at: datetime) -> Order:
    order = Order(
        number=order_number(at),
        storefront=storefront,
        buyer=buyer.user,
        contact=contact,
        device=buyer.device,
        address=buyer.address,
        counted_address=buyer.counted_address,
        language=get_language() or settings.LANGUAGE_CODE,
        list_total=quoted.list_total,
        total=quoted.total,
        coupon=quoted.coupon,
        coupon_off=quoted.coupon_off,
        placed_at=at,
        pay_deadline=at + timedelta(minutes=settings.ORDER_PAY_MINUTES),
    )
    if order.is_guest:
        order.lookup = lookup_mark(contact, secret_of(order.public_id))
    order.save(force_insert=True)
    OrderMove.objects.create(
        order=order, to_state=order.state, cause="placed", actor_id=buyer.user.pk if buyer.user else None, at=at
    )
    return order


def _store_lines(order: Order, quoted: Quote) -> list[OrderLine]:
    lines = OrderLine.objects.bulk_create(_line(order, one) for one in quoted.lines)
    PriceStep.objects.bulk_create(
        _step(line, position, step)
        for line, one in zip(lines, quoted.lines, strict=True)
        for position, step in enumerate(one.steps)
    )
    return lines


def _step(line: OrderLine, position: int, step: Step) -> PriceStep:
    why, why_en = in_both(step.why)
    return PriceStep(line=line, position=position, stage=step.stage, amount=step.amount, why=why, why_en=why_en)


def _line(order: Order, one: QuoteLine) -> OrderLine:
    product = one.product
    pieces = one.quantity * pieces_per_unit(one.sku)
    if pieces > settings.MAX_PIECES_PER_LINE:
        raise BadQuantity(min=one.sku.min_quantity, max=settings.MAX_PIECES_PER_LINE)
    return OrderLine(
        order=order,
        sku=one.sku,
        product=product,
        seller_id=product.seller_id,
        category_code=product.category.code,
        kind=product.kind,
        product_name=product.name,
        product_name_en=product.name_en,
        sku_name=one.sku.name,
        sku_name_en=one.sku.name_en,
        guide=product.guide,
        guide_en=product.guide_en,
        warranty_days=product.warranty_days,
        fields=one.fields,
        quantity=one.quantity,
        pieces=pieces,
        list_price=one.sku.list_price,
        unit_price=one.unit_price,
        list_total=one.list_total,
        cash=one.cash,
        coupon_off=one.coupon_off,
        cost=one.sku.cost,
    )
