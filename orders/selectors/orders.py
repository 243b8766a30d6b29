"""Reading orders: who may see one, what it holds, and whether the books of orders are in order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import BigIntegerField, Case, F, Func, Max, OuterRef, Q, QuerySet, Subquery, Value, When, Window
from django.db.models.functions import Cast, RowNumber, Substr
from django.utils.crypto import constant_time_compare

from accounts.models import User
from catalog.models import Key, Product, Sku
from catalog.services.sealing import open_key, open_reusable
from catalog.services.stock import keys_of_lines
from common.findings import Findings, find
from common.texts import in_language
from orders.exceptions import LinkExpired, OrderNotFound
from orders.guests import lookup_mark, secret_of
from orders.models import Cart, CartItem, DeliveryRules, LineSecret, Order, OrderLine
from orders.models.rules import ONLY_ID
from orders.sealing import open_secret
from tenancy.models import Storefront

# What comes from stock takes seconds; what staff or a supplier delivers is late after this.
STUCK_AFTER = timedelta(minutes=30)
_LINK_SALT = "orders.link"


def delivery_rules() -> DeliveryRules:
    return DeliveryRules.objects.get(pk=ONLY_ID)


def order_secret(order: Order) -> str:
    """The secret that opens a guest's order together with its contact."""
    return secret_of(order.public_id)


def link_token(order: Order) -> str:
    """A signed token for a link in a mail; opens this order only, for ORDER_LINK_DAYS from now."""
    return signing.dumps(order.public_id, salt=_LINK_SALT)


def order_for(
    *, public_id: str, user: User | None, device: str = "", token: str = "", granted: frozenset[str] = frozenset()
) -> Order:
    """The order, when this visitor may see it: its buyer; for a guest's order the device that placed it, a signed link,
    or a look-up that this session passed (`granted` public ids). Raises LinkExpired for whoever comes with a link of
    this order that is too old, OrderNotFound for everybody else.
    """
    order = Order.objects.filter(public_id=public_id).select_related("storefront", "buyer").first()
    if order is None:
        raise OrderNotFound
    if order.buyer_id is not None:
        allowed = user is not None and user.is_authenticated and user.pk == order.buyer_id
    else:
        own = bool(device) and constant_time_compare(device, order.device)
        allowed = own or order.public_id in granted or _opened_by(token, order)
    if not allowed:
        raise OrderNotFound
    return order


def _opened_by(token: str, order: Order) -> bool:
    """Whether a signed link opens the order. Raises LinkExpired."""
    try:
        signed = signing.loads(token, salt=_LINK_SALT)
        if not constant_time_compare(str(signed), order.public_id):
            return False
        signing.loads(token, salt=_LINK_SALT, max_age=timedelta(days=settings.ORDER_LINK_DAYS))
    except signing.SignatureExpired as error:
        raise LinkExpired from error
    except signing.BadSignature:
        return False
    return True


def find_guest_orders(*, contact: str, secret: str, limit: int = 20) -> list[Order]:
    """A guest's orders by contact and order secret, newest first; [] where nothing fits. The caller limits the rate."""
    found = Order.objects.filter(lookup=lookup_mark(contact, secret), buyer=None)
    return list(found.order_by("-pk")[:limit])


def orders_of(user: User) -> QuerySet[Order]:
    return Order.objects.filter(buyer=user).order_by("-pk")


def orders_of_device(device: str) -> QuerySet[Order]:
    """A guest's orders placed on this device, newest first."""
    return Order.objects.filter(device=device, buyer=None).order_by("-pk") if device else Order.objects.none()


def cart_for(*, storefront: Storefront, user: User | None, device: str) -> Cart | None:
    """The buyer's cart if one exists; a page view makes none."""
    if user is None and not device:
        return None
    owner = {"user": user} if user is not None else {"user": None, "device": device}
    return Cart.objects.filter(storefront=storefront, **owner).first()


def carts_for(*, storefront: Storefront, user: User | None, device: str) -> list[Cart]:
    """The buyer's cart, and for a member the one that the device collected as a guest."""
    mine = Q(user=user) if user is not None else Q(pk__in=[])
    theirs = Q(user=None, device=device) if device else Q(pk__in=[])
    return list(Cart.objects.filter(mine | theirs, storefront=storefront))


