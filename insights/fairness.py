# ruff: noqa: S608 -- statements are put together from constants of this module; what is asked comes as parameters.
"""Whether tiers treat people fairly: who is where, who gets what, who waits how long. Each figure is an aggregate of rows
that can be listed: one statement names the rows, the figures are counted over it.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count

from insights.flows import Flow
from insights.spans import DaySpan
from membership.models import MemberTier, Program, TierDecision

# The rank that a buyer held at a moment: the last decision until then.
_HELD = """(SELECT d.to_rank FROM membership_tierdecision AS d WHERE d.member_id = m.id AND d.at <= {moment}
    ORDER BY d.at DESC, d.id DESC LIMIT 1)"""

# Yuan that member prices took off an order.
_BENEFITS = f"""
SELECT {_HELD.format(moment="o.paid_at")} AS rank, o.buyer_id AS user_id, -sum(step.amount) AS value, o.paid_at AS at,
    o.id AS order_id, FALSE AS open
FROM orders_order AS o
JOIN orders_orderline AS line ON line.order_id = o.id
JOIN orders_pricestep AS step ON step.line_id = line.id AND step.stage = 'member'
JOIN membership_membertier AS m ON m.user_id = o.buyer_id AND m.program_id = %(program)s
WHERE o.paid_at >= %(start)s AND o.paid_at < %(end)s GROUP BY m.id, o.id HAVING sum(step.amount) < 0"""
# Seconds from payment to the end of delivery, of orders with goods of some kinds; `open` where there was a wait at all.
_WAITED = """
SELECT {rank} AS rank, o.buyer_id AS user_id, extract(epoch FROM max(line.delivered_at) - o.paid_at)::numeric AS value,
    o.paid_at AS at, o.id AS order_id, max(line.delivered_at) > o.paid_at AS open
FROM orders_order AS o
JOIN orders_orderline AS line ON line.order_id = o.id
JOIN membership_membertier AS m ON m.user_id = o.buyer_id AND m.program_id = %(program)s
WHERE o.paid_at >= %(start)s AND o.paid_at < %(end)s AND line.kind {kinds} AND line.delivered_at IS NOT NULL
GROUP BY m.id, o.id"""

# Each names rows as (rank, user_id, value, at, order_id, open): `value` is what the figure is about.
_ROWS = {
    "benefits": _BENEFITS,
    # Yuan that member prices took off everything that a member bought, nothing included; `at` is when they joined.
    "members": f"""
SELECT m.rank, m.user_id, COALESCE(sum(got.value), 0) AS value, u.date_joined AS at, NULL::bigint AS order_id,
    COALESCE(sum(got.value), 0) > 0 AS open
FROM membership_membertier AS m JOIN accounts_user AS u ON u.id = m.user_id
LEFT JOIN ({_BENEFITS}) AS got ON got.user_id = m.user_id
WHERE m.program_id = %(program)s GROUP BY m.id, u.date_joined""",
    # Goods that are delivered by themselves: what is in stock is handed over in the transaction that books the payment.
    "waiting": _WAITED.format(rank=_HELD.format(moment="o.paid_at"), kinds="IN ('key', 'reusable', 'bundle')"),
    # Goods that staff deliver, top up or open by hand.
    "by_hand": _WAITED.format(rank=_HELD.format(moment="o.paid_at"), kinds="NOT IN ('key', 'reusable', 'bundle')"),
    # Days in a tier, of stays that ended within the days or were going on at their end.
    "stays": """
SELECT rank, user_id, round(extract(epoch FROM LEAST(COALESCE(until, %(end)s), %(end)s) - at)::numeric / 86400, 2)
    AS value, at, NULL::bigint AS order_id, (until IS NULL OR until >= %(end)s) AS open
FROM (
    SELECT d.to_rank AS rank, m.user_id, d.at, lead(d.at) OVER (PARTITION BY d.member_id ORDER BY d.at, d.id) AS until
    FROM membership_tierdecision AS d JOIN membership_membertier AS m ON m.id = d.member_id
    WHERE m.program_id = %(program)s AND d.from_rank IS DISTINCT FROM d.to_rank
) AS spells
WHERE at < %(end)s AND (until IS NULL OR until >= %(start)s)""",
    # Hours from joining to the first paid order within a week; nothing where there was none. The week is over.
    "newcomers": f"""
SELECT {_HELD.format(moment="u.date_joined + interval '7 days'")} AS rank, m.user_id,
    round(extract(epoch FROM bought.first - u.date_joined)::numeric / 3600, 2) AS value, u.date_joined AS at,
    bought.order_id, EXISTS (SELECT 1 FROM membership_checkin AS c WHERE c.user_id = m.user_id
        AND c.at < u.date_joined + interval '7 days') AS open
