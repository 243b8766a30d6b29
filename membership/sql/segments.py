"""Which members a draft hits: the outcomes by where people registered, how long ago, and how they bought lately.

What people bought is read from the sums of their program: the recency, frequency and money of the last 90 days.
"""

from datetime import date, datetime, timedelta

from accounts.models import User
from common.clock import start_of_day
from membership.sql.figures import BUCKETS
from membership.sql.fragments import fill, name, run
from membership.sql.outcomes import OUTCOMES

DAYS = 90
RECENT = 30

# One row per combination first: there are few of them, however many members there are.
_SEGMENTS = """WITH bought AS (
    SELECT b.member_id, max(b.day) FILTER (WHERE b.metric = 'orders') AS last,
        COALESCE(sum(b.quantity) FILTER (WHERE b.metric = 'orders'), 0) AS orders,
        COALESCE(sum(b.amount) FILTER (WHERE b.metric = 'spend'), 0) AS spend
    FROM {buckets} AS b
    WHERE b.day BETWEEN {first} AND {today} AND b.metric IN ('orders', 'spend') AND (b.quantity > 0 OR b.amount > 0)
    GROUP BY b.member_id
), groups AS (
    SELECT u.home_storefront_id::text AS storefront,
        CASE WHEN u.date_joined >= {month} THEN '30' WHEN u.date_joined >= {quarter} THEN '90'
            WHEN u.date_joined >= {year} THEN '365' ELSE 'more' END AS age,
        CASE WHEN r.last >= {recent} THEN '30' WHEN r.last IS NOT NULL THEN '90' ELSE 'more' END AS recency,
        CASE WHEN r.orders >= 5 THEN '5' WHEN r.orders >= 2 THEN '2' WHEN r.orders = 1 THEN '1' ELSE '0' END AS frequency,
        CASE WHEN r.spend >= 1000 THEN '1000' WHEN r.spend >= 200 THEN '200' WHEN r.spend > 0 THEN '1'
            ELSE '0' END AS spend,
        count(*) AS members, count(*) FILTER (WHERE t.to_rank > t.from_rank) AS up,
        count(*) FILTER (WHERE t.to_rank < t.from_rank) AS down
    FROM {outcomes} AS t JOIN {users} AS u ON u.id = t.user_id LEFT JOIN bought AS r ON r.member_id = t.member_id
    GROUP BY 1, 2, 3, 4, 5
)
SELECT s.kind, s.key, sum(members)::bigint, sum(up)::bigint, sum(down)::bigint
FROM groups CROSS JOIN LATERAL (VALUES (1, 'storefront', storefront), (2, 'age', age), (3, 'recency', recency),
    (4, 'frequency', frequency), (5, 'spend', spend)) AS s (place, kind, key)
GROUP BY s.place, s.kind, s.key ORDER BY s.place, length(s.key), s.key"""


def segments_hit(today: date) -> list[tuple[str, str, int, int, int]]:
    """(kind, key, members, up, down) as of a day; within a kind every member is in one segment.

    Kinds: storefront (its number), age of the account and recency of the last order (up to so many days, or more),
    frequency (orders from so many on) and spend (yuan from so many on) of the last 90 days.
    """
    return run(
        fill(
            _SEGMENTS,
            buckets=BUCKETS,
            outcomes=OUTCOMES,
            users=name(User._meta.db_table),
            today=today,
            first=today - timedelta(days=DAYS - 1),
            recent=today - timedelta(days=RECENT - 1),
            month=_midnight(today, 30),
            quarter=_midnight(today, 90),
            year=_midnight(today, 365),
        )
    )


def _midnight(today: date, days: int) -> datetime:
    return start_of_day(today - timedelta(days=days - 1))
