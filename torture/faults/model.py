"""A state machine over wallet, orders, stock, coupons, payments, refunds, cards, withdrawals and credit, against a model in
plain Python.

After each step every balance, every count of keys, every state and every coupon's holder must be what the model says, and
a refusal must be the refusal that the model foresees.
"""

import traceback
from collections import Counter
from unittest import mock

from django.db import DatabaseError
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from common.exceptions import DomainError
from payments.services import refunding
from torture import oracle
from torture.model import comparing
from torture.model.scenery import Scenery
from torture.model.shop import Shop
from torture.report import Budget, Report

# Nothing here stops the server: waiting for the disk would only make it slow.
SESSION = "-c synchronous_commit=off"
STEPS = 50
# One of them is the simplest there is, and tries little.
AT_ONCE = 40
# Lots between two looks of the oracle.
EVERY = 5
PHASES = [Phase.generate, Phase.shrink]


def run(stage: object, *, seed: int, budget: Budget, report: Report) -> Counter[str]:
    """Machines of up to 50 steps, some dozens at a time, each lot with a seed of its own that follows from `seed`.

    Returns how often the shop did what, by rule.
    """
    lot, acts, refusals = 0, Counter[str](), Counter[str]()
    comparing.prepare()
    members = {"report": report, "scenery": Scenery(), "acts": acts, "refusals": refusals}
    # The rules are the workers.
    with mock.patch.object(refunding, "send"):
        while budget.more() and not report.wrong:
            machine = type("Shop", (Shop,), members)
            _run_lot(machine, seed * 1000 + lot, budget, report)
            report.count("machines' lots")
            lot += 1
            if lot % EVERY == 0:
                oracle.judge(report)
    report.count("refusals foreseen", sum(refusals.values()))
    return acts + refusals


def _run_lot(machine: type[Shop], number: int, budget: Budget, report: Report) -> None:
    examples = AT_ONCE if budget.limit is None else max(1, min(AT_ONCE, -(-(budget.limit - budget.done) // STEPS)))
    how = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine), settings=how)
    except Exception as error:
        report.violation(f"lot {number}: {_told(error)}")


def _told(error: BaseException) -> str:
    """What was wrong, and the shortest story that leads there, as Hypothesis tells it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Flaky) and isinstance(error.__context__, (AssertionError, DomainError, DatabaseError)):
        # The story did not happen the same way twice; what was wrong the first time is what matters.
        error = error.__context__
    frames = traceback.extract_tb(error.__traceback__)
    story = "\n".join(getattr(error, "__notes__", []))
    return f"{type(error).__name__}: {str(error)[:300]} at {frames[-1].name}\n{story[-1400:]}"
