"""Races between operating-system processes that start at one barrier: the naive twin of each kind must lose first."""

import random

from torture import oracle, scene
from torture.crowd import Crowd
from torture.races.base import Race, drop_scratch, make_scratch, rounds_until_broken
from torture.races.kinds import KINDS
from torture.report import Budget, Report
from wallet.models import Account
from wallet.services import shop_account

SESSION = "-c synchronous_commit=off"
WIDTH = 4
# Rounds between two looks of the oracle.
EVERY = 500


def run(stage: object, *, seed: int, budget: Budget, report: Report, width: int = WIDTH) -> None:
    chance = random.Random(seed)
    # Before two open them at the same moment.
    scene.channel()
    for purpose in (Account.Purpose.SALES, Account.Purpose.FEES, Account.Purpose.ADJUSTMENT):
        shop_account(purpose)
    kinds = [kind(width) for kind in KINDS]
    with Crowd(width) as crowd:
        if not _twins_lose(kinds, crowd, report):
            return
        budget.begin()
        while budget.more():
            chance.shuffle(kinds)
            for race in kinds:
                if not budget.more():
                    break
                _round(race, crowd, report)
                budget.use()
                if budget.done % EVERY == 0:
                    oracle.judge(report)


def _twins_lose(kinds: list[Race], crowd: Crowd, report: Report) -> bool:
    """A race whose naive twin holds proves nothing."""
    make_scratch()
    try:
        for race in kinds:
            rounds = rounds_until_broken(race, crowd)
            if rounds is None:
                report.violation(f"{race.name}: the naive twin never broke, so this race proves nothing")
            else:
                report.count("naive twins broken")
                report.measure("rounds until a naive twin broke", rounds)
    finally:
        drop_scratch()
    report.measure("kinds of races", len(kinds))
    return not report.wrong


def _round(race: Race, crowd: Crowd, report: Report) -> None:
    made = race.begin()
    answers = crowd.together(race.acts(made))
    report.count("rounds")
    report.count("refused racers", sum(str(one).startswith("!") for one in answers))
    found = race.judge(made, answers)
    if found:
        report.violation(f"race '{race.name}': {found}")