FROM membership_membertier AS m JOIN accounts_user AS u ON u.id = m.user_id
LEFT JOIN LATERAL (SELECT o.paid_at AS first, o.id AS order_id FROM orders_order AS o WHERE o.buyer_id = m.user_id
    AND o.paid_at >= u.date_joined AND o.paid_at < u.date_joined + interval '7 days' ORDER BY o.paid_at LIMIT 1)
    AS bought ON TRUE
WHERE m.program_id = %(program)s AND u.date_joined >= %(start)s AND u.date_joined < %(end)s
    AND u.date_joined + interval '7 days' <= %(at)s""",
}
TABLES = tuple(_ROWS)
# Which of a table's rows: those that are `open`, those that are not, those that have a value.
_ONLY = {"": "TRUE", "open": "open", "over": "NOT open", "known": "value IS NOT NULL"}
PARTS = tuple(_ONLY)


@dataclass(frozen=True)
class Asked:
    """Which program, which days, as of when."""

    program: Program
    span: DaySpan
    at: datetime

    @property
    def values(self) -> dict[str, Any]:
        return {"program": self.program.pk, "start": self.span.start, "end": min(self.span.end, self.at), "at": self.at}


@dataclass(frozen=True)
class Figures:
    """Of one tier: rows, their sum, median and 95th percentile; the share of rows that are `open`."""

    rank: int
    rows: int
    people: int
    total: Decimal
    median: Decimal | None
    p95: Decimal | None
    open: int
    known: int


@dataclass(frozen=True)
class FairRow:
    rank: int
    user_id: int
    value: Decimal | None
    at: datetime
    order_id: int | None
    open: bool


def _run(statement: str, values: dict[str, Any]) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def by_tier(table: str, asked: Asked, *, only: str = "") -> list[Figures]:
    """The figures of each rank that has rows; `only` is one of PARTS."""
    statement = f"""SELECT COALESCE(rank, 0), count(*), count(DISTINCT user_id), COALESCE(sum(value), 0),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY value)::numeric, percentile_cont(0.95) WITHIN GROUP (ORDER BY value)::numeric,
    count(*) FILTER (WHERE open), count(value)
FROM ({_ROWS[table]}) AS found WHERE {_ONLY[only]} GROUP BY 1 ORDER BY 1"""
    return [Figures(*row) for row in _run(statement, asked.values)]


def rows_of(
    table: str, asked: Asked, rank: int | None, *, only: str = "", limit: int, offset: int
) -> tuple[list[FairRow], int]:
    """The rows behind a figure, the largest value first, and how many there are in all; `only` is one of PARTS."""
    wanted = f"WHERE {_ONLY[only]}" + (" AND COALESCE(rank, 0) = %(rank)s" if rank is not None else "")
    values = {**asked.values, "rank": rank, "limit": limit, "offset": offset}
    [(count,)] = _run(f"SELECT count(*) FROM ({_ROWS[table]}) AS found {wanted}", values)
    found = _run(
        f"SELECT COALESCE(rank, 0), user_id, value, at, order_id, open FROM ({_ROWS[table]}) AS found {wanted}"
        " ORDER BY value DESC NULLS LAST, at, user_id LIMIT %(limit)s OFFSET %(offset)s",
        values,
    )
    return [FairRow(*row) for row in found], count


def members_by_tier(program: Program) -> dict[int, int]:
    rows = MemberTier.objects.filter(program=program).order_by().values_list("rank").annotate(Count("pk"))
    return dict(rows)


def flows(asked: Asked) -> list[Flow]:
    """Decisions of the days that moved a member, by where from and where to."""
    rows = (
        TierDecision.objects.filter(
            member__program=asked.program, at__gte=asked.span.start, at__lt=asked.span.end, from_rank__isnull=False
        )
        .order_by()
        .values_list("from_rank", "to_rank")
        .annotate(Count("pk"))
    )
    return [Flow(*row) for row in rows if row[0] != row[1]]


def gini_of_benefits(asked: Asked) -> Decimal | None:
    """How unevenly member prices fall on members, those who got nothing included: 0 all alike, 1 one has all.

    None where nobody got anything.
    """
    statement = f"""WITH ordered AS (
    SELECT value, row_number() OVER (ORDER BY value) AS place, count(*) OVER () AS members
    FROM ({_ROWS["members"]}) AS got
)
SELECT CASE WHEN sum(value) > 0 THEN
    2 * sum(place * value) / (max(members) * sum(value)) - (max(members) + 1)::numeric / max(members) END
FROM ordered"""
    [(found,)] = _run(statement, asked.values)
    return found
