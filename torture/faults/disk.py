"""The disk of PostgreSQL fills up while members buy, and somebody clears it: what was acknowledged is still there.

Simulated on a tmpfs in a mount namespace; a machine that forbids mounting says so in a note and tries nothing.
"""

import random
import time

from torture import oracle, scene, settling
from torture.buyers import Buyer, Journal
from torture.faults.servers import compare
from torture.report import Budget, Report
from torture.servers import wait_until
from torture.small_disk import CannotMount, SmallDisk
from torture.stage import Stage

BUYERS = 2
KEYS = 10_000


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    goods = scene.sku("1.00", keys=KEYS)
    members = [scene.member("100000.00") for _ in range(BUYERS)]
    try:
        with SmallDisk(stage) as disk:
            _buy_on(stage, disk, goods.public_id, members, random.Random(seed), budget, report)
    except CannotMount:
        report.note("disk full: this machine lets us mount no small disk, so it was not tried")


def _buy_on(stage: Stage, disk: SmallDisk, sku: str, members: list, chance, budget: Budget, report: Report) -> None:
    url = stage.open_web()
    stage.open_worker()
    stage.open_beat()
    journal = Journal()
    buyers = [Buyer(url, one.username, scene.PASSWORD, sku, None, journal) for one in members]
    for buyer in buyers:
        buyer.sign_in()
        buyer.start()
    budget.begin()
    try:
        while budget.more() and not report.wrong and all(buyer.is_alive() for buyer in buyers):
            goal = len(journal.orders) + chance.randint(2, 8)
            wait_until(lambda goal=goal: len(journal.orders) >= goal, settling.SECONDS, "purchases after a full disk")
            disk.fill()
            report.count("disk full")
            # Buyers go on clicking at a shop that cannot write.
            time.sleep(chance.uniform(0.5, 3.0))
            if disk.clear():
                report.count("PostgreSQL ended over it")
            budget.use()
    except TimeoutError as error:
        report.violation(str(error))
    finally:
        for buyer in buyers:
            buyer.enough.set()
        for buyer in buyers:
            buyer.join()
    for buyer in buyers:
        if buyer.error is not None:
            report.violation(f"{buyer.name}: {buyer.error}")
    took, left = settling.wait()
    report.measure("seconds until all was settled", took)
    if left:
        report.violation(f"{settling.SECONDS:.0f} s after the last full disk: {left}")
    compare(journal, report)
    oracle.judge(report, acknowledged=journal.public_ids(), settled=True)
    stage.clear()
