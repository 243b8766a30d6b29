"""The database's clock jumps ten minutes forward and back, again and again, while members place, pay and wait.

Business time is the database's (common.clock). Every session of this turn finds a `transaction_timestamp()` before
PostgreSQL's own, which adds what a table says; so web, worker and relay jump together, as they would with a server whose
clock is set.
"""

import random
import time
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models import F

from orders.models import Order
from orders.services import cancel
from torture import oracle, scene, settling
from torture.buyers import Browser, Journal
from torture.gateway import Gateway
from torture.report import Budget, Report
from torture.stage import Stage
from torture.stories import PAY, Scenery, by_gateway, by_wallet

# The path that makes our function shadow the server's.
SESSION = "-c search_path=skew,public,pg_catalog"
JUMPS = (-10, -3, -1, 1, 3, 10)
_SKEW = """
CREATE SCHEMA IF NOT EXISTS skew;
CREATE TABLE skew.ahead (seconds int NOT NULL);
INSERT INTO skew.ahead VALUES (0);
CREATE FUNCTION skew.transaction_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT pg_catalog.transaction_timestamp() + (SELECT seconds FROM skew.ahead) * interval '1 second' $$;
"""


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    chance = random.Random(seed)
    with connection.cursor() as cursor:
        cursor.execute(_SKEW)
    address = stage.open_sandbox()
    scene.channel(address, mode="api")
    goods, member = scene.sku("1.00", keys=5000), scene.member("100000.00")
    url = stage.open_web(address)
    stage.open_worker()
    stage.open_beat()
    browser = Browser(url, member.username, scene.PASSWORD, Journal())
    browser.sign_in()
    made = Scenery(stage, browser, Gateway(address), goods.public_id, stage.home.folder("failpoints"))
    budget.begin()
    try:
        while budget.more() and not report.wrong:
            _jump(chance.choice(JUMPS))
            report.count("jumps")
            budget.use()
            _live(made, chance, report)
            _check_deadlines(report)
    finally:
        browser.close()
        made.gateway.close()
    # Back in step, and everything that was put off into the future comes due.
    _jump_to(60)
    took, left = settling.wait(seconds=settling.SECONDS * 2)
    report.measure("seconds until all was settled", took)
    if left:
        report.violation(f"after the last jump: {left}")
    oracle.judge(report, acknowledged=made.paid, settled=True)


def _jump(minutes: int) -> None:
    """From where the clock is, but never further than ten minutes from the true time."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE skew.ahead SET seconds = greatest(-600, least(600, seconds + %s))", [minutes * 60])


def _jump_to(minutes: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE skew.ahead SET seconds = %s", [minutes * 60])


def _live(made: Scenery, chance: random.Random, report: Report) -> None:
    """Somebody buys, somebody leaves an order unpaid, somebody cancels one."""
    for act in chance.sample((by_wallet, by_gateway, _leave, _cancel), 2):
        try:
            act(made)
        except (AssertionError, TimeoutError) as error:
            report.violation(f"after a jump: {error}")
    time.sleep(0.05)


def _leave(made: Scenery) -> None:
    made.browser.buy(made.sku, PAY)


def _cancel(made: Scenery) -> None:
    found = Order.objects.filter(state=Order.State.UNPAID).order_by("-pk").first()
    if found is not None:
        cancel(order_id=found.pk, actor=None)


def _check_deadlines(report: Report) -> None:
    """No order may have ended before its deadline, by the very clock that set the deadline."""
    early = Order.objects.filter(state=Order.State.EXPIRED, closed_at__lt=F("pay_deadline")).values_list(
        "number", flat=True
    )
    if early:
        report.violation(f"expired early: {list(early[:3])}")
    short = Order.objects.exclude(pay_deadline=F("placed_at") + timedelta(minutes=settings.ORDER_PAY_MINUTES))
    if short.exists():
        report.violation("a deadline is not what was promised when the order was placed")
    report.measure("orders expired", Order.objects.filter(state=Order.State.EXPIRED).count())
