"""The database's clock jumps forward and back, again and again, while members place, pay and wait.

Unpaid orders are led up to their deadline and past it: by the clock that set the deadline none may end before it, and each
must end after. A callback that is dated (易支付 V2, WeChat Pay, Stripe) is too old or too new for a clock that went wrong,
is taken once the clock is right, and its money comes once however often it is replayed after whatever jump. A request of
the API that is repeated after a jump is the same order.
"""

import random
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
from django.conf import settings

from accounts.services import issue_token
from common import clock
from common.queue import send
from orders.models import Order
from orders.services import cancel, expire_due
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.services import start_attempt
from sandbox.keys import load_keys
from torture import oracle, scene, settling, skew
from torture.buyers import Browser, Journal
from torture.callbacks.base import Call, Protocol
from torture.callbacks.epay import EpayV2
from torture.callbacks.sending import Sender
from torture.callbacks.stripe import Stripe
from torture.callbacks.wechat import Wechat
from torture.faults.callbacks import trust_certificate
from torture.gateway import Gateway
from torture.report import Budget, Report
from torture.servers import wait_until
from torture.stage import Stage
from torture.stories import PAY, Scenery, by_gateway, by_wallet

SESSION = skew.SESSION
# Minutes. Between the rounds the clock is never further than ten minutes from the true time.
JUMPS = (-10, -3, -1, 1, 3, 10)
FURTHEST = 600
DATED = (EpayV2, Wechat, Stripe)
# Seconds beyond which a dated callback is refused by all three.
WINDOW = 300
# Rounds of beat's that end orders, at most, until what is due has ended.
PATIENCE = 30.0


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    skew.install()
    scenario = Scenario(stage, random.Random(seed), report)
    budget.begin()
    try:
        while budget.more() and not report.wrong:
            _jump(scenario.chance.choice(JUMPS), report)
            budget.use()
            scenario.live()
            scenario.lead_orders_past_their_deadline()
            scenario.replay_callbacks()
            scenario.repeat_by_program()
            _check_deadlines(report)
    finally:
        scenario.close()
    # Back in step, and everything that was put off into the future comes due.
    skew.set_to(3600)
    took, left = settling.wait(seconds=settling.SECONDS * 2)
    report.measure("seconds until all was settled", took)
    if left:
        report.violation(f"after the last jump: {left}")
    _check_all_ended(report)
    _check_deadlines(report)
    oracle.judge(report, acknowledged=scenario.made.paid, settled=True)


def _jump(minutes: float, report: Report) -> None:
    """From where the clock is, but never further than ten minutes from the true time."""
    skew.set_to(max(-FURTHEST, min(FURTHEST, skew.ahead() + minutes * 60)))
    report.count("jumps")