def count_in_cart(*, storefront: Storefront, user: User | None, device: str) -> int:
    """How many different items the buyer's cart holds."""
    if user is None and not device:
        return 0
    owner = {"cart__user": user} if user is not None else {"cart__user": None, "cart__device": device}
    return CartItem.objects.filter(cart__storefront=storefront, **owner).count()


def cart_items(cart: Cart) -> list[CartItem]:
    """The cart's items with SKU and product, in the order in which they were added."""
    return list(cart.items.select_related("sku__product__category"))


def with_order_names(rows: QuerySet, *, subject: str) -> QuerySet:
    """The rows with `order_public_id` and `order_number` of the order that column `subject` names as `order:12`; None else."""
    number = Cast(Substr(F(subject), len("order:") + 1), BigIntegerField())
    rows = rows.alias(order_pk=Case(When(**{f"{subject}__regex": r"^order:\d{1,18}$"}, then=number)))
    order = Order.objects.filter(pk=OuterRef("order_pk"))
    return rows.annotate(
        order_public_id=Subquery(order.values("public_id")[:1]), order_number=Subquery(order.values("number")[:1])
    )


def with_settling(rows: QuerySet, *, ref: str) -> QuerySet:
    """The rows with `settles_at` of the order line that column `ref` names as `line:12:unsettled`; None else, and for what
    was given back whole: nothing of it will count."""
    number = Cast(Func(F(ref), Value(":"), Value(2), function="split_part"), BigIntegerField())
    rows = rows.alias(line_pk=Case(When(**{f"{ref}__regex": r"^line:\d{1,18}:unsettled$"}, then=number)))
    line = OrderLine.objects.filter(pk=OuterRef("line_pk"), refunded__lt=F("cash"))
    return rows.annotate(settles_at=Subquery(line.values("settles_at")[:1]))


def orders_by_id(ids: Iterable[int]) -> dict[int, Order]:
    """Orders by their number; for whoever knows that they may be named."""
    return Order.objects.in_bulk(set(ids))


def lines_of(order: Order) -> list[OrderLine]:
    """The order's lines with what a page shows of them."""
    return list(order.lines.select_related("sku", "product").prefetch_related("price_steps"))


def answers_of(line: OrderLine) -> list[tuple[str, str]]:
    """What the buyer filled in, with the labels that the product gives now, in the reader's language."""
    specs = {spec["name"]: spec for spec in line.product.buyer_fields}
    return [_answer(specs.get(name, {"name": name}), value) for name, value in line.fields.items()]


def _answer(spec: Mapping[str, Any], value: str) -> tuple[str, str]:
    label = in_language(spec.get("label", spec["name"]), spec.get("label_en", ""))
    for option in spec.get("options", ()):
        if option["value"] == value:
            return label, in_language(option["label"], option.get("label_en", ""))
    return label, value


@dataclass(frozen=True)
class Delivered:
    """One delivered secret. `key_id` is None for what did not come from key stock."""

    line_id: int
    text: str
    key_id: int | None = None


def delivered_of(order: Order, *, limit: int | None = None) -> list[Delivered]:
    """Everything that was delivered for this order, opened, in delivery order. Only for whoever may see the order."""
    if order.paid_at is None:
        return []
    return _opened(order.lines.select_related("reusable_secret__data_key"), limit)


def _opened(lines: Iterable[OrderLine], limit: int | None) -> list[Delivered]:
    """The secrets of paid lines: at most `limit` keys, then what does not come from key stock."""
    by_id = {line.pk: line for line in lines}
    opened = [Delivered(key.line_id, open_key(key), key.pk) for key in keys_of_lines(list(by_id))[:limit]]
    for line in by_id.values():
        if line.reusable_secret is not None:
            opened += [Delivered(line.pk, open_reusable(line.reusable_secret))]
    for secret in LineSecret.objects.filter(line__in=by_id).order_by("pk"):
        opened.append(Delivered(secret.line_id, open_secret(secret)))
    return opened


