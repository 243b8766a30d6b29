"""A program with a crowd, made by a few statements: people who spent for some days and stand where the rules put them."""

from datetime import datetime, timedelta

from django.db import connection

from common import clock
from common.clock import day_of
from membership.models import MemberTier
from membership.services import recalculate
from tests.membership.club import Club

# Member number n spends (n % 700) + 700 yuan in two orders: one n % 25 days ago, one up to 75 days earlier. Who spent 1,000
# reached the first tier 60 days ago.
_USERS = """
INSERT INTO accounts_user (public_id, username, email, phone, display_name, password, is_superuser, is_staff, is_active,
    date_joined, home_storefront_id)
SELECT 'crowd' || %(club)s || '-' || n, 'crowd' || %(club)s || '-' || n, '', '', '', '!', FALSE, FALSE, TRUE,
    %(at)s::timestamptz - (100 + n %% 400) * interval '1 day', %(shop)s
FROM generate_series(1, %(count)s) AS n RETURNING id
"""
_MEMBERS = """
INSERT INTO membership_membertier (user_id, program_id, rank, since, stage, version_id, evaluated_at, state, folded_to,
    evaluation, next_check_at)
SELECT id, %(program)s, rank, since, 'active', %(version)s, %(last)s, jsonb_build_object(
    'rank', rank, 'since', since, 'shown', rank, 'shown_since', since, 'at', %(last)s::timestamptz, 'stage', 'active',
    'shown_stage', 'active', 'version', %(version)s), %(last)s, '{"day": "2026-01-01"}'::jsonb, %(at)s::timestamptz
FROM (
    SELECT id, rank, CASE rank WHEN 0 THEN date_joined ELSE %(at)s::timestamptz - interval '60 days' END AS since
    FROM (SELECT id, date_joined, (row_number() OVER (ORDER BY id) %% 700 >= 300)::integer AS rank
        FROM accounts_user WHERE id = ANY(%(users)s)) AS ranked
) AS people ORDER BY id
"""
_DECISIONS = """
INSERT INTO membership_tierdecision (member_id, from_rank, to_rank, stage, cause, activity_ref, version_id, trace, gap, day,
    at)
SELECT m.id, NULL, 0, 'active', 'default', '', %(version)s, '[]'::jsonb, '{}'::jsonb,
    (u.date_joined AT TIME ZONE 'Asia/Shanghai')::date, u.date_joined
FROM membership_membertier AS m JOIN accounts_user AS u ON u.id = m.user_id WHERE m.program_id = %(program)s
UNION ALL
SELECT m.id, 0, 1, 'active', 'enter', '', %(version)s, '[]'::jsonb, '{}'::jsonb,
    (m.since AT TIME ZONE 'Asia/Shanghai')::date, m.since
FROM membership_membertier AS m WHERE m.program_id = %(program)s AND m.rank = 1
"""
_BUCKETS = """
INSERT INTO membership_bucket (member_id, day, metric, category, amount, quantity)
SELECT m.id, %(today)s::date - (n %% 25 + first * (1 + n %% 75))::integer, metric, category,
    CASE WHEN metric = 'spend' THEN (n %% 700 + 700) / 2.0 ELSE 0 END, CASE WHEN metric = 'orders' THEN 1 ELSE 0 END
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM membership_membertier WHERE program_id = %(program)s) AS m
CROSS JOIN generate_series(0, 1) AS first
CROSS JOIN (VALUES ('spend', 'game_card'), ('orders', '')) AS kinds (metric, category)
"""
_TOTALS = """
INSERT INTO membership_total (member_id, metric, category, amount, quantity, first_day)
SELECT b.member_id, b.metric, b.category, sum(b.amount), sum(b.quantity), min(b.day)
FROM membership_bucket AS b JOIN membership_membertier AS m ON m.id = b.member_id
WHERE m.program_id = %(program)s GROUP BY 1, 2, 3
"""


def gather(club: Club, count: int, at: datetime) -> list[int]:
    """Let so many people join the club, all evaluated as of `at`; returns the numbers of the members.

    The first tier of the club has to be the one that 1,000 yuan in 90 days (or a life) enter.
    """
    values = {
        "club": club.program.pk,
        "program": club.program.pk,
        "version": club.version.pk,
        "shop": club.storefront.pk,
        "count": count,
        "at": at - timedelta(hours=1),
        "last": at - timedelta(days=1),
        "today": day_of(at),
    }
    with connection.cursor() as cursor:
        cursor.execute(_USERS, values)
        values["users"] = [row[0] for row in cursor.fetchall()]
        for statement in (_MEMBERS, _DECISIONS, _BUCKETS, _TOTALS):
            cursor.execute(statement, values)
    with clock.travel(at):
        recalculate(everyone=False)
    return list(MemberTier.objects.filter(program=club.program).order_by("pk").values_list("pk", flat=True))
