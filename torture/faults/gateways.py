"""Slow, resetting, truncating and confused gateways, through a fault proxy before the sandbox.

An unknown result is asked about, or the same request is repeated under the same number: the gateway may never hold two
payments for one order. What it holds for us in the end is booked, once; and what goes back through it, of whatever protocol,
went back once there and is not the buyer's in the shop as well.
"""

import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field

from orders.models import Order
from orders.services import refund
from payments.models import Channel, PaymentAttempt, Refund
from payments.services import begin_refund, push_refund, recheck_attempt, settle_refund
from shop.demo.channels import make_others
from torture import oracle, scene, settling
from torture.buyers import Browser, Journal
from torture.gateway import Gateway
from torture.proxy import FaultProxy
from torture.report import Budget, Report
from torture.servers import wait_until
from torture.stage import Stage
from torture.stories import PAY, order_behind

# The share of calls to the gateway that go wrong.
SHARE = 0.6
EVERY = 40
# The protocols beside 易支付 V1, each with a method that no other has here.
OTHERS = ("epay_v2:bank", "wechat:wxpay", "stripe:card")
# How often a refund is pushed while its gateway is confused; workers push it too.
PUSHES = 3


@dataclass
class Play:
    """Who plays, and what was sold."""

    browser: Browser
    gateway: Gateway
    sku: str
    chance: random.Random
    report: Report
    staff: object
    sold: list[int] = field(default_factory=list)


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    chance = random.Random(seed)
    # What a sandbox took for a database of this name that is gone, nobody here has heard of.
    shutil.rmtree(stage.home.folder("sandbox") / stage.database, ignore_errors=True)
    sandbox = stage.open_sandbox(scale=0.2)
    with FaultProxy(sandbox, random.Random(seed + 1)) as proxy:
        scene.channel(proxy.address, mode="api")
        _open_others(stage, proxy.address)
        stage.allow(proxy.address)
        goods, member = scene.sku("1.00", keys=5000), scene.member()
        url = stage.open_web(proxy.address)
        stage.open_worker()
        stage.open_beat()
        browser = Browser(url, member.username, scene.PASSWORD, Journal())
        browser.sign_in()
        gateway = Gateway(sandbox)
        gateway.client.post("/control/stripe", json={"webhook": f"{url}/pay/notify/stripe"}).raise_for_status()
        play = Play(browser, gateway, goods.public_id, chance, report, scene.boss())
        proxy.share = SHARE
        budget.begin()
        while budget.more() and not report.wrong:
            _sale(play)
            _give_back(play)
            budget.use()
            if budget.done % EVERY == 0:
                _check_numbers(gateway, report)
                _check_refunds(gateway, report)
                oracle.judge(report)
        proxy.share = 0.0
        _settle(play)
        _check_numbers(gateway, report)
        _check_refunds(gateway, report)
        for fault, count in proxy.counts.items():
            report.count(f"gateway calls: {fault.replace('_', ' ')}", count)
        browser.close()
        gateway.close()
    oracle.judge(report, settled=True)


def _open_others(stage: Stage, address: str) -> None:
    os.environ.update(SANDBOX_KEYS=str(stage.keys_file), SANDBOX_URL=address)
    made = {channel.code for channel in make_others()}
    assert made, "the sandbox has no keys to play with"
    # A method is offered by one channel.
    Channel.objects.filter(code__in=made - {pay.partition(":")[0] for pay in OTHERS}).update(is_active=False)


def _sale(play: Play) -> None:
    """Buy, press "pay" until the gateway has it or patience ends, pay there, and press "I have paid" now and then."""
    browser, gateway, chance, report = play.browser, play.gateway, play.chance, play.report
    pay = chance.choice((PAY, *OTHERS))
    try:
        location = browser.buy(play.sku, pay)
        order = order_behind(location)
        page = f"/orders/{order.public_id}/"
        for _ in range(chance.randint(0, 3)):
            if _shows_payment(browser, page):
                browser.press(f"{page}pay/", page, pay=pay)
    except AssertionError as error:
        report.violation(str(error))
        return
    report.count("sales begun")
    tried = order.attempts.order_by("-pk").first()
    if tried is None or gateway.order(tried.number) is None:
        report.count("payments that never got to the gateway")
        return
    if tried.channel.provider == Channel.Provider.STRIPE and not tried.ref:
        # A session whose address never came: nobody can open it, and it is asked for by nothing but its own name.
        report.count("payments that nobody was shown")
        return
    # By our number: the protocols call the merchant by different ones.
    gateway.act(tried.number, chance.choice(["pay", "pay", "notify_twice", "pay_silently"]), pid="")
    report.count(f"payments at the gateway by {pay.partition(':')[0]}")
    play.sold.append(order.pk)
    if chance.random() < 0.5:
        recheck_attempt(attempt_id=tried.pk)


