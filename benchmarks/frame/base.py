"""A whole base of members, made by a few statements: who they are, what they bought and did, and where that put them.

Member number n bought on three days and was active on four; ten sums by day each. The days and amounts are drawn from n, so
that every run has the same base. Rows lie in the order of their days, as a shop writes them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection

from benchmarks.frame.crowd import open_program
from catalog.models import Category, Product, Sku
from common.clock import day_of, start_of_day
from membership.engine.versions import OneVersion
from membership.models import Program
from membership.selectors.rules import published_versions
from membership.sql.conditions import Ladder
from membership.sql.figures import Figures, Scope
from membership.sql.fragments import Sql, fill, run
from tenancy.models import Storefront

BUCKETS_EACH = 10

_SUMS = ("membership_bucket", "membership_total")
_FILLED = (*_SUMS, "membership_membertier", "membership_tierdecision")
_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s) OR contype = 'p' AND conrelid::regclass::text = ANY(%s)
"""
# A number from 0 to 9999 that is drawn from a member's number and a reason.
_DRAWN = """
CREATE OR REPLACE FUNCTION pg_temp.drawn(n bigint, why integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8(n * 64 + why)::bigint + 2147483648) %% 10000)::integer $$
"""
_USERS = """
INSERT INTO accounts_user (public_id, username, email, phone, display_name, password, is_superuser, is_staff, is_active,
    date_joined, home_storefront_id)
SELECT 'base-' || n, 'base-' || n, '', '', '', '!', FALSE, FALSE, TRUE,
    %(night)s::timestamptz - (120 + pg_temp.drawn(n, 0) %% 900) * interval '1 day', %(shop)s
FROM generate_series(1, %(people)s) AS n
"""
_MEMBERS = """
INSERT INTO membership_membertier (user_id, program_id, rank, since, stage, version_id, evaluated_at, state, evaluation)
SELECT id, %(program)s, 0, date_joined, 'active', %(version)s, date_joined, '{}'::jsonb, '{}'::jsonb
FROM accounts_user WHERE username LIKE 'base-%%' ORDER BY id
"""
# One of the days of activity leaves the window of 30 days in the night that is measured.
_BUCKETS = """
INSERT INTO membership_bucket (member_id, day, metric, category, amount, quantity, earned)
SELECT id, %(today)s::date - ago, metric, category, amount, quantity, quantity FROM (
    SELECT DISTINCT ON (m.id, kind.metric, ago) m.id, kind.metric, kind.category,
        ago,
        CASE WHEN kind.metric = 'spend' THEN (1 + pg_temp.drawn(m.id, 30 + time) %% 60000) / 100.0 * (1 + m.id %% 3)
            ELSE 0 END AS amount,
        CASE kind.metric WHEN 'spend' THEN 0 WHEN 'orders' THEN 1 ELSE 5 + pg_temp.drawn(m.id, 40 + time) %% 26 END AS quantity
    FROM membership_membertier AS m
    CROSS JOIN generate_series(1, 4) AS time
    CROSS JOIN LATERAL (VALUES ('spend', CASE m.id %% 3 WHEN 0 THEN 'game_card' ELSE 'phone_credit' END), ('orders', ''),
        ('activity', '')) AS kind (metric, category)
    CROSS JOIN LATERAL (SELECT CASE WHEN kind.metric = 'activity' AND time = 1 THEN 30
        WHEN kind.metric = 'activity' THEN 1 + pg_temp.drawn(m.id, 10 + time) %% 60
        ELSE 1 + (pg_temp.drawn(m.id, 20 + time) %% 30) + 30 * (time - 1) END AS ago) AS drawn
    WHERE m.program_id = %(program)s AND (time < 4 OR kind.metric = 'activity')
) AS told ORDER BY ago DESC
"""
_TOTALS = """
INSERT INTO membership_total (member_id, metric, category, amount, quantity, first_day)
SELECT member_id, metric, category, sum(amount), sum(quantity), min(day) FROM membership_bucket GROUP BY 1, 2, 3
UNION ALL
SELECT member_id, 'buy_days', '', 0, count(*), NULL FROM membership_bucket WHERE metric = 'orders' GROUP BY 1
ORDER BY 1
"""
_PLACED = """
WITH {ctes}, placed AS (
    SELECT scope.id, COALESCE({reached}, 0) AS rank FROM scope JOIN figures ON figures.member_id = scope.id
    JOIN flags ON flags.member_id = scope.id
)
UPDATE membership_membertier AS m SET rank = placed.rank, since = {since}, folded_to = {before}, next_check_at = {night},
    evaluation = {unknown}::jsonb, state = jsonb_build_object('rank', placed.rank, 'since', {since}, 'shown', placed.rank,
        'shown_since', {since}, 'at', {before}, 'stage', 'active', 'shown_stage', 'active', 'version', {version})
FROM placed WHERE m.id = placed.id
"""
_DECISIONS = """
INSERT INTO membership_tierdecision (member_id, from_rank, to_rank, stage, cause, activity_ref, version_id, trace, gap, day,
    at)
SELECT id, NULL, 0, 'active', 'default', '', version_id, '[]'::jsonb, '{{}}'::jsonb, {day}, {at} FROM membership_membertier
UNION ALL
SELECT id, 0, rank, 'active', 'enter', '', version_id, '[]'::jsonb, '{{}}'::jsonb, {day}, since FROM membership_membertier
WHERE rank > 0
"""


