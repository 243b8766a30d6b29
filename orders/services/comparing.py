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

# What each line would have cost at a tier: its price for the SKU, else its rate for the product, else its general rate (on
# top of a quantity price where the benefit says so); never more than what was paid. A coupon is taken off as it would have
# been; where it would not have worked at that price, its lines are compared without it. Of what was refunded nothing counts.
_SAVED = """
WITH bought AS (
    SELECT l.order_id, l.cash, l.coupon_off, l.coupon_off > 0 AS reduced, (l.cash - l.refunded) / l.cash AS kept,
        coupon.rate AS leaves, coupon.with_member_price AS goes_together, coupon.min_spend,
        GREATEST(round(l.quantity * LEAST(
            l.unit_price,
            COALESCE(special.unit_price, round(l.list_price * COALESCE(product.rate, %(rate)s), 4)),
            CASE WHEN special.id IS NULL AND product.id IS NULL THEN round(broken.unit_price * %(adds)s::numeric, 4) END
        ), 2), 0.01) AS price
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id
    LEFT JOIN membership_skutierprice special
        ON special.sku_id = l.sku_id AND special.program_id = %(program)s AND special.rank = %(rank)s
    LEFT JOIN membership_producttierrate product
        ON product.product_id = l.product_id AND product.program_id = %(program)s AND product.rank = %(rank)s
    LEFT JOIN marketing_coupon held ON held.id = o.coupon_id
    LEFT JOIN marketing_coupontemplate coupon ON coupon.id = held.template_id
    LEFT JOIN LATERAL (
        SELECT min(unit_price) AS unit_price FROM catalog_quantitybreak
        WHERE sku_id = l.sku_id AND min_quantity <= l.quantity AND unit_price < l.list_price
    ) broken ON %(adds)s::numeric IS NOT NULL
    WHERE o.buyer_id = %(user)s AND o.storefront_id = %(storefront)s AND o.paid_at >= %(since)s AND l.refunded < l.cash
), couponed AS (
    SELECT *, CASE WHEN reduced AND goes_together AND min_spend <= SUM(price) OVER (PARTITION BY order_id, reduced)
        THEN GREATEST(price - LEAST(coupon_off, COALESCE(round(price * (1 - leaves), 2), coupon_off)), 0.01)
        ELSE price END AS otherwise
    FROM bought
), compared AS (
    SELECT round(cash * kept, 2) AS paid, round(kept * CASE
        WHEN SUM(cash - otherwise) OVER (PARTITION BY order_id, reduced) > 0 THEN otherwise ELSE cash END, 2) AS due
    FROM couponed
)
SELECT count(*), COALESCE(SUM(paid - due), 0), COALESCE(SUM(paid), 0),
    COALESCE(SUM(floor(due * %(back_then)s) - floor(paid * %(back_now)s)), 0)
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
    many `points` more."""

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
