"""What the board shows. Each figure is counted over the very rows that its list shows: see insights.board for the addresses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDay, TruncHour

from accounts.models import User
from common.clock import SHANGHAI
from common.money import ZERO
from insights.periods import Period
from membership.models import TierDecision
from orders.models import Order, OrderLine, OrderRefund
from orders.selectors import stuck_orders


@dataclass(frozen=True)
class Figure:
    """A figure of the period, and of the one before it."""

    now: Decimal | int
    before: Decimal | int


def within(field: str, period: Period) -> Q:
    return Q(**{f"{field}__gte": period.start, f"{field}__lt": period.end})


def within_before(field: str, period: Period) -> Q:
    return Q(**{f"{field}__gte": period.before_start, f"{field}__lt": period.before_end})


@dataclass(frozen=True)
class OrderFlow:
    """Orders placed, and how many of these were paid by now."""

    placed: Figure
    paid: Figure


def order_flow(period: Period) -> OrderFlow:
    now, before = within("placed_at", period), within_before("placed_at", period)
    paid = Q(paid_at__isnull=False)
    found = Order.objects.filter(placed_at__gte=period.before_start, placed_at__lt=period.end).aggregate(
        placed=Count("pk", filter=now),
        placed_before=Count("pk", filter=before),
        paid=Count("pk", filter=now & paid),
        paid_before=Count("pk", filter=before & paid),
    )
    return OrderFlow(Figure(found["placed"], found["placed_before"]), Figure(found["paid"], found["paid_before"]))


def income(period: Period) -> Figure:
    """What was paid for orders, by the time of payment, in yuan; refunds are told apart."""
    return _summed(Order.objects.filter(paid_at__isnull=False), "paid_at", "paid_total", period)


def refunded(period: Period) -> Figure:
    """What was given back, in yuan, by the time of the refund."""
    return _summed(OrderRefund.objects.all(), "at", "amount", period)


def _summed(rows: QuerySet, time: str, amount: str, period: Period) -> Figure:
    found = rows.filter(**{f"{time}__gte": period.before_start, f"{time}__lt": period.end}).aggregate(
        now=Coalesce(Sum(amount, filter=within(time, period)), ZERO),
        before=Coalesce(Sum(amount, filter=within_before(time, period)), ZERO),
    )
    return Figure(found["now"], found["before"])


def registrations(period: Period) -> Figure:
    found = User.objects.filter(date_joined__gte=period.before_start, date_joined__lt=period.end).aggregate(
        now=Count("pk", filter=within("date_joined", period)),
        before=Count("pk", filter=within_before("date_joined", period)),
    )
    return Figure(found["now"], found["before"])


@dataclass(frozen=True)
class TierFlow:
    up: Figure
    down: Figure


def tier_flow(period: Period) -> TierFlow:
    """Members who rose and fell, as decisions; the default tier at registration is neither."""
    now, before = within("at", period), within_before("at", period)
    up, down = Q(to_rank__gt=F("from_rank")), Q(to_rank__lt=F("from_rank"))
    found = TierDecision.objects.filter(at__gte=period.before_start, at__lt=period.end).aggregate(
        up=Count("pk", filter=now & up),
        up_before=Count("pk", filter=before & up),
        down=Count("pk", filter=now & down),
        down_before=Count("pk", filter=before & down),
    )
    return TierFlow(Figure(found["up"], found["up_before"]), Figure(found["down"], found["down_before"]))


@dataclass(frozen=True)
class Bar:
    """Money and orders paid in one hour or day, and in the one that it is compared with."""

    start: datetime
    amount: Decimal
    orders: int
    before: Decimal


def income_bars(period: Period) -> list[Bar]:
    """By the hour for a single day, else by the day; empty ones included."""
    hourly = period.days == 1
    cut, step = (TruncHour, timedelta(hours=1)) if hourly else (TruncDay, timedelta(days=1))
    rows = (
        Order.objects.filter(paid_at__gte=period.before_start, paid_at__lt=period.end)
        .annotate(bar=cut("paid_at", tzinfo=SHANGHAI))
        .values("bar")
        .annotate(amount=Sum("paid_total"), orders=Count("pk"))
        .order_by("bar")
    )
    found = {row["bar"]: (row["amount"], row["orders"]) for row in rows}
    starts = [period.start + n * step for n in range(24 if hourly else period.days)]
    shift = timedelta(days=period.days)
    return [Bar(start, *found.get(start, (ZERO, 0)), before=found.get(start - shift, (ZERO, 0))[0]) for start in starts]


@dataclass(frozen=True)
class Seller:
    product_id: int
    name: str
    pieces: int
    amount: Decimal


def best_sellers(period: Period, *, limit: int) -> list[Seller]:
    """Products by what was paid for them in the period."""
    rows = (
        OrderLine.objects.filter(order__paid_at__gte=period.start, order__paid_at__lt=period.end)
        .values("product_id", name=F("product__name"))
        .annotate(sold=Sum("quantity"), amount=Sum("cash"))
        .order_by("-amount", "product_id")[:limit]
    )
    return [Seller(row["product_id"], row["name"], row["sold"], row["amount"]) for row in rows]


@dataclass(frozen=True)
class Waiting:
    """What waits for a person, right now."""

    stuck: int
    queued: int
    short: int
    held: int


def waiting(at: datetime) -> Waiting:
    states = (OrderLine.State.QUEUED, OrderLine.State.SHORT, OrderLine.State.HELD)
    lines = OrderLine.objects.filter(state__in=[*states])
    counted = dict(lines.order_by().values_list("state").annotate(Count("pk")))
    queued, short, held = (counted.get(state, 0) for state in states)
    return Waiting(stuck=stuck_orders(at).count(), queued=queued, short=short, held=held)
