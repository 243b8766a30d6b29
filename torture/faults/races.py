"""Races between operating-system processes that start at one barrier: each must first be lost by the shop made naive."""

import random

from torture import oracle, scene
from torture.crowd import Crowd
from torture.races.base import Race, proof
from torture.races.kinds import KINDS
from torture.races.unguarded import unguarded
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
    """A race that the naive shop does not lose proves nothing."""
    with unguarded(crowd):
        for race in kinds:
            rounds, problem = proof(race, crowd)
            if problem:
                report.violation(f"race '{race.name}' proves nothing: {problem}")
            else:
                report.count("naive twins broken")
                report.measure("rounds until a naive twin broke", rounds)
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
