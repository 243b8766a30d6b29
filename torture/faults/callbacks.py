"""Forged, mutated, replayed, reordered and doubled callbacks, with genuine ones among them, for every protocol.

No forgery may be believed, none may be answered with a 5xx, and each genuine payment is credited once, in whatever order and
however often its callbacks come: each goes through one of the 120 orders of five, every one sent twice. The protocols take
turns, a few forgeries and a payment each.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from accounts.models import User
from catalog.models import Sku
from common import clock
from orders.models import Order
from payments.models import Channel, NotifyLog, PaymentAttempt, PlatformCertificate
from payments.services import start_attempt
from sandbox.keys import Keys, load_keys
from sandbox.wechat.keys import serial_of, times_of
from torture import oracle, scene
from torture.callbacks.alipay import Alipay
from torture.callbacks.base import Call, Case, Protocol
from torture.callbacks.bepusdt import Bepusdt
from torture.callbacks.epay import EpayV1, EpayV2
from torture.callbacks.sending import Sender
from torture.callbacks.stripe import Stripe
from torture.callbacks.wechat import Wechat
from torture.gateway import Gateway
from torture.report import Budget, Report
from torture.servers import wait_until
from torture.stage import Stage

SESSION = "-c synchronous_commit=off"
PROTOCOLS = (EpayV1, EpayV2, Alipay, Wechat, Bepusdt, Stripe)
# Forgeries to one genuine payment, and payments between two looks of the oracle.
BETWEEN, EVERY = 100, 60
# Orders of each protocol that nobody pays: what forgeries are about.
UNPAID = 8


@dataclass
class Bench:
    """One protocol at work: its channel, its unpaid orders, the last genuine callback, and how many payments were made."""

    protocol: Protocol
    channel: Channel
    rounds: Iterator[tuple[int, ...]]
    targets: list[dict] = field(default_factory=list)
    paid: Call = field(default_factory=Call)
    done: int = 0


@dataclass
class Hall:
    """What all benches share."""

    gateway: Gateway
    sender: Sender
    goods: Sku
    member: User
    chance: random.Random
    budget: Budget
    report: Report

    def put_up(self, bench: Bench) -> PaymentAttempt:
        order = scene.order(self.member, self.goods)
        method = bench.protocol.pays_by
        return start_attempt(
            target=order, channel=bench.channel, method=method, client_address="127.0.0.1", user_agent=""
        )


def run(stage: Stage, *, seed: int, budget: Budget, report: Report) -> None:
    chance = random.Random(seed)
    address = stage.open_sandbox()
    url = stage.open_web(address, TRUSTED_PROXIES="1")
    # This very process puts payments up; it calls the sandbox too.
    stage.allow(address)
    keys, channels = load_keys(stage.keys_file), scene.channels(address)
    trust_certificate(channels["wechat"], keys)
    gateway = Gateway(address)
    with Sender(url, chance) as sender:
        goods, member = scene.sku("1.00", keys=6000), scene.member()
        hall = Hall(gateway, sender, goods, member, chance, budget, report)
        benches = [_bench(kind(keys), channels[kind.name], hall) for kind in PROTOCOLS]
        budget.begin()
        _take_turns(benches, hall)
    gateway.close()


def trust_certificate(channel: Channel, keys: Keys) -> None:
    """A merchant of WeChat Pay's who knows its public key and its certificate, and has just asked for news of them."""
    pem = keys["wechat"]["certificate_1"]
    begin, end = times_of(pem)
    at = clock.now()
    PlatformCertificate.objects.create(
        channel=channel, serial=serial_of(pem), pem=pem, valid_from=begin, valid_to=end, fetched_at=at
    )
    Channel.objects.filter(pk=channel.pk).update(keys_asked_at=at + timedelta(days=1))


def _bench(protocol: Protocol, channel: Channel, hall: Hall) -> Bench:
    orders = list(itertools.permutations(range(5)))
    hall.chance.shuffle(orders)
    bench = Bench(protocol, channel, itertools.cycle(orders))
    for _ in range(UNPAID):
        bench.targets.append(_known(hall, hall.put_up(bench)))
    return bench


