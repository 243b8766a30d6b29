"""From the news of a paid order to the new tier that anybody can read, through the outbox, relay and Celery.

A worker like that of the shop runs beside. Orders arrive at random moments, so many a second, each told as the shop tells
it: paid and delivered, committed to the outbox, then a nudge. Every one raises its member. The time runs from the commit of
the news to the moment at which another connection reads the decision; that is looked for every few milliseconds. All other
rooms hear of every order too: figures, reviews, points, tasks, messages. They may come later; how much later, and how long
after the last order they are through, is told beside. Telling, looking and the worker share the processors.
"""

import argparse
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
from django.db import transaction
from django.db.models import Max

from benchmarks.frame import database, samples
from benchmarks.frame.crowd import ORDER, SPENT, STEPS, document, gather, orders
from benchmarks.frame.report import Bench
from catalog.models import Category, Product, Sku
from common import clock
from events.contracts import OrderDelivered, OrderPaid
from events.models import Delivery, Event
from events.services import emit
from orders.models import Order

EVERY = 0.005
# The subscriber whose work is looked for.
FIRST = "membership.record_order_lines"
# So long may the last ones take before they count as never seen.
PATIENCE = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=float, default=50, help="orders a second (50)")
    parser.add_argument("--seconds", type=float, default=20, help="how long a round is (20)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument("--processes", type=int, default=2, help="processes of the worker (2, as bin/up has)")


def run(bench: Bench, options: argparse.Namespace) -> None:
    now = clock.now()
    # The warming round is one more; arrivals at random may be more than their mean.
    events = int(options.rate * options.seconds * (options.rounds + 1) * 1.2) + 200
    people = -(-events // len(STEPS)) + 1
    bench.say(f"{people} members with 60 days of history")
    crowd = gather("visible", document(), people=people, days=60, every=3, spent=SPENT, now=now - timedelta(minutes=1))
    database.settle()
    news = placed(list(itertools.islice(orders(crowd, now), events)), goods(now))
    chance = random.Random(bench.seed)
    rounds, others, late, lost, heard, rest = [], [], [], 0, [], []
    with worker(options.processes), Watcher() as watcher:
        _round(news, chance, watcher, rate=min(options.rate, 10), seconds=5)
        _settled()
        for number in range(options.rounds):
            last = _last_delivery()
            began = time.perf_counter()
            took, lag, unseen, ended = _round(news, chance, watcher, rate=options.rate, seconds=options.seconds)
            bench.say(f"round {number + 1}: {len(took)} orders, p95 {samples.percentile(took, 0.95) * 1000:.0f} ms")
            rounds.append(took)
            late.append(lag)
            lost += unseen
            _settled()
            over = time.perf_counter()
            waits = _waits(last)
            others.append([wait for subscriber, wait in waits if subscriber != FIRST])
            heard.append(len(waits) / (over - began))
            rest.append(over - ended)
    for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99)):
        values = [samples.percentile(took, share) * 1000 for took in rounds]
        bench.figure(name, samples.median(values), "ms", of=values, target="<= 1000" if name == "p95" else "")
    bench.figure("never seen", lost, target="== 0")
    for name, share in (("median", 0.5), ("p95", 0.95), ("the last", 1)):
        values = [samples.percentile(waits, share) * 1000 for waits in others]
        bench.figure(f"other rooms heard of it, {name}", samples.median(values), "ms", of=values)
    bench.figure("other rooms through, after the last order", samples.median(rest), "s", of=rest)
    bench.figure("deliveries", samples.median(heard), "a second", of=heard)
    bench.figure("never delivered", _undelivered(), target="== 0")
    bench.figure("told later than planned", max(late) * 1000, "ms")
    for number, took in enumerate(rounds, 1):
        bench.keep(f"seconds, round {number}", took)
    bench.note(
        f"{sum(map(len, rounds))} orders in {options.rounds} rounds of {options.seconds:g} s at {options.rate:g} a second"
    )


