"""A draft tried out on a whole base, against bare SQL that asks the same of the same base.

Members stand as the night left them, each with ten sums by day, one sale in the last 30 days and a birthday. The draft asks
for more; it is computed as of now, 30 and 90 days ago: who moves, what it costs, whom it hits, with samples and their traces.
The bare side is written by hand for these rules: it places everybody, counts the moves, weighs the sales, counts the
segments. It knows nothing of offers, overrides and jumps, and shows no trace. Both are run several times in turn.
"""

import argparse
from copy import deepcopy
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction

from benchmarks.frame import database, machine, samples
from benchmarks.frame.base import fill_base, sell_to_all
from benchmarks.frame.report import Bench
from benchmarks.nightly import document
from common import clock
from common.clock import day_of, start_of_day
from membership.models import Benefit, MemberTier, Program, RuleSetVersion, TierDecision, TierRule, WhatIf
from membership.services import ask_what_if, draft_rule_set, recalculate, run_what_if

PEOPLE = 100_000
ROOM = "SET LOCAL work_mem = '256MB'; SET LOCAL jit = off; SET LOCAL enable_nestloop = off"
# Everybody at a day: the sums up to it, the rank held then, and the rank by the draft.
PLACED = """
CREATE TEMPORARY TABLE bare_outcome ON COMMIT DROP AS
WITH days AS MATERIALIZED (
    SELECT b.member_id,
        round(sum(b.amount * CASE b.category WHEN 'game_card' THEN 1.5 ELSE 1 END)
            FILTER (WHERE b.metric = 'spend' AND b.day BETWEEN %(day)s::date - 89 AND %(day)s::date), 2) AS spent,
        sum(b.quantity) FILTER (WHERE b.metric = 'activity' AND b.day BETWEEN %(day)s::date - 29 AND %(day)s::date) AS active,
        sum(b.quantity) FILTER (WHERE b.metric = 'disputes_upheld' AND b.day BETWEEN %(day)s::date - 89 AND %(day)s::date)
            AS disputes,
        sum(b.amount) FILTER (WHERE b.metric = 'spend' AND b.day > %(day)s::date) AS later
    FROM membership_bucket AS b WHERE b.day >= %(day)s::date - 89 GROUP BY b.member_id
), life AS MATERIALIZED (
    SELECT t.member_id, sum(t.amount) FILTER (WHERE t.metric = 'spend') AS spent FROM membership_total AS t GROUP BY 1
), figures AS MATERIALIZED (
    SELECT m.id AS member_id, m.user_id, COALESCE(life.spent, 0) - COALESCE(days.later, 0) AS spent,
        COALESCE(days.spent, 0) AS lately, COALESCE(days.active, 0) AS active, COALESCE(days.disputes, 0) AS disputes,
        CASE WHEN %(now)s THEN m.rank ELSE (SELECT d.to_rank FROM membership_tierdecision AS d
            WHERE d.member_id = m.id AND d.at <= %(at)s ORDER BY d.id DESC LIMIT 1) END AS rank
    FROM membership_membertier AS m LEFT JOIN days ON days.member_id = m.id LEFT JOIN life ON life.member_id = m.id
    WHERE m.program_id = %(program)s
), tier (rank, spent, spent_before, active, life) AS (
    VALUES (1, 400.00, 300.00, 10, 2000), (2, 600.00, 600.00, 20, 4000), (3, 1000.00, 1000.00, 30, 6000),
        (4, 1500.00, 1500.00, 40, 8000)
), kept AS MATERIALIZED (
    SELECT f.*, f.spent * 2 >= t.life OR f.lately * 2 >= t.spent AND f.active * 2 >= t.active AS by_draft,
        f.spent * 2 >= t.life OR f.lately * 2 >= t.spent_before AND f.active * 2 >= t.active AS by_rules
    FROM figures AS f LEFT JOIN tier AS t ON t.rank = f.rank WHERE f.rank IS NOT NULL AND f.disputes = 0
)
SELECT f.member_id, f.user_id, f.rank AS from_rank, COALESCE(
    (SELECT max(t.rank) FROM tier AS t WHERE t.rank > f.rank
        AND (f.spent >= t.life OR f.lately >= t.spent AND f.active >= t.active)),
    CASE WHEN f.rank = 0 OR f.by_draft OR NOT f.by_rules THEN f.rank ELSE COALESCE((
        SELECT max(t.rank) FROM tier AS t WHERE t.rank < f.rank
            AND (f.spent * 2 >= t.life OR f.lately * 2 >= t.spent AND f.active * 2 >= t.active)), 0) END) AS to_rank
FROM kept AS f
"""
MOVES = "SELECT from_rank, to_rank, count(*) FROM bare_outcome GROUP BY 1, 2"
COSTS = """
WITH rate AS (SELECT r.rank, r.version_id, g.kind, g.value FROM membership_benefit AS g
    JOIN membership_tierrule AS r ON r.id = g.tier_id)
SELECT sum(round(l.quantity * l.list_price * (1 - COALESCE(a.value, 1)), 2)),
    sum(round(l.quantity * l.list_price * (1 - COALESCE(b.value, 1)), 2)),
    sum(floor(l.cash * COALESCE(c.value, 0))), sum(floor(l.cash * COALESCE(d.value, 0))), count(*)
FROM orders_order AS o JOIN orders_orderline AS l ON l.order_id = o.id JOIN bare_outcome AS t ON t.user_id = o.buyer_id
    LEFT JOIN rate AS a ON a.rank = t.from_rank AND a.version_id = %(version)s AND a.kind = 'price_rate'
    LEFT JOIN rate AS b ON b.rank = t.to_rank AND b.version_id = %(draft)s AND b.kind = 'price_rate'
    LEFT JOIN rate AS c ON c.rank = t.from_rank AND c.version_id = %(version)s AND c.kind = 'points_back'
    LEFT JOIN rate AS d ON d.rank = t.to_rank AND d.version_id = %(draft)s AND d.kind = 'points_back'
WHERE o.paid_at >= %(at)s - interval '30 days' AND o.paid_at < %(at)s
"""
SEGMENTS = """
WITH bought AS (
    SELECT b.member_id, max(b.day) FILTER (WHERE b.metric = 'orders') AS last,
        sum(b.quantity) FILTER (WHERE b.metric = 'orders') AS orders, sum(b.amount) FILTER (WHERE b.metric = 'spend') AS spent
    FROM membership_bucket AS b WHERE b.day BETWEEN %(day)s::date - 89 AND %(day)s::date AND b.metric IN ('orders', 'spend')
    GROUP BY b.member_id
)
SELECT u.home_storefront_id, width_bucket(%(day)s::date - u.date_joined::date, ARRAY[30, 90, 365]),
    b.last >= %(day)s::date - 29, width_bucket(COALESCE(b.orders, 0), ARRAY[1, 2, 5]::numeric[]),
    width_bucket(COALESCE(b.spent, 0), ARRAY[0.01, 200, 1000]), count(*), count(*) FILTER (WHERE t.to_rank > t.from_rank),
    count(*) FILTER (WHERE t.to_rank < t.from_rank)
FROM bare_outcome AS t JOIN accounts_user AS u ON u.id = t.user_id LEFT JOIN bought AS b ON b.member_id = t.member_id
GROUP BY 1, 2, 3, 4, 5
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=PEOPLE, help="members, of ten sums by day each (100,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is run (5)")


def run(bench: Bench, options: argparse.Namespace) -> None:
    midnight = start_of_day(day_of(clock.now()))
    night = midnight + timedelta(hours=3, minutes=10)
    bench.say(f"a base of {options.people} members, as the night leaves it")
    storefront, program = fill_base(document(), people=options.people, now=night, since=midnight - timedelta(days=60))
    sell_to_all(storefront, night)
    with clock.travel(night):
        recalculate(everyone=False)
    at = night + timedelta(hours=6)
    with clock.travel(at):
        version, draft = versions(program)
        database.settle()
        before = TierDecision.objects.count(), written(program)
        sides = {"ours": partial(ours, draft), "bare": partial(bare, program, version, draft, at)}
        found = samples.interleave(options.rounds, sides, seed=bench.seed)
        if (TierDecision.objects.count(), written(program)) != before:
            raise RuntimeError("a what-if wrote something")
    moves = [moves for _, moves in (*found["ours"], *found["bare"])]
    if any(one != moves[0] for one in moves) or sum(moves[0].values()) != options.people:
        raise RuntimeError(f"the two sides place members differently: {moves[0]} and {moves[-1]}")
    took, bare_took = ([seconds for seconds, _ in found[side]] for side in ("ours", "bare"))
    bench.keep("what-if, s", took)
    bench.keep("bare, s", bare_took)
    moved = sum(count for (one, other), count in moves[0].items() if one != other)
    bench.note(f"{options.people:,} members, of whom {moved:,} would move; now, 30 and 90 days ago; both sides agree")
    if options.people != PEOPLE:
        bench.note(f"The promise is about {PEOPLE:,} members.")
    middle, bare_middle = samples.median(took), samples.median(bare_took)
    bench.figure("what-if", middle, "s", target="<= 3", of=took)
    bench.figure("bare statements", bare_middle, "s", of=bare_took)
    bench.figure("times the bare statements", middle / bare_middle)
    bench.figure("most Python memory", machine.peak_megabytes(), "MB")


def versions(program: Program) -> tuple[RuleSetVersion, RuleSetVersion]:
    """The rules in force and a draft that asks for more, both with prices and points."""
    harder = deepcopy(document())
    harder["tiers"][1]["enter"]["any"][1]["all"][0]["v"] = "400.00"
    version = program.versions.get(status="published")
    draft = draft_rule_set(program=program, document=harder, author=None)
    kinds = ((Benefit.Kind.PRICE_RATE, "0.95"), (Benefit.Kind.POINTS_BACK, "1"))
    Benefit.objects.bulk_create(
        Benefit(tier=tier, kind=kind, layer=Benefit.Layer.EVERYDAY, value=value)
        for tier in TierRule.objects.filter(version=draft, rank__gt=0)
        for kind, value in kinds
    )
    return version, draft


def written(program: Program) -> list:
    """What a what-if must leave alone."""
    rows = MemberTier.objects.filter(program=program).order_by("pk")
    return list(rows.values_list("pk", "rank", "stage", "next_check_at", "evaluated_at"))


def ours(draft: RuleSetVersion) -> tuple[float, dict]:
    asked = ask_what_if(version_id=draft.pk, asked_by=None)
    with samples.timed() as watch:
        asked = run_what_if(what_if_id=asked.pk)
    if asked.status != WhatIf.Status.DONE:
        raise RuntimeError(f"the what-if ended as {asked.status}")
    return watch.seconds, {(one, other): count for one, other, count in asked.result["0"]["matrix"]}


def bare(program: Program, version: RuleSetVersion, draft: RuleSetVersion, as_of: datetime) -> tuple[float, dict]:
    moves: dict = {}
    with samples.timed() as watch:
        for ago in WhatIf.AGO:
            at = as_of - timedelta(days=ago)
            values = {"day": day_of(at), "at": at, "now": not ago, "program": program.pk}
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(ROOM)
                cursor.execute(PLACED, values)
                cursor.execute(MOVES)
                moves = moves or {(one, other): count for one, other, count in cursor.fetchall()}
                cursor.execute(COSTS, {"at": at, "version": version.pk, "draft": draft.pk})
                cursor.fetchall()
                cursor.execute(SEGMENTS, values)
                cursor.fetchall()
                cursor.execute("DROP TABLE bare_outcome")
    return watch.seconds, moves
