"""What the next tier is worth in money: for a cart, and for what was bought lately. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from catalog.models import QuantityBreak
from common.money import ZERO
from membership.models import Benefit, TierRule
from membership.selectors import MemberPrice, Step, next_step, prices_above
from orders.services.quoting import AUTO, Item, Quote, breaks_of, preview, price_line, with_coupon
from tenancy.models import Storefront

LATELY = timedelta(days=30)

# What each line would have cost at a tier, as `lower_prices` says: the list price of then, today's quantity prices, and the
# tier's price for the SKU, else its rate for the product, else its general rate (on top of a quantity price where the benefit
# says so). Then the coupon of the order, as `marketing.discounts` says: on the lines that it reduced, from the list price where
# it does not go together with a lower one, and only where the order costs less by it. Of what was refunded nothing counts.
_SAVED = """
WITH priced AS (
    SELECT l.*, broken.unit_price AS broken, special.id IS NULL AND product.id IS NULL AS is_general,
        COALESCE(special.unit_price, round(l.list_price * COALESCE(product.rate, %(rate)s), 4)) AS member
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id
    LEFT JOIN membership_skutierprice special
        ON special.sku_id = l.sku_id AND special.program_id = %(program)s AND special.rank = %(rank)s
    LEFT JOIN membership_producttierrate product
        ON product.product_id = l.product_id AND product.program_id = %(program)s AND product.rank = %(rank)s
    LEFT JOIN LATERAL (
        SELECT min(unit_price) AS unit_price FROM catalog_quantitybreak
        WHERE sku_id = l.sku_id AND min_quantity <= l.quantity AND unit_price < l.list_price
    ) broken ON TRUE
    WHERE o.buyer_id = %(user)s AND o.storefront_id = %(storefront)s AND o.paid_at >= %(since)s AND l.refunded < l.cash
), staged AS (
    SELECT *, CASE WHEN is_general THEN round(broken * %(adds)s::numeric, 4) END AS added FROM priced
), totals AS (
    SELECT order_id, cash, refunded, coupon_off > 0 AS reduced, GREATEST(round(quantity * list_price, 2), 0.01) AS listed,
        GREATEST(round(quantity * LEAST(list_price, broken, member, added), 2), 0.01) AS price,
        LEAST(member, added) < COALESCE(broken, list_price) AS is_member,
        broken IS NOT NULL AND (broken <= member OR COALESCE(added < member, FALSE)) AS is_quantity
    FROM staged
), based AS (
    SELECT t.*, coupon.*, CASE WHEN is_member AND NOT with_member_price OR is_quantity AND NOT with_quantity_price
        THEN listed ELSE price END AS base
    FROM totals t
    JOIN orders_order o ON o.id = t.order_id
    LEFT JOIN marketing_coupon held ON held.id = o.coupon_id AND t.reduced
    LEFT JOIN LATERAL (
        SELECT with_member_price, with_quantity_price, min_spend, rate, amount_off, max_off
        FROM marketing_coupontemplate WHERE id = held.template_id
    ) coupon ON TRUE
), whole AS (
    SELECT *, SUM(base) OVER lines AS bases, SUM(price) OVER lines AS prices, SUM(base - 0.01) OVER lines AS room
    FROM based WINDOW lines AS (PARTITION BY order_id, reduced)
), couponed AS (
    SELECT *, CASE WHEN bases >= min_spend
        THEN LEAST(COALESCE(amount_off, LEAST(round(bases * (1 - rate), 2), max_off)), room) END AS off
    FROM whole
), compared AS (
    SELECT cash - refunded AS paid, (cash - refunded) / cash * CASE
        WHEN room > 0 AND bases - off < prices THEN base - off * (base - 0.01) / room ELSE price END AS due
    FROM couponed
)
SELECT count(*), COALESCE(round(SUM(paid - due), 2), 0), COALESCE(SUM(paid), 0),
    COALESCE(SUM(floor(round(due, 2) * %(back_then)s) - floor(paid * %(back_now)s)), 0)
FROM compared
"""


@dataclass(frozen=True)
class CartSaving:
    """A cart now and at a higher tier, each with the best coupon; `saved` yuan is the true difference."""

    rank: int
    tier: str
    now: Decimal
    then: Decimal

    @property
    def saved(self) -> Decimal:
        return self.now - self.then


@dataclass(frozen=True)
class MonthSaving:
    """What the last 30 days would have saved at the next tier: `saved` yuan on `spent`, and for what is left to pay then, so
    many `points` more; neither where they would have cost more."""

    tier: str
    lines: int
    spent: Decimal
    saved: Decimal
    points: int


def cart_saving(
    *, storefront: Storefront, user_id: int | None, items: Sequence[Item], rank: int | None = None
) -> CartSaving | None:
    """What this cart would cost at the tier `rank`, or at the first one above the member's that makes it cheaper.

    None where no such tier is above. Raises what `preview` raises.
    """
    plain = preview(storefront=storefront, user_id=user_id, items=items)
    now = with_coupon(plain, storefront, user_id, AUTO).total
    skus = [line.sku for line in plain.lines]
    breaks = breaks_of(skus)
    for tier, prices in prices_above(user_id=user_id, storefront_id=storefront.pk, skus=skus):
        if rank is not None and tier.rank != rank:
            continue
        then = with_coupon(_repriced(plain, prices, breaks), storefront, user_id, AUTO).total
        if then < now:
            return CartSaving(tier.rank, str(tier), now, then)
    return None


def month_saving(*, storefront: Storefront, user_id: int, at: datetime, step: Step | None = None) -> MonthSaving | None:
    """What the last 30 days would have saved at the next tier, by today's rules; None at the top.

    One statement for who knows the `step` that is before the member already.
    """
    step = step or next_step(user_id=user_id, storefront_id=storefront.pk)
    if step.above is None:
        return None
    values = {
        "user": user_id,
        "storefront": storefront.pk,
        "since": at - LATELY,
        "program": step.program_id,
        "rank": step.above.rank,
        "rate": _value(step.above, Benefit.Kind.PRICE_RATE) or Decimal(1),
        "adds": _added_rate(step.above),
        "back_then": _value(step.above, Benefit.Kind.POINTS_BACK),
        "back_now": _value(step.own, Benefit.Kind.POINTS_BACK),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SAVED, values)
        lines, saved, spent, points = cursor.fetchone()
    if saved < 0:
        saved, points = ZERO, 0
    return MonthSaving(str(step.above), lines, spent, saved, max(int(points), 0))


def _repriced(plain: Quote, prices: Mapping[int, MemberPrice], breaks: Mapping[int, Sequence[QuantityBreak]]) -> Quote:
    lines = (
        price_line(
            sku=line.sku,
            quantity=line.quantity,
            fields=line.fields,
            member=prices.get(line.sku.pk),
            breaks=breaks.get(line.sku.pk, ()),
        )
        for line in plain.lines
    )
    return replace(plain, lines=tuple(lines))


def _value(tier: TierRule | None, kind: str) -> Decimal:
    found = _benefit(tier, kind)
    return found.value if found is not None and found.value is not None else ZERO


def _added_rate(tier: TierRule) -> Decimal | None:
    """The general rate, where it goes on top of quantity prices."""
    found = _benefit(tier, Benefit.Kind.PRICE_RATE)
    return found.value if found is not None and found.stacking == Benefit.Stacking.ADD else None


def _benefit(tier: TierRule | None, kind: str) -> Benefit | None:
    rows = tier.benefits.all() if tier is not None else ()
    return next((row for row in rows if row.kind == kind), None)
