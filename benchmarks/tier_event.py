"""One order line through service, bucket, evaluation and stored decision, against pgbench doing the same by bare SQL.

Every measured event raises a member: the service locks them, writes the ledger, the day's sums and the totals, reads the
windows, evaluates every tier, stores the evaluation, the decision with its trace and the news for the other rooms, and
commits. The bare script runs the same statements with the same values in one transaction, and thinks nothing. Both have
as many clients, and take turns. Members of five years of history take turns with members of five days.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from benchmarks.frame import bare, database, samples
from benchmarks.frame.clients import Clients, rate
from benchmarks.frame.crowd import ORDER, SPENT, STEPS, Crowd, document, gather, orders
from benchmarks.frame.report import Bench
from common import clock
from events.contracts import OrderDelivered
from events.models import Event
from events.services import as_relay
from membership.engine.book import days_needed
from membership.models import MemberTier, TierDecision
from membership.rules.parse import parse_rules
from membership.services import record_order_lines

YEARS, DAYS = 5 * 365 + 1, 5
# Somebody who buys every so many days.
EVERY = {YEARS: 3, DAYS: 1}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=2, help="connections at a time, on both sides (2)")
    parser.add_argument("--events", type=int, default=150, help="events of a client in a round (150)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, each side once in each (9)")


def run(bench: Bench, options: argparse.Namespace) -> None:
    now = clock.now()
    events = options.clients * options.events * (options.rounds + 1)
    people = -(-events // len(STEPS)) + 1
    crowds = {}
    for name, days in (("years", YEARS), ("days", DAYS), ("bare", YEARS)):
        bench.say(f"{people} members with {days} days of history ({name})")
        crowds[name] = gather(
            name, document(), people=people, days=days, every=EVERY[days], spent=SPENT, now=now - timedelta(minutes=1)
        )
    database.settle()
    script = bare_script(crowds["days"], crowds["bare"], now)
    news = {name: orders(crowds[name], now) for name in ("years", "days")}
    with Clients(options.clients) as clients:
        sides = {
            "service, 5 years of history": lambda: _serve(clients, news["years"], options.events),
            "service, 5 days of history": lambda: _serve(clients, news["days"], options.events),
            "bare SQL (pgbench)": lambda: _bare(script, options),
        }
        bench.say("warming up")
        for side in sides.values():
            side()
        bench.say(f"{options.rounds} rounds of {options.clients} × {options.events} events")
        found = samples.interleave(options.rounds, sides, seed=bench.seed)
    _check(crowds, options)
    tell(bench, found)


def tell(bench: Bench, found: dict[str, list[tuple[float, list[float]]]]) -> None:
    rates = {name: [one for one, _ in rounds] for name, rounds in found.items()}
    for name, values in rates.items():
        bench.keep(name, values)
        bench.figure(name, samples.median(values), "events/s", of=values)
        took = [second for _, seconds in found[name] for second in seconds]
        if took:
            bench.keep(f"{name}, seconds", took)
            bench.figure(f"{name}, p95", samples.percentile(took, 0.95) * 1000, "ms")
    years, days, plain = rates.values()
    shares = [ours / theirs for ours, theirs in zip(years, plain, strict=True)]
    bench.figure("service ÷ bare SQL", samples.median(shares), of=shares, target=">= 0.25")
    paces = [long / short for long, short in zip(years, days, strict=True)]
    bench.figure("5 years ÷ 5 days", samples.median(paces), of=paces, target=">= 0.9")


def _serve(clients: Clients, news: Iterator[OrderDelivered], events: int) -> tuple[float, list[float]]:
    batches = [[next(news) for _ in range(events)] for _ in range(len(clients))]
    done = clients.work(deliver, batches)
    return rate(done), [second for work in done for second in work.took]


def _bare(script: str, options: argparse.Namespace) -> tuple[float, list[float]]:
    return bare.run_script(script, clients=options.clients, transactions=options.events), []


def deliver(order: OrderDelivered) -> None:
    """What the relay has the handler of delivered orders do. Runs in the clients."""
    with as_relay():
        record_order_lines(order=order, at=order.paid_at)


def _check(crowds: dict[str, Crowd], options: argparse.Namespace) -> None:
    """Whether what was measured did happen."""
    expected = options.clients * options.events * (options.rounds + 1)
    for name in ("years", "days"):
        raised = TierDecision.objects.filter(member__in=crowds[name].members, cause="enter").exclude(
            member=crowds[name].members[0]
        )
        if raised.count() != expected:
            raise RuntimeError(
                f"{raised.count()} decisions were stored where {expected} events should have made one each"
            )


# The bare side

_SCRIPT = """
\\set member random({first}, {last})
\\set ref random(1, 9007199254740991)
BEGIN;
SELECT * FROM membership_membertier WHERE id = :member FOR UPDATE;
INSERT INTO membership_activityseen (ref) VALUES ('line:' || :ref || ':spend') ON CONFLICT (ref) DO NOTHING RETURNING ref;
SELECT metric, category, amount, quantity, first_day FROM membership_total WHERE member_id = :member;
SELECT day, metric, category, amount, quantity, earned FROM membership_bucket
WHERE member_id = :member AND day >= {since} AND day <= {today} ORDER BY day;
INSERT INTO membership_activity (source_ref, member_id, metric, subject, occurred_at, recorded_at, amount, quantity,
    category, reverses, valid, invalid_reason)