def _round(news: Iterator, chance: random.Random, watcher: "Watcher", *, rate: float, seconds: float):
    """Tell orders at random moments; returns how long each took to be seen, the worst delay in telling, how many were never
    seen, and when the last was told."""
    told: dict[str, float] = {}
    begin = due = time.perf_counter()
    worst = 0.0
    while (due := due + chance.expovariate(rate)) < begin + seconds:
        time.sleep(max(0.0, due - time.perf_counter()))
        worst = max(worst, time.perf_counter() - due)
        order = next(news)
        with transaction.atomic():
            emit(_paid(order), at=order.paid_at)
            emit(order, at=order.paid_at)
            # The nudge runs after the commit and is part of the way.
            transaction.on_commit(lambda ref=f"line:{order.lines[0].id}:spend": told.update({ref: time.perf_counter()}))
    ended = time.perf_counter()
    deadline = ended + PATIENCE
    while not told.keys() <= watcher.seen.keys() and time.perf_counter() < deadline:
        time.sleep(EVERY)
    took = [watcher.seen[ref] - at for ref, at in told.items() if ref in watcher.seen]
    return took, worst, len(told) - len(took), ended


def _paid(order: OrderDelivered) -> OrderPaid:
    return OrderPaid(
        order_id=order.order_id,
        user_id=order.user_id,
        storefront_id=order.storefront_id,
        paid_at=order.paid_at,
        total=ORDER,
        lines=order.lines,
    )


def goods(now: datetime) -> Sku:
    category = Category.objects.create(code="game_card", slug="bench-cards", name="点卡")
    product = Product.objects.create(slug="bench", category=category, name="点卡", created_at=now, updated_at=now)
    return Sku.objects.create(product=product, code="BENCH", name="标准", list_price=ORDER)


def placed(news: list[OrderDelivered], sku: Sku) -> Iterator[OrderDelivered]:
    """Orders as the shop has them, and their news: the other rooms look them up."""
    Order.objects.bulk_create(
        Order(
            id=one.order_id,
            number=f"B{one.order_id}",
            storefront_id=one.storefront_id,
            buyer_id=one.user_id,
            state=Order.State.DELIVERED,
            list_total=ORDER,
            total=ORDER,
            paid_total=ORDER,
            placed_at=one.paid_at,
            pay_deadline=one.paid_at,
            paid_at=one.paid_at,
            delivered_at=one.delivered_at,
        )
        for one in news
    )
    for one in news:
        lines = tuple(replace(line, product_id=sku.product_id, sku_id=sku.pk) for line in one.lines)
        yield replace(one, lines=lines)


class Watcher(threading.Thread):
    """Reads the decisions as a page would, on a connection of its own. `seen` is when, by the order's line."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, float] = {}
        self._over = threading.Event()

    def __enter__(self) -> "Watcher":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        last = 0
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as link:
            while not self._over.wait(EVERY):
                # Numbers are given before they are committed: a lower one may come after a higher.
                rows = link.execute(
                    "SELECT id, activity_ref FROM membership_tierdecision WHERE id > %s AND cause = 'enter'",
                    [last - 500],
                ).fetchall()
                now = time.perf_counter()
                for number, ref in rows:
                    self.seen.setdefault(ref, now)
                    last = max(last, number)


@contextmanager
def worker(processes: int) -> Iterator[None]:
    """The shop's Celery worker, as bin/up starts it."""
    words = ["worker", "--loglevel", "WARNING", "--concurrency", str(processes), "--without-mingle"]
    program = subprocess.Popen(
        [sys.executable, "-m", "celery", "--quiet", "--app", "kameng", *words],
        stdout=sys.stderr,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    try:
        yield
    finally:
        program.terminate()
        program.wait()


def _last_delivery() -> int:
    return Delivery.objects.aggregate(last=Max("pk"))["last"] or 0


def _waits(after: int) -> list[tuple[str, float]]:
    """Who heard, and how many seconds after the news was fanned out, of all deliveries after a number."""
    rows = Delivery.objects.filter(pk__gt=after, state=Delivery.State.DONE)
    return [
        (subscriber, (done_at - fanned_out_at).total_seconds())
        for subscriber, done_at, fanned_out_at in rows.values_list("subscriber", "done_at", "event__fanned_out_at")
    ]


def _undelivered() -> int:
    """Events that nobody was told of, and deliveries that were not made."""
    return (
        Event.objects.filter(fanned_out_at=None).count() + Delivery.objects.exclude(state=Delivery.State.DONE).count()
    )


def _settled() -> None:
    """Wait until everybody has heard everything, so that no round carries the load of the one before."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and (
        Event.objects.filter(fanned_out_at=None).exists()
        or Delivery.objects.filter(state=Delivery.State.PENDING).exists()
    ):
        time.sleep(0.2)
