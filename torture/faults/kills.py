"""`kill -9` of web, worker and relay before and after every commit, publish, ack and call to the gateway.

The places are found, not listed: a first run of every story notes each one that is passed. Then, in an order drawn by the
seed, the process that comes to a place is killed there, the buyer clicks again until answered, and within a minute
everything must have come to rest, nothing lost and nothing doubled.
"""

import random
from collections.abc import Callable

from torture import oracle, scene, settling
from torture.buyers import Browser, Journal
from torture.gateway import Gateway
from torture.report import Budget, Report
from torture.stage import Stage
from torture.stories import STORIES, Scenery

KEYS = 4000
# Kills between two looks of the oracle.
EVERY = 25


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    places = stage.home.folder("failpoints")
    for file in places.iterdir():
        file.unlink()
    address = stage.open_sandbox()
    scene.channel(address, mode="api")
    goods, member = scene.sku("1.00", keys=KEYS), scene.member("100000.00")
    url = stage.open_web(address, FAILPOINTS=str(places))
    stage.open_worker()
    stage.open_beat()
    browser = Browser(url, member.username, scene.PASSWORD, Journal())
    browser.sign_in()
    made = Scenery(stage, browser, Gateway(address), goods.public_id, places)
    try:
        found = _find_places(made, report)
        budget.begin()
        _kill(made, found, random.Random(seed), budget, report)
    finally:
        browser.close()
        made.gateway.close()


def _find_places(made: Scenery, report: Report) -> dict[str, Callable[[Scenery], None]]:
    """Every place that is passed, and a story that passes it."""
    notes = made.places / "notes"
    found: dict[str, Callable[[Scenery], None]] = {}
    for story in STORIES:
        notes.write_text("")
        story(made)
        settling.wait(made.gateway)
        for name in notes.read_text().splitlines():
            found.setdefault(name, story)
    notes.unlink()
    report.measure("places", len(found))
    return found


def _kill(made: Scenery, found: dict[str, Callable], chance: random.Random, budget: Budget, report: Report) -> None:
    names: list[str] = []
    passed: set[str] = set()
    while budget.more() and not report.wrong:
        if not names:
            names = chance.sample(sorted(found), len(found))
        name = names.pop()
        if _killed_at(made, name, found[name], report):
            budget.use()
            passed.add(name)
            report.count(f"kills: {_kind(name)}")
            report.count("kills")
            if budget.done % EVERY == 0:
                oracle.judge(report, acknowledged=made.paid, settled=True)
        report.measure("places at which a process was killed", len(passed))
    oracle.judge(report, acknowledged=made.paid, settled=True)


def _kind(name: str) -> str:
    """Such as "relay commit before": who does what."""
    where, what, when = name.rsplit(" ", 2)
    who = "relay" if where.startswith("events.") else "worker" if what == "ack" or ".tasks." in where else "shop"
    return f"{who} {what} {when}"


def _killed_at(made: Scenery, name: str, story: Callable[[Scenery], None], report: Report) -> bool:
    """Let one process die there while the story is told; whether one did."""
    killed = made.places / "killed"
    killed.unlink(missing_ok=True)
    fresh = made.places / "kill.new"
    fresh.write_text(name)
    fresh.rename(made.places / "kill")
    try:
        story(made)
    except (AssertionError, TimeoutError) as error:
        report.violation(f"killed at {name}: {error}")
    if not killed.exists():
        # A relay comes by when it is nudged; now and then another one was quicker with this news.
        (made.places / "kill").unlink(missing_ok=True)
        report.count("places not passed again")
        return False
    _revive(made.stage)
    took, left = settling.wait(made.gateway, settling.SECONDS + 5)
    report.measure("seconds until all was settled", took)
    if left:
        report.violation(f"{settling.SECONDS:.0f} s after a kill at {name}: {left}")
    return True


def _revive(stage: Stage) -> None:
    """What a supervisor does: start again what has ended. The web server's own workers come back by themselves."""
    for name in ("web", "worker", "beat"):
        running = stage.opened[name]
        if not running.is_alive:
            running.kill()
            running.start()