def _shows_payment(browser: Browser, page: str) -> bool:
    return f"{page}pay/" in browser.until("GET", page, {200}).text


def _give_back(play: Play) -> None:
    """Send the money of something that was paid back the way it came; whoever gets no answer asks."""
    paid = Order.objects.filter(pk__in=play.sold, state=Order.State.DELIVERED, refunded_total=0)
    order = play.chance.choice([*paid, None])
    if order is None:
        return
    amounts = {line.pk: line.cash for line in order.lines.all()}
    made = refund(
        order_id=order.pk, amounts=amounts, ref=f"back-{order.pk}", reason="torture", actor=play.staff, to="original"
    )
    play.report.count("refunds")
    for part in begin_refund(refund_id=made.pk):
        for _ in range(play.chance.randint(0, PUSHES)):
            push_refund(refund_id=part.pk)


def _check_numbers(gateway: Gateway, report: Report) -> None:
    """One order, one number: the gateway was asked again, but never for a second payment."""
    held = Counter(one["out_trade_no"] for one in gateway.orders())
    attempts = PaymentAttempt.objects.filter(number__in=held).values_list("order_id", "number")
    twice = [order for order, count in Counter(order for order, _ in attempts).items() if count > 1]
    if twice:
        report.violation(f"the gateway holds two payments for the orders {twice[:5]}")
    doubled = [number for number, count in held.items() if count > 1]
    if doubled:
        report.violation(f"the gateway holds two payments under the numbers {doubled[:3]}")
    strange = set(held) - {number for _, number in attempts}
    if strange:
        report.violation(f"the gateway holds payments that we know nothing of: {sorted(strange)[:3]}")
    report.measure("attempts of one order at most", max(Counter(order for order, _ in attempts).values(), default=0))


def _check_refunds(gateway: Gateway, report: Report) -> None:
    """What the gateway gave back it gave back once, and our books say so; what they say that it refused it did refuse."""
    # Ours first: what comes in between is there, and not here yet.
    ours = list(Refund.objects.select_related("attempt__channel"))
    given = {one["out_trade_no"]: len(one["refunds"]) for one in gateway.orders()}
    for part in ours:
        there = given.get(part.attempt.number, 0)
        wrong = {Refund.State.DONE: there != 1, Refund.State.REFUSED: there != 0}.get(part.state, there > 1)
        if wrong:
            kind = part.attempt.channel.provider
            report.violation(
                f"{kind} gave {part.number} back {there} times, and here it is {part.state}: {part.last_error}"
            )


def _settle(play: Play) -> None:
    """The gateway is itself again: its notifies are repeated, beat asks, and buyers press the button."""
    took, left = settling.wait(play.gateway, meanwhile=lambda: _press(play))
    play.report.measure("seconds until all was settled", took)
    if left:
        play.report.violation(f"{settling.SECONDS:.0f} s after the gateway was well again: {left}")
    try:
        wait_until(lambda: not _push_open(play), settling.SECONDS, "every refund", every=1.0)
    except TimeoutError:
        play.report.violation(f"refunds without a result: {[*Refund.objects.filter(state__in=Refund.OPEN)][:3]}")


def _press(play: Play) -> bool:
    """Each buyer whose money is not there presses "I have paid", again and again: who has just pressed asks nobody."""
    for number in settling.unbooked(play.gateway):
        recheck_attempt(attempt_id=PaymentAttempt.objects.get(number=number).pk)
    return False


def _push_open(play: Play) -> bool:
    """Whether refunds are still open. V1 has no numbers for them: a person looks into the gateway's console."""
    for part in Refund.objects.filter(state__in=Refund.OPEN).select_related("attempt__channel"):
        state = push_refund(refund_id=part.pk)
        if state == Refund.State.UNKNOWN and part.attempt.channel.provider == Channel.Provider.EPAY:
            done = bool(play.gateway.order(part.attempt.number)["refunds"])
            settle_refund(refund_id=part.pk, done=done, reason="seen in the console", actor=play.staff)
            play.report.count("refunds settled by hand")
    return Refund.objects.filter(state__in=Refund.OPEN).exists()
