"""Forged, mutated, replayed, reordered and doubled callbacks, with genuine ones among them, for every protocol.

No forgery may be believed, none may be answered with a 5xx, and each genuine payment is credited once, in whatever order and
however often its callbacks come: each goes through one of the 120 orders of five, every one sent twice.
"""

import itertools
import random
from concurrent.futures import ThreadPoolExecutor

import httpx

from orders.models import Order
from payments.models import NotifyLog, PaymentAttempt
from payments.services import start_attempt
from torture import oracle, scene
from torture.callbacks.base import Call, Protocol
from torture.callbacks.epay import EpayV1
from torture.gateway import METHOD, Gateway
from torture.report import Budget, Report
from torture.servers import wait_until
from torture.stage import Stage

SESSION = "-c synchronous_commit=off"
PROTOCOLS: tuple[type[Protocol], ...] = (EpayV1,)
# Forgeries to one genuine payment, and payments between two looks of the oracle.
BETWEEN, EVERY = 100, 50
SENDERS = 4
# Orders that nobody pays: what forgeries are about.
UNPAID = 20


class Sender:
    """Sends callbacks from many addresses, as a net of thieves would."""

    def __init__(self, url: str, chance: random.Random) -> None:
        self.chance = chance
        self.pool = ThreadPoolExecutor(SENDERS)
        self.client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()
        self.client.close()

    def send_all(self, channel: str, calls: list[Call]) -> list[tuple[int, str]]:
        addresses = [f"198.18.{self.chance.randrange(256)}.{self.chance.randrange(256)}" for _ in calls]
        return list(self.pool.map(lambda pair: self._send(channel, *pair), zip(calls, addresses, strict=True)))

    def _send(self, channel: str, call: Call, address: str) -> tuple[int, str]:
        headers = {**call.headers, "X-Forwarded-For": address}
        if call.content_type:
            headers["Content-Type"] = call.content_type
        target = f"/pay/notify/{channel}" + (f"?{call.query}" if call.query else "")
        answer = self.client.request(call.method, target, content=call.body or None, headers=headers)
        return answer.status_code, answer.text.strip()


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    chance = random.Random(seed)
    address = stage.open_sandbox()
    url = stage.open_web(address, TRUSTED_PROXIES="1")
    gateway = Gateway(address)
    # This very process puts payments up; it calls the sandbox too.
    stage.allow(address)
    with Sender(url, chance) as sender:
        for kind in PROTOCOLS:
            _torture(kind(), address, gateway, sender, chance, budget, report)
    gateway.close()


def _torture(
    protocol: Protocol,
    address: str,
    gateway: Gateway,
    sender: Sender,
    chance: random.Random,
    budget: Budget,
    report: Report,
) -> None:
    channel = scene.channel(address, mode="api", code=protocol.channel)
    goods, member = scene.sku("1.00", keys=6000), scene.member()
    orders = list(itertools.permutations(range(5)))
    chance.shuffle(orders)
    rounds = itertools.cycle(orders)

    def put_up() -> PaymentAttempt:
        order = scene.order(member, goods)
        return start_attempt(target=order, channel=channel, method=METHOD, client_address="127.0.0.1", user_agent="")

    targets = [gateway.order(put_up().number) for _ in range(UNPAID)]
    paid = _pay(protocol, gateway, put_up(), next(rounds), sender, report)
    done = 1
    budget.begin()
    while budget.more() and not report.wrong:
        _forge(protocol, targets, paid, sender, chance, budget, report)
        paid = _pay(protocol, gateway, put_up(), next(rounds), sender, report)
        done += 1
        _compare(report, done)
        if done % EVERY == 0:
            oracle.judge(report)
    report.measure("orders of five callbacks", min(done, len(orders)))


def _forge(
    protocol: Protocol,
    targets: list[dict],
    paid: Call,
    sender: Sender,
    chance: random.Random,
    budget: Budget,
    report: Report,
) -> None:
    forged = [protocol.forge(chance, chance.choice(targets), paid) for _ in range(BETWEEN)]
    answers = sender.send_all(protocol.channel, [call for _, call in forged])
    for (kind, call), (status, text) in zip(forged, answers, strict=True):
        report.count("forged callbacks")
        report.count(f"forged: {kind}")
        budget.use()
        if status >= 500:
            report.violation(f"{kind} was answered with {status}: {call}")
        if text == protocol.accepted:
            report.violation(f"{kind} was accepted: {call}")


def _pay(
    protocol: Protocol, gateway: Gateway, tried: PaymentAttempt, order: tuple[int, ...], sender: Sender, report: Report
) -> Call:
    """Pay, and send the five callbacks in this order, each twice; returns the genuine one."""
    known = protocol.pay(gateway, tried.number)
    events = protocol.events(known)
    # Two at a time: a doubled callback comes while the first is still worked on.
    for place in order:
        for status, text in sender.send_all(protocol.channel, [events[place]] * 2):
            if status >= 500:
                report.violation(f"callback {place} of {order} was answered with {status}")
            if place in (2, 3, 4) and text == protocol.accepted:
                report.violation(f"callback {place} of {order} was accepted")
    genuine = protocol.genuine(known)
    wait_until(lambda: _is_paid(tried), 30, f"the payment {tried.number}")
    # And long after, once more.
    [(status, text)] = sender.send_all(protocol.channel, [genuine])
    if (status, text) != (200, protocol.accepted):
        report.violation(f"a replay of a genuine callback was answered with {status} {text}")
    report.count("genuine payments")
    report.count("callbacks of genuine payments", 11)
    return genuine


def _is_paid(tried: PaymentAttempt) -> bool:
    return PaymentAttempt.objects.filter(pk=tried.pk, state=PaymentAttempt.State.PAID).exists()


def _compare(report: Report, done: int) -> None:
    """So many payments were genuine; so many orders are delivered, attempts paid and notifies applied, no more."""
    delivered = Order.objects.filter(state=Order.State.DELIVERED).count()
    booked = PaymentAttempt.objects.filter(state=PaymentAttempt.State.PAID).count()
    applied = NotifyLog.objects.filter(verdict=NotifyLog.Verdict.APPLIED).count()
    if not done == delivered == booked or applied > done:
        report.violation(f"{done} genuine payments, but {delivered} delivered, {booked} booked, {applied} applied")
