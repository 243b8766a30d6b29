"""Members who stay away: who they are, why as far as their orders say, and whether writing to them worked."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from catalog.models import Sku
from catalog.selectors import shown_stock
from insights.models import ONLY_ID, Spell, WinBackChoice, WinBackPlan
from insights.uplift import Share, Uplift, uplift
from orders.models import Order, OrderLine

Reason, Group = Spell.Reason, Spell.Group
# Somebody who waited for goods longer ago than this stays away for another reason.
SHORT_WITHIN = timedelta(days=60)

# People on Shanghai days: when last seen (signed in, active, ordered, registered) and when they last ordered. `after` walks
# by id. Who is away already has an open spell.
_AWAY = """
SELECT id, seen, ordered FROM (
    SELECT u.id,
        GREATEST(
            (u.last_login AT TIME ZONE 'Asia/Shanghai')::date,
            (u.date_joined AT TIME ZONE 'Asia/Shanghai')::date,
            (SELECT max(a.day) FROM membership_activeday a WHERE a.user_id = u.id),
            o.day
        ) AS seen,
        o.day AS ordered,
        (u.date_joined AT TIME ZONE 'Asia/Shanghai')::date AS joined
    FROM accounts_user u
    CROSS JOIN LATERAL (
        SELECT (max(paid_at) AT TIME ZONE 'Asia/Shanghai')::date AS day FROM orders_order WHERE buyer_id = u.id
    ) o
    WHERE u.id > %(after)s AND u.is_active AND NOT u.is_staff {only}
) people
WHERE (seen < %(quiet)s OR COALESCE(ordered, joined) < %(no_order)s) {open}
ORDER BY id LIMIT %(most)s
"""
_NOT_OPEN = "AND NOT EXISTS (SELECT 1 FROM insights_spell s WHERE s.user_id = people.id AND s.ended_at IS NULL)"


@dataclass(frozen=True)
class Away:
    """Somebody who has not been seen (`quiet`), or has not ordered, for as long as the plan says."""

    user_id: int
    last_seen: date
    last_order: date | None
    quiet: bool
    no_order: bool


@dataclass(frozen=True)
class Inferred:
    reason: str
    sku_id: int | None = None


def win_back_plan() -> WinBackPlan:
    return WinBackPlan.objects.select_related("coupon").get(pk=ONLY_ID)


def find_away(plan: WinBackPlan, *, today: date, after: int, most: int) -> list[Away]:
    """Members who are away and have no open spell, from the id after `after`.

    Away means that many whole days without: somebody last seen on the 1st is away for 7 days from the 9th on.
    """
    return _find(plan, today, {"after": after, "most": most}, only="", still=_NOT_OPEN)


def still_away(plan: WinBackPlan, *, today: date, user_ids: Sequence[int]) -> set[int]:
    """Which of these members are still away."""
    values = {"after": 0, "most": len(user_ids), "users": list(user_ids)}
    return {one.user_id for one in _find(plan, today, values, only="AND u.id = ANY(%(users)s)", still="")}


def _find(plan: WinBackPlan, today: date, values: dict, *, only: str, still: str) -> list[Away]:
    quiet, no_order = today - timedelta(days=plan.quiet_days), today - timedelta(days=plan.no_order_days)
    with connection.cursor() as cursor:
        cursor.execute(_AWAY.format(only=only, open=still), {**values, "quiet": quiet, "no_order": no_order})
        rows = cursor.fetchall()
    return [
        Away(user_id, seen, ordered, quiet=seen < quiet, no_order=ordered is None or ordered < no_order)
        for user_id, seen, ordered in rows
    ]


def infer_reasons(user_ids: Sequence[int], *, at: datetime) -> Mapping[int, Inferred]:
    """Why these members stay away, by what their orders say: see `_infer`."""
    latest = {
        order.buyer_id: order.state
        for order in Order.objects.filter(buyer__in=user_ids)
        .order_by("buyer", "-pk")
        .distinct("buyer")
        .only("state", "buyer")
    }
    waited = _lines(user_ids).filter(
        Q(state=OrderLine.State.SHORT) | Q(pieces_waived__gt=0), order__placed_at__gte=at - SHORT_WITHIN
    )
    short = dict(waited.values_list("order__buyer", "sku"))
    bought = dict(_lines(user_ids).filter(order__paid_at__isnull=False).values_list("order__buyer", "sku"))
    skus = Sku.objects.filter(pk__in=set(bought.values()), status=Sku.Status.ACTIVE).select_related("product")
    stock = shown_stock(skus)
    gone = {pk for pk, left in stock.items() if not left}
    return {user_id: _infer(latest.get(user_id), short.get(user_id), bought.get(user_id), gone) for user_id in user_ids}


def _lines(user_ids: Sequence[int]):
    """The latest line of each member."""
    return (
        OrderLine.objects.filter(order__buyer__in=user_ids)
        .order_by("order__buyer", "-order", "-pk")
        .distinct("order__buyer")
    )


def _infer(latest: str | None, short: int | None, bought: int | None, gone: set[int]) -> Inferred:
    """缺货: goods that they paid for were missing, or what they bought last is sold out. 操作复杂: their latest order was
    never paid. Otherwise nobody knows, and they are asked."""
    if short is not None:
        return Inferred(Reason.STOCK, short)
    if latest in {Order.State.EXPIRED, Order.State.CANCELLED}:
        return Inferred(Reason.HARD)
    if bought in gone:
        return Inferred(Reason.STOCK, bought)
    return Inferred(Reason.UNKNOWN)


def group_of(user_id: int, *, control_percent: int) -> str:
    """Treated or control, by a hash of the member: the same at every spell, and even over members."""
    digest = hashlib.sha256(f"win-back:{user_id}".encode()).digest()
    return Group.CONTROL if int.from_bytes(digest[:8], "big") % 10_000 < control_percent * 100 else Group.TREATED


def spells_to_act_on(plan: WinBackPlan, *, at: datetime) -> QuerySet[Spell]:
    """Open spells of the treated that something can be done about now, the latest first.

    Not of members who want no such messages or were written to lately, and not while what they miss is sold out.
    """
    open_ones = Spell.objects.filter(ended_at=None, group=Group.TREATED, action="")
    missing = Sku.objects.filter(pk__in=open_ones.filter(sku__isnull=False).values("sku")).select_related("product")
    gone = [pk for pk, left in shown_stock(missing).items() if not left]
    lately = Spell.objects.filter(user=OuterRef("user"), acted_at__gt=at - timedelta(days=plan.rest_days))
    return (
        open_ones.exclude(sku__in=gone)
        .exclude(Exists(WinBackChoice.objects.filter(pk=OuterRef("user"))) | Exists(lately))
        .order_by("-pk")
    )


def open_spell(user_id: int) -> Spell | None:
    return Spell.objects.filter(user=user_id, ended_at=None).first()


def wants_no_comeback(user_id: int) -> bool:
    return WinBackChoice.objects.filter(pk=user_id).exists()


@dataclass(frozen=True)
class Row:
    """One line of the report: by the inferred reason, or all. `written` of the treated were written to."""

    label: str
    result: Uplift
    written: int


@dataclass(frozen=True)
class Report:
    """Spells whose days of watching are over, by their group; `open_now` and `watching` are not in the rows."""

    rows: Sequence[Row]
    open_now: int
    watching: int
    left_out: int


def win_back_report(plan: WinBackPlan, *, at: datetime) -> Report:
    """How many ordered again within the days of watching: all who were assigned to a group, written to or not.

    Counting only who was written to would compare people with goods back in stock to people without.
    """
    watch = timedelta(days=plan.watch_days)
    done, back = Q(flagged_at__lte=at - watch), Q(ordered_at__lte=F("flagged_at") + watch)
    treated, control = Q(group=Group.TREATED), Q(group=Group.CONTROL)
    counts = {
        "treated": Count("pk", filter=treated),
        "treated_back": Count("pk", filter=treated & back),
        "control": Count("pk", filter=control),
        "control_back": Count("pk", filter=control & back),
        "written": Count("pk", filter=~Q(action="")),
    }
    found = {row["reason"]: row for row in Spell.objects.filter(done).values("reason").annotate(**counts).order_by()}
    whole = {name: sum(row[name] for row in found.values()) for name in counts}
    rows = [_row("", whole), *(_row(reason, found[reason]) for reason in Reason.values if reason in found)]
    others = Spell.objects.aggregate(
        open_now=Count("pk", filter=Q(ended_at=None)),
        watching=Count("pk", filter=~done),
        left_out=Count("pk", filter=Q(group=Group.LEFT_OUT)),
    )
    return Report(rows, **others)


def _row(reason: str, counts: Mapping[str, int]) -> Row:
    treated = Share(counts["treated_back"], counts["treated"])
    control = Share(counts["control_back"], counts["control"])
    return Row(str(Reason(reason).label) if reason else "", uplift(treated, control), counts["written"])
