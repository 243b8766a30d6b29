"""`kill -9` of web, worker and relay before and after every commit, publish, ack and call to the gateway.

The places are found, not listed: a first run of every story notes each one that is passed. Then, in an order drawn by the
seed, the process that comes to a place is killed there, the buyer clicks again until answered, and within a minute
everything must have come to rest, nothing lost and nothing doubled.

For most kills that minute is made short: the database's clock runs ahead and beat's rounds are sent as soon as they would
be due by it. What the shop does is the same, only it does not wait. One kill in `UNHURRIED` has its full minute, with
nobody's help, and those are the seconds that are told.
"""

import random
import threading
import time
from collections.abc import Callable

from django.db import connection

from common.queue import send
from kameng.celery import app
from payments.models import PaymentAttempt
from torture import oracle, scene, settling, skew
from torture.buyers import Browser, Journal
from torture.gateway import Gateway
from torture.report import Budget, Report
from torture.stage import Stage
from torture.stories import STORIES, Scenery

SESSION = skew.SESSION
KEYS = 4000
# Kills between two looks of the oracle.
EVERY = 25
UNHURRIED = 10
# The clock takes so many steps of so many seconds, together no more than the minute, one after so many true seconds each.
STEPS, STEP, PAUSE = 3, 20.0, 0.7
# Seconds in which whoever has done the work acknowledges it, or makes a round.
GRACE = 0.6
# Who takes over from a killed one while it starts again, as in any shop of some size.
WORKERS = ("worker", "worker2")
Story = Callable[[Scenery], None]


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    skew.install()
    places = stage.home.folder("failpoints")
    for file in places.iterdir():
        file.unlink()
    address = stage.open_sandbox()
    scene.channel(address, mode="api")
    goods, member = scene.sku("1.00", keys=KEYS), scene.member("100000.00")
    url = stage.open_web(address, FAILPOINTS=str(places))
    for name in WORKERS:
        stage.open_worker(name, hands=1)
    stage.open_beat()
    browser = Browser(url, member.username, scene.PASSWORD, Journal())
    browser.sign_in()
    made = Scenery(stage, browser, Gateway(address), goods.public_id, places)
    try:
        with Supervisor(made) as supervisor:
            kills = Kills(made, supervisor, report)
            found = kills.find_places()
            budget.begin()
            kills.go_on(found, random.Random(seed), budget)
    finally:
        browser.close()
        made.gateway.close()


class Kills:
    """Stories told while somebody waits at a place for the process that tells them."""

    def __init__(self, made: Scenery, supervisor: "Supervisor", report: Report) -> None:
        self.made, self.supervisor, self.report = made, supervisor, report
        self.killed = made.places / "killed"

    def find_places(self) -> dict[str, Story]:
        """Every place that is passed, and a story that passes it."""
        notes = self.made.places / "notes"
        found: dict[str, Story] = {}
        for story in STORIES:
            notes.write_text("")
            story(self.made)
            while settling.wait(self.made.gateway, 2)[1]:
                let_time_pass()
            for name in notes.read_text().splitlines():
                found.setdefault(name, story)
        notes.unlink()
        self.report.measure("places", len(found))
        return found

    def go_on(self, found: dict[str, Story], chance: random.Random, budget: Budget) -> None:
        names: list[str] = []
        passed: set[str] = set()
        report = self.report
        while budget.more() and not report.wrong:
            if not names:
                names = chance.sample(sorted(found), len(found))
            name = names.pop()
            hurried = chance.randrange(UNHURRIED) > 0
            if self.at(name, found[name], hurried=hurried):
                budget.use()
                passed.add(name)
                report.count("kills")
                report.count(f"kills: {_kind(name)}")
                report.count(f"place: {name}")
                report.count("kills with their whole minute", int(not hurried))
                if budget.done % EVERY == 0:
                    self.judge()
            report.measure("places at which a process was killed in one turn", len(passed))
        self.judge()

    def judge(self) -> None:
        lost = settling.unbooked(self.made.gateway)
        if lost:
            self.report.violation(f"the gateway holds what was never booked: {lost[:3]}")
        oracle.judge(self.report, acknowledged=self.made.paid, settled=True)

    def at(self, name: str, story: Story, *, hurried: bool) -> bool:
        """Let one process die there while the story is told; whether one did."""
        made = self.made
        self.killed.unlink(missing_ok=True)
        before = PaymentAttempt.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        self.supervisor.steps = STEPS if hurried else 0
        fresh = made.places / "kill.new"
        fresh.write_text(name)
        fresh.rename(made.places / "kill")
        try:
            story(made)
        except (AssertionError, TimeoutError) as error:
            self.report.violation(f"killed at {name}: {error}")
        _, left = settling.wait(made.gateway, settling.SECONDS + 5, since=before + 1)
        if not left and not self._passed():
            # Some places only beat's rounds pass.
            for task in rounds():
                send(task)
            self._passed()
            _, left = settling.wait(made.gateway, settling.SECONDS + 5, since=before + 1)
        self.supervisor.steps = 0
        if left:
            self.report.violation(f"{settling.SECONDS:.0f} s after a kill at {name}: {left}")
        if not self.killed.exists():
            # A relay comes by when it is nudged; now and then another one was quicker with this news.
            (made.places / "kill").unlink(missing_ok=True)
            self.report.count("places not passed again")
            return False
        if not hurried:
            # The file was moved when it happened.
            self.report.measure("seconds from a kill until all was settled", time.time() - self.killed.stat().st_ctime)
        return True

    def _passed(self) -> bool:
        """Whether somebody died: all may be at rest while who did it is on the way to the place still."""
        deadline = time.monotonic() + GRACE
        while not self.killed.exists():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


class Supervisor(threading.Thread):
    """Starts again what has ended, and makes the shop's minute short where `steps` says so.

    One thread for all kills: what a thread starts ends with it. The web server's own workers come back by themselves.
    """

    def __init__(self, made: Scenery) -> None:
        super().__init__(daemon=True)
        self.made = made
        self.steps = 0
        self.over = threading.Event()

    def __enter__(self) -> "Supervisor":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()

    def run(self) -> None:
        killed = self.made.places / "killed"
        due = 0.0
        try:
            while not self.over.wait(0.05):
                # Whatever is dead, also when the next kill was prepared before its end was seen.
                self.made.stage.revive()
                if not (self.steps and killed.exists()):
                    due = 0.0
                elif not due:
                    # Most has come to rest before the first step.
                    due = time.monotonic() + PAUSE
                elif time.monotonic() >= due:
                    due = 0.0
                    self.steps -= 1
                    let_time_pass()
        finally:
            connection.close()


def let_time_pass() -> None:
    """Twenty seconds of the shop's clock, and what beat would have sent within a minute."""
    skew.jump(STEP)
    for task in rounds():
        send(task)


def rounds() -> list[str]:
    """What beat sends every minute or more often, of the rooms that the stories pass through."""
    due = [one["task"] for one in app.conf.beat_schedule.values() if _is_within_a_minute(one["schedule"])]
    return [task for task in due if task.startswith(("events.tasks.sweep", "payments.", "orders."))]


def _is_within_a_minute(schedule: object) -> bool:
    return isinstance(schedule, int | float) and schedule <= 60


def _kind(name: str) -> str:
    """Such as "relay commit before": who does what."""
    where, what, when = name.rsplit(" ", 2)
    who = "relay" if where.startswith("events.") else "worker" if what == "ack" or ".tasks." in where else "shop"
    return f"{who} {what} {when}"