VALUES ('line:' || :ref || ':spend', :member, 'spend', 'order:' || :ref, {now}, {now}, {amount}, 0, 'game_card', '', true, '');
INSERT INTO membership_bucket AS bucket (member_id, day, metric, category, amount, quantity, earned)
VALUES (:member, {today}, 'spend', 'game_card', {amount}, 0, 0), (:member, {today}, 'orders', '', 0, 1, 1)
ON CONFLICT (member_id, day, metric, category) DO UPDATE
SET amount = bucket.amount + EXCLUDED.amount, quantity = bucket.quantity + EXCLUDED.quantity,
    earned = bucket.earned + EXCLUDED.earned;
INSERT INTO membership_total AS total (member_id, metric, category, amount, quantity, first_day)
VALUES (:member, 'spend', 'game_card', {amount}, 0, {today}), (:member, 'orders', '', 0, 1, {today}),
    (:member, 'buy_days', '', 0, 1, NULL)
ON CONFLICT (member_id, metric, category) DO UPDATE
SET amount = total.amount + EXCLUDED.amount, quantity = total.quantity + EXCLUDED.quantity,
    first_day = least(total.first_day, EXCLUDED.first_day);
UPDATE membership_membertier
SET {columns}
WHERE id = :member;
INSERT INTO membership_tierdecision (member_id, {decided}) VALUES (:member, {decision});
INSERT INTO events_event ({told}) VALUES ({news});
COMMIT;
"""


def bare_script(example: Crowd, crowd: Crowd, now: datetime) -> str:
    """The statements of one event, with the values that the service stores for a member of `example`, on all of `crowd`."""
    order = next(orders(example, now))
    member = MemberTier.objects.get(user_id=example.users[0], program=example.program)
    record_order_lines(order=replace(order, user_id=member.user_id), at=now)
    member.refresh_from_db()
    decision = TierDecision.objects.filter(member=member).latest("pk")
    event = Event.objects.latest("pk")
    version = crowd.program.versions.get()
    stored = _values(member, but={"id", "user", "program"}) | {"version_id": version.pk}
    decided = _values(decision, but={"id", "member"}) | {"version_id": version.pk}
    told = _values(event, but={"id"})
    today = clock.day_of(now)
    return _SCRIPT.format(
        first=min(crowd.members),
        last=max(crowd.members),
        since=bare.literal(days_needed(parse_rules(document()), today)),
        today=bare.literal(today),
        now=bare.literal(now),
        amount=ORDER,
        columns=", ".join(f"{name} = {bare.literal(value)}" for name, value in stored.items()),
        decided=", ".join(decided),
        decision=", ".join(map(bare.literal, decided.values())),
        told=", ".join(told),
        news=", ".join(map(bare.literal, told.values())),
    )


def _values(row, but: set[str]) -> dict:
    fields = [field for field in row._meta.concrete_fields if field.name not in but]
    return {field.column: getattr(row, field.attname) for field in fields}
