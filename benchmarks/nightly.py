"""The nightly pass over a whole base, everybody due, against one bare SQL statement that does the same.

Every member has ten sums by day, of which one leaves the window in the night that is measured: all are due, all figures
change, every evaluation is written anew, and whoever no longer keeps a tier is warned. The bare statement reads the same
sums, judges the same conditions in SQL written by hand, and writes the same columns; it is rolled back.
"""

import argparse
from datetime import timedelta

from django.db import reset_queries

from benchmarks.frame import database, machine, samples
from benchmarks.frame.base import counts, fill_base
from benchmarks.frame.report import Bench
from common import clock
from common.clock import day_of, start_of_day
from membership.models import MemberTier, TierDecision
from membership.services import recalculate

PEOPLE = 1_000_000


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
    bench.say("the pass")
    reset_queries()
    with samples.timed() as ours, clock.travel(night):
        told = recalculate(everyone=False, progress=lambda done, of: None)
    peak = machine.peak_megabytes()
    decisions = TierDecision.objects.filter(at__gte=midnight).count()
    if told.evaluated != people or MemberTier.objects.filter(next_check_at__lte=night).exists():
        raise RuntimeError(f"{told.evaluated} of {people} members were looked at")
    bench.note(f"{told.changed:,} members moved, {decisions:,} decisions were stored")
    bench.figure("nightly pass", ours.seconds, "s", target="<= 60")
    bench.figure("members a second", people / ours.seconds, "members/s")
    bench.figure("most Python memory", peak, "MB", target="<= 500")