class Scenario:
    """Members, a program and a gateway of several protocols, with a shop whose clock is not to be trusted."""

    def __init__(self, stage: Stage, chance: random.Random, report: Report) -> None:
        self.chance, self.report = chance, report
        address = stage.open_sandbox()
        stage.allow(address)
        keys, self.channels = load_keys(stage.keys_file), scene.channels(address)
        trust_certificate(self.channels["wechat"], keys)
        # The stories pay by 易支付, and where two channels take a method, buyers are offered the first.
        Channel.objects.filter(provider=Channel.Provider.ALIPAY).update(is_active=False)
        self.protocols: list[Protocol] = [kind(keys) for kind in DATED]
        self.goods, self.member = scene.sku("1.00", keys=5000), scene.member("100000.00")
        url = stage.open_web(address, TRUSTED_PROXIES="1")
        stage.open_worker()
        stage.open_beat()
        self.sender = Sender(url, chance)
        self.browser = Browser(url, self.member.username, scene.PASSWORD, Journal())
        self.browser.sign_in()
        token = issue_token(user=self.member, name="clocks").text
        headers = {"Authorization": f"Bearer {token}"}
        self.program = httpx.Client(base_url=f"{url}/api", headers=headers, timeout=30, trust_env=False)
        self.gateway = Gateway(address)
        self.made = Scenery(stage, self.browser, self.gateway, self.goods.public_id, stage.home.folder("failpoints"))

    def close(self) -> None:
        self.browser.close()
        self.program.close()
        self.gateway.close()
        self.sender.pool.shutdown()

    def live(self) -> None:
        """Somebody buys, somebody leaves an order unpaid, somebody cancels one."""
        acts: list[Callable[[], object]] = [
            lambda: by_wallet(self.made),
            lambda: by_gateway(self.made),
            lambda: self.browser.buy(self.goods.public_id, PAY),
            self._cancel,
        ]
        for act in self.chance.sample(acts, 2):
            try:
                act()
            except (AssertionError, TimeoutError) as error:
                self.report.violation(f"after a jump: {error}")

    def _cancel(self) -> None:
        found = Order.objects.filter(state=Order.State.UNPAID).order_by("-pk").first()
        if found is not None:
            cancel(order_id=found.pk, actor=None)

    # Deadlines

    def lead_orders_past_their_deadline(self) -> None:
        """Three orders that nobody pays, looked at just before their deadline, long before it again, and after it."""
        was, report = skew.ahead(), self.report
        orders = [scene.order(self.member, self.goods) for _ in range(3)]
        ids, deadlines = [one.pk for one in orders], [one.pay_deadline for one in orders]
        for early in (timedelta(seconds=self.chance.uniform(20, 40)), timedelta(minutes=10)):
            skew.jump_to(min(deadlines) - early)
            report.count("jumps")
            _send_round()
            expire_due()
            ended = Order.objects.filter(pk__in=ids).exclude(state=Order.State.UNPAID).values_list("number", flat=True)
            if ended and clock.now() < min(deadlines):
                report.violation(f"ended {min(deadlines) - clock.now()} before the deadline: {list(ended)}")
            report.count("orders that were there before their deadline", len(ids) - len(ended))
        skew.jump_to(max(deadlines) + timedelta(seconds=self.chance.uniform(0.1, 30)))
        report.count("jumps")
        self._wait_for_end(ids)
        skew.set_to(was)
        still = Order.objects.filter(pk__in=ids, state=Order.State.EXPIRED).count()
        if still != len(ids):
            report.violation(f"{len(ids) - still} orders that had ended are there again after a jump back")
        report.count("orders that ended after their deadline", still)

    def _wait_for_end(self, ids: list[int]) -> None:
        """Beat's round is sent sooner than beat would, and the worker does what it does."""

        def ended() -> bool:
            return Order.objects.filter(pk__in=ids, state=Order.State.EXPIRED).count() == len(ids)

        began = time.monotonic()
        while not ended():
            if time.monotonic() - began > PATIENCE:
                states = list(Order.objects.filter(pk__in=ids).values_list("number", "state", "pay_deadline"))
                self.report.violation(f"past their deadline, and not ended: {states}")
                return
            _send_round()
            time.sleep(0.3)

    # Callbacks

    def replay_callbacks(self) -> None:
        """One payment by a dated protocol: its callback under a wrong clock, under the right one, and replayed."""
        was = skew.ahead()
        # What the shop itself signs is dated too: it is put up while the clock is right.
        skew.set_to(0)
        protocol = self.chance.choice(self.protocols)
        tried = self._put_up(protocol)
        order = self.gateway.act(tried.number, "pay_silently")
        assert order is not None, f"the sandbox does not take the payment of {tried.number}"
        genuine = protocol.genuine(order)
        self._hand_over(protocol, genuine, (-WINDOW - 60, WINDOW + 60, 590, -590), taken=False)
        # The worker may have asked the gateway meanwhile, and booked what that said; the callback has not.
        if _applied(tried):
            self.report.violation(f"{protocol.name}: a callback from another time was booked")
        self._hand_over(protocol, genuine, (self.chance.choice([-200, -30, 0, 30, 200]),), taken=True)
        wait_until(lambda: _paid_by(tried), settling.SECONDS, f"the payment {tried.number} by {protocol.name}")
        # The same bytes once more: within the window they say what is known, beyond it they are too old.
        self._hand_over(protocol, genuine, (200, -200, 0), taken=True)
        self._hand_over(protocol, genuine, (WINDOW + 60, 590, -WINDOW - 60), taken=False)
        skew.set_to(was)
        if _applied(tried) > 1:
            self.report.violation(
                f"{protocol.name}: the callback of {tried.number} was applied {_applied(tried)} times"
            )
        self.report.count(f"payments by {protocol.name} whose callback was replayed after jumps")

    def _put_up(self, protocol: Protocol) -> PaymentAttempt:
        order = scene.order(self.member, self.goods)
        channel = self.channels[protocol.name]
        return start_attempt(
            target=order, channel=channel, method=protocol.pays_by, client_address="127.0.0.1", user_agent=""
        )

    def _hand_over(self, protocol: Protocol, call: Call, skews: tuple[int, ...], *, taken: bool) -> None:
        channel = self.channels[protocol.name].code
        for seconds in skews:
            skew.set_to(seconds)
            self.report.count("jumps")
            [(status, text)] = self.sender.send_all(channel, [call])
            if status >= 500 or protocol.accepts(status, text) != taken:
                said = f"{protocol.name}: {seconds} s from the true time a callback was answered with {status} {text}"
                self.report.violation(said)
            self.report.count("callbacks taken after a jump" if taken else "callbacks from another time refused")

    # The API

    def repeat_by_program(self) -> None:
        """The same request under the same key, before and after a jump: one order, paid once."""
        key = f"torture-{self.chance.getrandbits(64):016x}"
        asked = {"items": [{"sku": self.goods.public_id, "quantity": 1}], "pay_with": "wallet"}
        answers = set()
        for _ in range(3):
            answer = self.program.post("/orders/", json=asked, headers={"Idempotency-Key": key})
            answers.add((answer.status_code, answer.json().get("id")))
            _jump(self.chance.choice(JUMPS), self.report)
        if len(answers) != 1 or {status for status, _ in answers} != {201}:
            self.report.violation(f"one request of the API was answered after jumps with {answers}")
        self.report.count("requests of the API repeated after a jump", 2)


def _send_round() -> None:
    send("orders.tasks.expire_due_orders")


def _applied(tried: PaymentAttempt) -> int:
    return NotifyLog.objects.filter(attempt_id=tried.pk, verdict=NotifyLog.Verdict.APPLIED).count()


def _paid_by(tried: PaymentAttempt) -> bool:
    return PaymentAttempt.objects.filter(pk=tried.pk, state=PaymentAttempt.State.PAID).exists()


def _check_deadlines(report: Report) -> None:
    """No order may have ended before its deadline, by the very clock that set the deadline."""
    expired = Order.objects.filter(state=Order.State.EXPIRED).values_list("number", "pay_deadline", "closed_at")
    early = [number for number, deadline, closed in expired if closed < deadline]
    if early:
        report.violation(f"expired early: {early[:3]}")


def _check_all_ended(report: Report) -> None:
    """An hour later nothing may wait for money any more, once beat itself has made its round."""

    def late() -> list[str]:
        found = Order.objects.filter(state=Order.State.UNPAID, pay_deadline__lte=clock.now())
        return list(found.values_list("number", flat=True)[:3])

    assert settings.ORDER_PAY_MINUTES < 60, "an hour is not enough"
    try:
        wait_until(lambda: not late(), settling.SECONDS + 15, "the end of every order")
    except TimeoutError:
        report.violation(f"an hour later not ended: {late()}")