def _known(hall: Hall, tried: PaymentAttempt) -> dict:
    """The gateway's record. Where a signed address leads the browser to its page, the browser goes there now."""
    found = hall.gateway.order(tried.number)
    assert found is not None, f"the sandbox was never asked for {tried.number}"
    return found


def _take_turns(benches: list[Bench], hall: Hall) -> None:
    report = hall.report
    for bench in benches:
        _pay(bench, hall)
    while hall.budget.more() and not report.wrong:
        for bench in benches:
            _forge(bench, benches, hall)
            _pay(bench, hall)
            if report.wrong or not hall.budget.more():
                break
        _compare(report, benches)
        if sum(one.done for one in benches) % EVERY < len(benches):
            oracle.judge(report)
    for bench in benches:
        report.measure(f"orders of five callbacks, {bench.protocol.name}", min(bench.done, 120))


def _forge(bench: Bench, benches: list[Bench], hall: Hall) -> None:
    protocol, report, name = bench.protocol, hall.report, bench.protocol.name
    others = [other.paid for other in benches if other is not bench]
    chance = hall.chance
    cases = [Case(chance, chance.choice(bench.targets), bench.paid, others) for _ in range(BETWEEN)]
    forged = [protocol.forge(case) for case in cases]
    answers = hall.sender.send_all(bench.channel.code, [call for _, call in forged])
    for (kind, call), (status, text) in zip(forged, answers, strict=True):
        report.count("forged callbacks")
        report.count(f"forged for {name}")
        report.count(f"kind: {kind}")
        hall.budget.use()
        if not status:
            report.count("too long and broken off")
        if status >= 500:
            report.violation(f"{name}: {kind} was answered with {status}: {_shown(call)}")
        if protocol.accepts(status, text):
            report.violation(f"{name}: {kind} was accepted with {status} {text}: {_shown(call)}")


def _shown(call: Call) -> str:
    return f"{call.method} ?{call.query} {call.headers} {call.content_type} {call.body[:1000]!r}"


def _pay(bench: Bench, hall: Hall) -> None:
    """Pay, and send the five callbacks in one of their orders, each twice; the genuine one is what later ones are made of."""
    protocol, report, name = bench.protocol, hall.report, bench.protocol.name
    tried, order = hall.put_up(bench), next(bench.rounds)
    known = hall.gateway.act(tried.number, "pay_silently")
    assert known is not None, f"the sandbox does not take the payment of {tried.number}"
    events = protocol.events(known)
    # Two at a time: a doubled callback comes while the first is still worked on.
    for place in order:
        for status, text in hall.sender.send_all(bench.channel.code, [events[place]] * 2):
            if status >= 500:
                report.violation(f"{name}: callback {place} of {order} was answered with {status}")
            if place in (2, 3, 4) and protocol.accepts(status, text):
                report.violation(f"{name}: callback {place} of {order} was accepted")
    bench.paid = protocol.genuine(known)
    wait_until(lambda: _is_paid(tried), 30, f"the payment {tried.number} by {name}")
    # And long after, once more.
    [(status, text)] = hall.sender.send_all(bench.channel.code, [bench.paid])
    if not protocol.accepts(status, text):
        report.violation(f"{name}: a replay of a genuine callback was answered with {status} {text}")
    bench.done += 1
    report.count("genuine payments")
    report.count(f"genuine payments by {name}")
    report.count("callbacks of genuine payments", 11)


def _is_paid(tried: PaymentAttempt) -> bool:
    return PaymentAttempt.objects.filter(pk=tried.pk, state=PaymentAttempt.State.PAID).exists()


def _compare(report: Report, benches: list[Bench]) -> None:
    """So many payments were genuine; so many orders are delivered, attempts paid and notifies applied, no more."""
    done = sum(bench.done for bench in benches)
    delivered = Order.objects.filter(state=Order.State.DELIVERED).count()
    booked = PaymentAttempt.objects.filter(state=PaymentAttempt.State.PAID).count()
    applied = NotifyLog.objects.filter(verdict=NotifyLog.Verdict.APPLIED).count()
    if not done == delivered == booked or applied > done:
        report.violation(f"{done} genuine payments, but {delivered} delivered, {booked} booked, {applied} applied")