def delivered_lines_of(user: User, *, text: str = "") -> QuerySet[OrderLine]:
    """The member's lines of which something was delivered, newest first; only those whose name holds `text`."""
    lines = OrderLine.objects.filter(order__buyer=user, pieces_delivered__gt=0)
    if text:
        lines = lines.filter(
            Q(product_name__icontains=text) | Q(product_name_en__icontains=text) | Q(sku_name__icontains=text)
        )
    return lines.select_related("order", "product").order_by("-pk")


def delivered_of_member(user: User, *, limit: int) -> list[tuple[OrderLine, Delivered]]:
    """Everything that was delivered to the member, opened, the latest lines first, until `limit` secrets are reached."""
    lines: dict[int, OrderLine] = {}
    pieces = 0
    for line in delivered_lines_of(user).select_related("order", "reusable_secret__data_key").iterator(chunk_size=500):
        if pieces >= limit:
            break
        lines[line.pk] = line
        pieces += line.pieces_delivered
    opened = sorted(_opened(lines.values(), None), key=lambda one: -one.line_id)
    return [(lines[one.line_id], one) for one in opened[:limit]]


def recent_skus(user: User, *, limit: int) -> list[Sku]:
    """What the member bought last and could buy again, latest first, each SKU once. Products come with their ratings."""
    paid = OrderLine.objects.filter(order__buyer=user, order__paid_at__isnull=False)
    last = paid.values("sku").annotate(last=Max("pk")).order_by("-last").values("last")[:limit]
    lines = OrderLine.objects.filter(
        pk__in=last, sku__status=Sku.Status.ACTIVE, sku__product__status=Product.Status.ON_SALE
    )
    return [line.sku for line in lines.select_related("sku__product__rating").order_by("-pk")]


def previews_of(lines: Sequence[OrderLine], *, each: int) -> dict[int, list[str]]:
    """Masked previews of the keys of these lines, at most `each` a line; lines without stock keys are left out."""
    shown: dict[int, list[str]] = {}
    ranked = (
        Key.objects.filter(line_id__in=[line.pk for line in lines], state=Key.State.SOLD)
        .annotate(place=Window(RowNumber(), partition_by=F("line_id"), order_by=F("pk").asc()))
        .filter(place__lte=each)
        .order_by("line_id", "pk")
    )
    for line_id, preview in ranked.values_list("line_id", "preview"):
        shown.setdefault(line_id, []).append(preview)
    return shown


def delivered_of_line(*, user: User, line_id: int, limit: int) -> list[Delivered]:
    """The first `limit` secrets of one of the member's lines, opened. Raises OrderNotFound for anybody else's."""
    mine = OrderLine.objects.filter(pk=line_id, order__buyer=user, order__paid_at__isnull=False)
    line = mine.select_related("reusable_secret__data_key").first()
    if line is None:
        raise OrderNotFound
    return _opened([line], limit)


def delivered_on_line(line: OrderLine, *, limit: int) -> list[Delivered]:
    """The first `limit` secrets of the line, opened. Only for whoever may see its order."""
    return _opened([line], limit)


def stuck_orders(at: datetime) -> QuerySet[Order]:
    """Paid orders that have waited for goods longer than STUCK_AFTER, longest first."""
    return Order.objects.filter(state=Order.State.PAID, paid_at__lte=at - STUCK_AFTER).order_by("paid_at")