# One order of one line for each member, on one of the last thirty days, and a birthday.
_ORDERS = """
INSERT INTO orders_order (public_id, number, contact, device, language, state, list_total, total, paid_total, refunded_total,
    paid_with, placed_at, paid_at, pay_deadline, staff_note, storefront_id, buyer_id, coupon_off)
SELECT 'base-' || m.id, 'B' || m.id, '', '', '', 'delivered', 50, 45, 45, 0, 'balance', paid.at, paid.at, paid.at, '',
    %(shop)s, m.user_id, 0
FROM membership_membertier AS m CROSS JOIN LATERAL (
    SELECT %(night)s::timestamptz - (1 + m.id %% 29) * interval '1 day' AS at) AS paid
"""
_LINES = """
INSERT INTO orders_orderline (category_code, kind, state, hold_reason, product_name, sku_name, guide, warranty_days, fields,
    quantity, pieces, pieces_delivered, list_price, unit_price, list_total, cash, points_paid, refunded, order_id, product_id,
    sku_id, coupon_off)
SELECT 'game_card', 'key', 'delivered', '', '', '', '', 0, '[]'::jsonb, 1, 1, 1, 50, 45, 50, 45, 0, 0, o.id, %(product)s,
    %(sku)s, 0
FROM orders_order AS o
"""
_BIRTHDAYS = """
INSERT INTO membership_birthday (user_id, day, month_day, told_at)
SELECT user_id, make_date(1990, 1 + (id %% 12)::integer, 1 + (id %% 28)::integer), 101 + 100 * (id %% 12) + id %% 28,
    %(night)s FROM membership_membertier
"""


def sell_to_all(storefront: Storefront, now: datetime) -> None:
    """Every member of the base bought one thing lately."""
    category = Category.objects.create(code="game_card", slug="base-cards", name="点卡")
    product = Product.objects.create(slug="base", category=category, name="点卡", created_at=now, updated_at=now)
    sku = Sku.objects.create(product=product, code="BASE", name="标准", list_price=50)
    values = {"shop": storefront.pk, "night": start_of_day(day_of(now)), "product": product.pk, "sku": sku.pk}
    with connection.cursor() as cursor:
        for statement in (_ORDERS, _LINES, _BIRTHDAYS):
            cursor.execute(statement, values)


def fill_base(document: dict, *, people: int, now: datetime, since: datetime) -> tuple[Storefront, Program]:
    """So many members, who stand as of the day before `now` and wait for the midnight before it to be looked at.

    They hold their tiers since `since`.
    """
    night = start_of_day(day_of(now))
    storefront, program = open_program("base", document, night - timedelta(days=1100))
    [version] = published_versions(program.pk)
    values = {
        "people": people,
        "program": program.pk,
        "version": version.pk,
        "shop": storefront.pk,
        "night": night,
        "today": day_of(now),
    }
    with connection.cursor() as cursor, _keys_at_the_end():
        cursor.execute(_DRAWN.replace("%%", "%"))
        for statement in (_USERS, _MEMBERS, _BUCKETS, _TOTALS):
            cursor.execute(statement, values)
        cursor.execute("ANALYZE")
        _place(program, version, night, since)
    return storefront, program


@contextmanager
def _keys_at_the_end() -> Iterator[None]:
    """Foreign keys, and the primary keys of the sums, are checked once over all rows instead of ten million times."""
    with connection.cursor() as cursor:
        cursor.execute(_KEYS, [list(_FILLED), list(_SUMS)])
        keys = cursor.fetchall()
        for table, name, _ in keys:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield
        for table, name, what in keys:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {what}")


def _place(program: Program, version: OneVersion, night: datetime, since: datetime) -> None:
    before = night - timedelta(hours=12)
    figures = Figures([version.rules], day_of(before))
    ladder = Ladder(version.rules, figures)
    reached = ladder.reached(Sql("0"))
    run(
        fill(
            _PLACED,
            reached=reached,
            since=since,
            before=before,
            night=night,
            version=version.pk,
            unknown=f'{{"day": "{day_of(before)}"}}',
            ctes=figures.ctes(Scope.of_program(program.pk), Sql("m.rank")),
        )
    )
    run(fill(_DECISIONS, day=day_of(since), at=since - timedelta(days=1)))


def counts() -> Sequence[int]:
    """Members, sums by day."""
    return run(Sql("SELECT (SELECT count(*) FROM membership_membertier), (SELECT count(*) FROM membership_bucket)"))[0]
