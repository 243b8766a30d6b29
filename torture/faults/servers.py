"""PostgreSQL stopped at once, Valkey killed and flushed, beat running twice, while members buy.

What a buyer was told of, the client's journal keeps; afterwards each such purchase must be there and paid for, once.
"""

import os
import random
import signal

from orders.models import Order
from torture import oracle, scene, settling
from torture.buyers import Buyer, Journal
from torture.report import Budget, Report
from torture.servers import wait_until
from torture.stage import Stage

BUYERS = 3
KEYS = 30_000
# Faults between two looks of the oracle.
EVERY = 20


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    chance = random.Random(seed)
    goods = scene.sku("1.00", keys=KEYS)
    members = [scene.member("100000.00") for _ in range(BUYERS)]
    url = stage.open_web()
    stage.open_worker()
    stage.open_beat()
    # Two of them is what a careless deployment has; nothing may happen twice for it.
    stage.open_beat("beat2")
    journal = Journal()
    buyers = [Buyer(url, one.username, scene.PASSWORD, goods.public_id, None, journal) for one in members]
    for buyer in buyers:
        buyer.sign_in()
        buyer.start()
    try:
        _strike(stage, journal, chance, budget, report, buyers)
    finally:
        for buyer in buyers:
            buyer.enough.set()
        for buyer in buyers:
            buyer.join()
    for buyer in buyers:
        if buyer.error is not None:
            report.violation(f"{buyer.name}: {buyer.error}")
    # A worker that ends for want of a broker takes half a minute over it, and is started again then.
    took, left = settling.wait(meanwhile=stage.revive)
    report.measure("seconds until all was settled", took)
    if left:
        report.violation(f"{settling.SECONDS:.0f} s after the last fault or start: {left}")
    compare(journal, report)
    oracle.judge(report, acknowledged=journal.public_ids(), settled=True)


def _strike(
    stage: Stage, journal: Journal, chance: random.Random, budget: Budget, report: Report, buyers: list[Buyer]
) -> None:
    budget.begin()
    faults = [_stop_postgres, _kill_valkey, _flush_valkey]
    while budget.more() and not report.wrong and all(buyer.is_alive() for buyer in buyers):
        fault = chance.choice(faults)
        # A fault that strikes a shop which is still down proves nothing.
        goal = len(journal.orders) + chance.randint(2, 6)
        wait_until(
            lambda goal=goal: len(journal.orders) >= goal or not all(buyer.is_alive() for buyer in buyers),
            settling.SECONDS,
            "the next purchases",
        )
        fault(stage, report)
        budget.use()
        if budget.done % EVERY == 0:
            oracle.judge(report, acknowledged=journal.public_ids())


def _stop_postgres(stage: Stage, report: Report) -> None:
    """As `pg_ctl stop -m immediate`: nothing is written to its end, the next start recovers."""
    os.kill(stage.server_pid, signal.SIGQUIT)
    wait_until(lambda: not stage.postgres.is_alive, 30, "PostgreSQL after its stop")
    stage.postgres.kill()
    stage.postgres.start()
    stage.reconnect()
    report.count("PostgreSQL stopped at once")


def _kill_valkey(stage: Stage, report: Report) -> None:
    stage.valkey.kill()
    stage.valkey.start()
    report.count("Valkey killed")
    stage.revive()


def _flush_valkey(stage: Stage, report: Report) -> None:
    stage.cache.flush()
    report.count("Valkey flushed")


def compare(journal: Journal, report: Report) -> None:
    """The client's journal against the shop's orders: an order that nobody was told of came of no click either."""
    told, there = set(journal.public_ids()), set(Order.objects.values_list("public_id", flat=True))
    report.count("acknowledged purchases", len(told))
    if len(told) != len(journal.orders):
        report.violation(f"{len(journal.orders)} clicks were answered with {len(told)} orders")
    # A buyer who is told to stop has been answered before: so both must be the same.
    if there != told:
        report.violation(f"orders without a click: {sorted(there - told)[:3]}; lost: {sorted(told - there)[:3]}")
    for status, count in journal.statuses.items():
        report.count(f"answers {status or 'broken off'}", count)
