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

# What each line would have cost per piece at a tier: its price for the SKU, else its rate for the product, else its general
# rate; never more than what was paid. Of what was refunded nothing counts.
_SAVED = """
WITH bought AS (
    SELECT l.cash, l.coupon_off, l.refunded, l.quantity,
        LEAST(l.unit_price, COALESCE(special.unit_price, round(l.list_price * COALESCE(product.rate, %(rate)s), 4))) AS unit
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id
    LEFT JOIN membership_skutierprice special
        ON special.sku_id = l.sku_id AND special.program_id = %(program)s AND special.rank = %(rank)s
    LEFT JOIN membership_producttierrate product
        ON product.product_id = l.product_id AND product.program_id = %(program)s AND product.rank = %(rank)s
    WHERE o.buyer_id = %(user)s AND o.storefront_id = %(storefront)s AND o.paid_at >= %(since)s AND l.refunded < l.cash
)
SELECT count(*), COALESCE(SUM(round(
        GREATEST(cash + coupon_off - GREATEST(round(unit * quantity, 2), 0.01), 0) * (cash - refunded) / cash, 2)), 0),
    COALESCE(SUM(cash - refunded), 0)
FROM bought
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
    """What the last 30 days would have saved at the next tier: `saved` yuan on `spent`, and so many `points` more."""

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
    }
    with connection.cursor() as cursor:
        cursor.execute(_SAVED, values)
        lines, saved, spent = cursor.fetchone()
    more = _value(step.above, Benefit.Kind.POINTS_BACK) - _value(step.own, Benefit.Kind.POINTS_BACK)
    return MonthSaving(str(step.above), lines, spent, saved, int(max(spent * more, ZERO)))


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
    rows = tier.benefits.all() if tier is not None else ()
    return next((row.value for row in rows if row.kind == kind and row.value is not None), Decimal(0))
