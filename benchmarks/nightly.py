"""The nightly pass over a whole base, everybody due, against one bare SQL statement that does the same.

Every member has ten sums by day, of which one leaves the window in the night that is measured: all are due, all figures
change, every evaluation is written anew, and whoever no longer keeps a tier is warned. The bare statement reads the same
sums, judges the same conditions in SQL written by hand, and writes the same columns; it is rolled back.
"""

import argparse
from datetime import datetime, timedelta

from django.db import connection, reset_queries, transaction

from benchmarks.frame import database, machine, samples
from benchmarks.frame.base import counts, fill_base
from benchmarks.frame.report import Bench
from common import clock
from common.clock import day_of, start_of_day
from membership.models import MemberTier, TierDecision
from membership.services import recalculate

PEOPLE = 1_000_000


# The same night by hand: the same sums, thresholds and columns, written for these rules and no others.
BARE = """
WITH days AS MATERIALIZED (
    SELECT b.member_id,
        round(sum(b.amount * CASE b.category WHEN 'game_card' THEN 1.5 ELSE 1 END) FILTER (WHERE b.metric = 'spend'), 2) AS spent,
        sum(b.quantity) FILTER (WHERE b.metric = 'activity' AND b.day > %(today)s::date - 30) AS active,
        sum(b.quantity) FILTER (WHERE b.metric = 'disputes_upheld') AS disputes,
        LEAST(min(b.day) FILTER (WHERE b.metric IN ('spend', 'disputes_upheld') AND (b.amount <> 0 OR b.quantity <> 0)) + 90,
            min(b.day) FILTER (WHERE b.metric = 'activity' AND b.quantity <> 0 AND b.day > %(today)s::date - 30) + 30) AS next
    FROM membership_bucket AS b WHERE b.day > %(today)s::date - 90 AND b.day <= %(today)s::date GROUP BY b.member_id
), life AS MATERIALIZED (
    SELECT t.member_id, sum(t.amount) FILTER (WHERE t.metric = 'spend') AS spent,
        sum(t.quantity) FILTER (WHERE t.metric = 'invitee_active') AS friends
    FROM membership_total AS t GROUP BY t.member_id
), figures AS MATERIALIZED (
    SELECT m.id, m.user_id, m.rank, m.since, COALESCE(life.spent, 0) AS spent, COALESCE(days.spent, 0) AS lately,
        COALESCE(days.active, 0) AS active, COALESCE(days.disputes, 0) AS disputes, COALESCE(life.friends, 0) AS friends,
        days.next
    FROM membership_membertier AS m LEFT JOIN days ON days.member_id = m.id LEFT JOIN life ON life.member_id = m.id
    WHERE m.next_check_at <= %(night)s AND m.stage = 'active' AND m.folded_to < %(midnight)s
), judged AS MATERIALIZED (
    SELECT f.*, f.rank = 0 OR f.spent >= f.rank * 1000 OR f.active >= f.rank * 5
            AND f.lately >= (ARRAY[150.00, 300.00, 500.00, 750.00])[f.rank] OR f.since > %(midnight)s - interval '14 days' AS kept
    FROM figures AS f WHERE f.friends < 10 AND f.disputes = 0 AND NOT EXISTS (
        SELECT 1 FROM (VALUES (1, 300.00, 10), (2, 600.00, 20), (3, 1000.00, 30), (4, 1500.00, 40)) AS tier (rank, spent, active)
        WHERE tier.rank > f.rank AND (f.spent >= tier.rank * 2000 OR f.lately >= tier.spent AND f.active >= tier.active)
    )
), warned AS (
    INSERT INTO membership_tierdecision
        (member_id, from_rank, to_rank, stage, cause, activity_ref, version_id, trace, gap, day, at)
    SELECT j.id, j.rank, j.rank, 'warned', 'warn', '', %(version)s,
        jsonb_build_object('figures', jsonb_build_array(j.spent::text, j.lately::text, j.active, j.disputes, j.friends)),
        jsonb_build_object('spend:life', ((j.rank + 1) * 2000 - j.spent)::text), %(today)s, %(midnight)s
    FROM judged AS j WHERE NOT j.kept RETURNING id, member_id, from_rank
), told AS (
    INSERT INTO events_event (kind, version, payload, occurred_at)
    SELECT 'tier.changed', 1, jsonb_build_object('decision_id', w.id, 'user_id', j.user_id, 'from_rank', w.from_rank,
        'to_rank', w.from_rank, 'to_name', '等级 ' || w.from_rank, 'cause', 'warn', 'changed_at', %(midnight)s), %(midnight)s
    FROM warned AS w JOIN judged AS j ON j.id = w.member_id
)
UPDATE membership_membertier AS m SET stage = CASE WHEN j.kept THEN 'active' ELSE 'warned' END,
    next_check_at = (CASE WHEN j.kept THEN j.next ELSE %(today)s::date + 1 END)::timestamp AT TIME ZONE 'Asia/Shanghai',
    state = m.state || jsonb_build_object('at', %(midnight)s, 'stage', CASE WHEN j.kept THEN 'active' ELSE 'warned' END),
    evaluation = jsonb_build_object('day', %(today)s::date, 'figures',
        jsonb_build_array(j.spent::text, j.lately::text, j.active, j.disputes, j.friends)),
    folded_to = %(midnight)s, version_id = %(version)s, evaluated_at = %(night)s
FROM judged AS j WHERE j.id = m.id
"""
# As much room for it as a slice of ours has, for all at once.
ROOM = "SET LOCAL work_mem = '1GB'; SET LOCAL jit = off"