def audit_orders() -> dict[str, Findings]:
    """What is wrong between orders, keys and money; empty findings where nothing is."""
    return {
        "keys_on_unpaid_lines": find(
            "SELECT k.id, l.id FROM catalog_key k JOIN orders_orderline l ON l.id = k.line_id"
            " JOIN orders_order o ON o.id = l.order_id WHERE k.state = 'sold' AND o.paid_at IS NULL"
        ),
        "keys_without_line": find(
            "SELECT k.id, k.line_id FROM catalog_key k LEFT JOIN orders_orderline l ON l.id = k.line_id"
            " WHERE k.line_id IS NOT NULL AND l.id IS NULL"
        ),
        "keys_unlike_pieces": find(
            "SELECT l.id, l.pieces_delivered, count(k.id) FROM orders_orderline l"
            " LEFT JOIN catalog_key k ON k.line_id = l.id AND k.state = 'sold'"
            " WHERE l.kind IN ('key', 'bundle') AND l.state IN ('delivered', 'short', 'refunded')"
            " AND NOT EXISTS (SELECT 1 FROM orders_linesecret s WHERE s.line_id = l.id)"
            " GROUP BY l.id HAVING l.pieces_delivered <> count(k.id)"
        ),
        "reserved_on_closed_orders": find(
            "SELECT k.id, o.number FROM catalog_key k JOIN orders_orderline l ON l.id = k.line_id"
            " JOIN orders_order o ON o.id = l.order_id WHERE k.state = 'reserved' AND o.state <> 'unpaid'"
        ),
        "paid_but_nowhere": find(
            "SELECT o.number, l.id FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id"
            " WHERE o.paid_at IS NOT NULL AND l.state IN ('waiting', 'closed')"
        ),
        "delivered_with_open_lines": find(
            "SELECT o.number, l.id FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id"
            " WHERE o.state = 'delivered' AND l.state NOT IN ('delivered', 'refunded')"
        ),
        "delivered_without_goods": find(
            "SELECT l.order_id, l.id FROM orders_orderline l WHERE l.state = 'delivered'"
            " AND l.kind NOT IN ('key', 'bundle') AND l.reusable_secret_id IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM orders_linesecret s WHERE s.line_id = l.id)"
        ),
        "paid_without_money": find(
            "SELECT o.number, o.paid_total, COALESCE(SUM(e.amount), 0) FROM orders_order o"
            " LEFT JOIN wallet_transfer t ON t.memo = o.number AND t.kind IN ('payment', 'gateway_payment')"
            " LEFT JOIN wallet_entry e ON e.transfer_id = t.id"
            " AND e.account_id = (SELECT id FROM wallet_account WHERE code = 'shop:sales')"
            " WHERE o.paid_at IS NOT NULL GROUP BY o.id HAVING o.paid_total <> COALESCE(SUM(e.amount), 0)"
        ),
        "steps_unlike_cash": find(
            "SELECT l.id, l.cash, SUM(s.amount) FROM orders_orderline l JOIN orders_pricestep s ON s.line_id = l.id"
            " GROUP BY l.id HAVING l.cash <> SUM(s.amount)"
        ),
        "coupons_unlike_lines": find(
            "SELECT o.number, o.coupon_off, SUM(l.coupon_off) FROM orders_order o"
            " JOIN orders_orderline l ON l.order_id = o.id GROUP BY o.id HAVING o.coupon_off <> SUM(l.coupon_off)"
        ),
        "coupons_unlike_orders": find(
            "SELECT o.number, o.state, o.coupon_off, u.amount FROM orders_order o"
            " FULL JOIN (SELECT * FROM marketing_couponuse WHERE given_back_at IS NULL) u ON u.order_id = o.id"
            " WHERE (o.coupon_id IS NOT NULL AND o.state IN ('unpaid', 'paid', 'delivered')"
            " AND (u.coupon_id IS DISTINCT FROM o.coupon_id OR u.amount IS DISTINCT FROM o.coupon_off))"
            " OR (u.id IS NOT NULL AND (o.coupon_id IS NULL OR o.state NOT IN ('unpaid', 'paid', 'delivered')))"
        ),
        "refunds_unlike_lines": find(
            "SELECT o.number, o.refunded_total, SUM(l.refunded) FROM orders_order o"
            " JOIN orders_orderline l ON l.order_id = o.id GROUP BY o.id HAVING o.refunded_total <> SUM(l.refunded)"
        ),
        "refunds_unlike_orders": find(
            "SELECT o.number, o.refunded_total, COALESCE(SUM(r.amount), 0) FROM orders_order o"
            " LEFT JOIN orders_orderrefund r ON r.order_id = o.id"
            " GROUP BY o.id HAVING o.refunded_total <> COALESCE(SUM(r.amount), 0)"
        ),
        "refunds_without_money": find(
            "SELECT r.ref, r.amount, COALESCE(SUM(e.amount), 0) FROM orders_orderrefund r"
            " LEFT JOIN wallet_transfer t ON t.ref = 'refund:' || r.ref"
            " LEFT JOIN wallet_entry e ON e.transfer_id = t.id AND e.amount > 0"
            " GROUP BY r.id HAVING r.amount <> COALESCE(SUM(e.amount), 0)"
        ),
    }
