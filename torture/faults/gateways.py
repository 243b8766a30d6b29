"""Slow, resetting, truncating and confused gateways, through a fault proxy before the sandbox.

An unknown result is asked about, or the same request is repeated under the same number: the gateway may never hold two
payments for one order. And what it holds for us in the end is booked, once.
"""

import random
from collections import Counter

from payments.models import PaymentAttempt
from payments.services import recheck_attempt
from torture import oracle, scene, settling
from torture.buyers import Browser, Journal
from torture.gateway import Gateway
from torture.proxy import FaultProxy
from torture.report import Budget, Report
from torture.stage import Stage
from torture.stories import PAY, order_behind

# The share of calls to the gateway that go wrong.
SHARE = 0.6
EVERY = 40


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    chance = random.Random(seed)
    sandbox = stage.open_sandbox(scale=0.2)
    with FaultProxy(sandbox, random.Random(seed + 1)) as proxy:
        scene.channel(proxy.address, mode="api")
        stage.allow(proxy.address)
        goods, member = scene.sku("1.00", keys=5000), scene.member()
        url = stage.open_web(proxy.address)
        stage.open_worker()
        stage.open_beat()
        browser = Browser(url, member.username, scene.PASSWORD, Journal())
        browser.sign_in()
        gateway = Gateway(sandbox)
        proxy.share = SHARE
        budget.begin()
        while budget.more() and not report.wrong:
            _sale(browser, gateway, goods.public_id, chance, report)
            budget.use()
            if budget.done % EVERY == 0:
                _check_numbers(gateway, report)
                oracle.judge(report)
        proxy.share = 0.0
        _settle(gateway, report)
        _check_numbers(gateway, report)
        for fault, count in proxy.counts.items():
            report.count(f"gateway calls: {fault.replace('_', ' ')}", count)
        browser.close()
        gateway.close()
    oracle.judge(report, settled=True)


def _sale(browser: Browser, gateway: Gateway, sku: str, chance: random.Random, report: Report) -> None:
    """Buy, press "pay" until the gateway has it or patience ends, pay there, and press "I have paid" now and then."""
    try:
        location = browser.buy(sku, PAY)
        order = order_behind(location)
        page = f"/orders/{order.public_id}/"
        for _ in range(chance.randint(0, 3)):
            if _shows_payment(browser, page):
                browser.press(f"{page}pay/", page, pay=PAY)
    except AssertionError as error:
        report.violation(str(error))
        return
    report.count("sales begun")
    tried = order.attempts.order_by("-pk").first()
    if tried is None or gateway.order(tried.number) is None:
        report.count("payments that never got to the gateway")
        return
    gateway.act(tried.number, chance.choice(["pay", "pay", "notify_twice", "pay_silently"]))
    report.count("payments at the gateway")
    if chance.random() < 0.5:
        recheck_attempt(attempt_id=tried.pk)


def _shows_payment(browser: Browser, page: str) -> bool:
    return f"{page}pay/" in browser.until("GET", page, {200}).text


def _check_numbers(gateway: Gateway, report: Report) -> None:
    """One order, one number: the gateway was asked again, but never for a second payment."""
    known = {one["out_trade_no"] for one in gateway.orders()}
    attempts = PaymentAttempt.objects.filter(number__in=known).values_list("order_id", "number")
    twice = [order for order, count in Counter(order for order, _ in attempts).items() if count > 1]
    if twice:
        report.violation(f"the gateway holds two payments for the orders {twice[:5]}")
    strange = known - {number for _, number in attempts}
    if strange:
        report.violation(f"the gateway holds payments that we know nothing of: {sorted(strange)[:3]}")
    report.measure("attempts of one order at most", max(Counter(order for order, _ in attempts).values(), default=0))


def _settle(gateway: Gateway, report: Report) -> None:
    """The gateway is itself again: its notifies are repeated, beat asks, and buyers press the button."""
    for number in settling.unbooked(gateway):
        recheck_attempt(attempt_id=PaymentAttempt.objects.get(number=number).pk)
    took, left = settling.wait(gateway)
    report.measure("seconds until all was settled", took)
    if left:
        report.violation(f"{settling.SECONDS:.0f} s after the gateway was well again: {left}")