def document() -> dict:
    """Four tiers by what was spent and done in 30 days or a whole life, with a weight, a gate and a jump."""
    tiers: list[dict] = [{"rank": 0, "name": "普通会员"}]
    for rank, (spent, points) in enumerate((("300.00", 10), ("600.00", 20), ("1000.00", 30), ("1500.00", 40)), 1):
        tiers.append(
            {
                "rank": rank,
                "name": f"等级 {rank}",
                "enter": {
                    "any": [
                        {"m": "spend", "win": "life", "op": ">=", "v": f"{rank * 2000}.00"},
                        {
                            "all": [
                                {"m": "spend", "win": "90d", "w": "cat_v3", "op": ">=", "v": spent},
                                {"m": "activity", "win": "30d", "op": ">=", "v": points},
                            ]
                        },
                    ]
                },
                "keep": {"scale": "0.5"},
                "gates": [{"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}],
                "min_stay_days": 14,
                "grace_days": 14,
            }
        )
    friends = [{"m": "invitee_active", "win": "life", "op": ">=", "v": 10}]
    return {
        "weights": {"cat_v3": {"default": "1", "game_card": "1.5"}},
        "jumps": [{"id": "ambassador", "up": 2, "when": {"all": friends}}],
        "tiers": tiers,
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--people", type=int, default=PEOPLE, help="members, of ten sums by day each (1,000,000)")


def run(bench: Bench, options: argparse.Namespace) -> None:
    midnight = start_of_day(day_of(clock.now()))
    night = midnight + timedelta(hours=3, minutes=10)
    bench.say(f"a base of {options.people} members")
    fill_base(document(), people=options.people, now=night, since=midnight - timedelta(days=60))
    database.settle()
    people, sums = counts()
    bench.note(f"{people:,} members, all due, and {sums:,} sums by day")
    if options.people != PEOPLE:
        bench.note(f"The promise is about {PEOPLE:,} members.")
    bench.say("the bare statement, rolled back")
    bare, warned = bare_night(midnight, night)
    database.settle()
    bench.say("the pass")
    reset_queries()
    with samples.timed() as ours, clock.travel(night):
        told = recalculate(everyone=False, progress=lambda done, of: bench.say(f"{done:,} of {of:,}"))
    peak = machine.peak_megabytes()
    decisions = TierDecision.objects.filter(at__gte=midnight).count()
    if told.evaluated != people or MemberTier.objects.filter(next_check_at__lte=night).exists():
        raise RuntimeError(f"{told.evaluated} of {people} members were looked at")
    if decisions != warned:
        raise RuntimeError(f"the pass stored {decisions} decisions, the bare statement {warned}")
    bench.note(f"{told.changed:,} members moved, {decisions:,} decisions were stored, as many by the bare statement")
    bench.figure("nightly pass", ours.seconds, "s", target="<= 60")
    bench.figure("bare statement", bare, "s")
    bench.figure("times the bare statement", ours.seconds / bare, target="<= 4")
    bench.figure("members a second", people / ours.seconds, "members/s")
    bench.figure("most Python memory", peak, "MB", target="<= 500")


def bare_night(midnight: datetime, night: datetime) -> tuple[float, int]:
    """How long the bare statement takes, and how many it warns. Nothing of it stays."""
    version = MemberTier.objects.filter(next_check_at=midnight)[0].version
    values = {"midnight": midnight, "night": night, "today": day_of(night), "version": version.pk}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ROOM)
        with samples.timed() as watch:
            cursor.execute(BARE, values)
            # The foreign keys of what was inserted, which a commit would have looked at.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT count(*) FROM membership_tierdecision WHERE at >= %s", [midnight])
        [(warned,)] = cursor.fetchall()
        transaction.set_rollback(True)
    return watch.seconds, warned
