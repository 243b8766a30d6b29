"""Members brought forward event by event against the same members folded from their first day, over random histories.

Facts come in order, late, twice, and taken back before they are known. Two ways are compared, and told apart:

- engine: the incremental engine in memory. What it knows after the last event is compared with a fold from the beginning.
- live: the services on PostgreSQL, with bounded windows, stored sums and the stored state. What is stored in the end is
  compared with a fold of the ledger from the beginning: state, next check, sums by day, totals.

A difference is a member whose folded state or any figure is not the same. There must be none.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from accounts.models import User
from benchmarks.frame.clients import Clients
from benchmarks.frame.crowd import open_program
from benchmarks.frame.report import Bench
from benchmarks.frame.stories import DAYS, RULES, story
from common import clock
from common.clock import SHANGHAI
from membership.engine.book import Book, Sum
from membership.engine.dynamic import NoStays
from membership.engine.fold import Fold, refold
from membership.engine.member import Member
from membership.engine.state import dump_state
from membership.engine.step import World
from membership.engine.versions import OneVersion, Timeline
from membership.models import Bucket, MemberTier, Total
from membership.rules.parse import parse_rules
from membership.selectors.books import StoredStays, load_history
from membership.selectors.rules import published_versions
from membership.services import ensure_member, evaluate_member, record_activity, reverse_activity
from tenancy.models import Storefront

BEGIN = datetime(2026, 3, 2, tzinfo=SHANGHAI)
END = BEGIN + timedelta(days=DAYS + 75)
SHOP = "folding"
# Histories that a client is given at a time; progress is told between.
BATCH = 250


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--histories", type=int, default=200_000, help="through the engine in memory (200000)")
    parser.add_argument("--live", type=int, default=2_000, help="of these, also through the live services (2000)")
    parser.add_argument("--clients", type=int, default=2, help="processes (2)")


def run(bench: Bench, options: argparse.Namespace) -> None:
    open_program(SHOP, RULES, BEGIN - timedelta(days=1))
    ways: list[tuple[str, int, Callable]] = [("live", options.live, live), ("engine", options.histories, engine)]
    with Clients(options.clients) as clients:
        for name, number, act in ways:
            seeds = [bench.seed * 1_000_000 + one for one in range(number)]
            seconds, differences = _through(bench, clients, name, seeds, act)
            bench.figure(f"{name}: histories compared", number)
            bench.figure(f"{name}: differences", len(differences), target="== 0")
            bench.figure(f"{name}: pace", number / seconds if seconds else 0, "histories/s")
            bench.keep(f"{name}: differences", differences)
    bench.note(
        f"{options.histories} histories went through the engine in memory; the first {options.live} of them also through the "
        "live services on PostgreSQL."
    )


def _through(bench: Bench, clients: Clients, name: str, seeds: list[int], act: Callable) -> tuple[float, list[str]]:
    seconds, done, differences = 0.0, 0, []
    step = BATCH * len(clients)
    for at in range(0, len(seeds), step):
        part = seeds[at : at + step]
        works = clients.work(act, [part[number :: len(clients)] for number in range(len(clients))])
        seconds += max(work.ended for work in works) - min(work.began for work in works)
        differences += [answer for work in works for answer in work.answers]
        done += len(part)
        bench.say(f"{name}: {done} of {len(seeds)} histories, {len(differences)} differences")
    return seconds, differences


# The engine in memory


@cache
def _world() -> World:
    return World(Timeline([OneVersion(parse_rules(RULES), BEGIN)]), NoStays())


def engine(seed: int) -> str | None:
    """The difference, if there is one. Runs in the clients."""
    member = Member(_world())
    member.begin(BEGIN)
    for at, fact in story("s", BEGIN, random.Random(seed)):
        member.hear([fact], at)
    member.advance(END)
    again = refold(_world(), member.history, BEGIN, END)
    return _difference(seed, _known(member.fold), _known(again))


def _known(fold: Fold) -> dict[str, Any]:
    """What a fold knows, as it would be stored."""
    if fold.state is None:
        raise ValueError("a fold that never began")
    return {"state": dump_state(fold.state), "next check": fold.due(), **_sums(fold.tally.book)}


def _sums(book: Book) -> dict[str, Any]:
    days = {
        (metric, day, category): entry
        for metric, by_day in book.days.items()
        for day, entries in by_day.items()
        for category, entry in entries.items()
    }
    totals = {
        (metric, category): entry for metric, entries in book.totals.items() for category, entry in entries.items()
    }
    return {"days": dict(_counted(days)), "totals": dict(_counted(totals))}


def _counted(entries: dict[tuple, Sum]) -> Iterator[tuple[tuple, Sum]]:
    for key, entry in entries.items():
        if entry.amount or entry.quantity:
            yield key, Sum(Decimal(entry.amount), int(entry.quantity))


def _difference(seed: int, one: dict[str, Any], other: dict[str, Any]) -> str | None:
    wrong = [name for name in one if one[name] != other[name]]
    return f"{seed}: {', '.join(wrong)}" if wrong else None


# The live services


def live(seed: int) -> str | None:
    """The difference, if there is one. Runs in the clients."""
    shop = Storefront.objects.get(name=SHOP)
    user = User.objects.create(username=f"folding-{seed}", home_storefront=shop, date_joined=BEGIN)
    with clock.travel(BEGIN):
        member = ensure_member(user_id=user.pk, storefront_id=shop.pk, at=BEGIN)
    for at, fact in story(f"s{seed}", BEGIN, random.Random(seed)):
        with clock.travel(at):
            if fact.reverses:
                reverse_activity(
                    member_id=member.pk, reverses=fact.reverses, ref=fact.ref, at=at, amount=abs(fact.amount) or None
                )
            else:
                record_activity(
                    member_id=member.pk,
                    metric=fact.metric,
                    occurred_at=fact.at,
                    at=at,
                    ref=fact.ref,
                    quantity=fact.quantity,
                    amount=fact.amount or None,
                    value=fact.value,
                    category=fact.category,
                    subject=fact.subject,
                )
    with clock.travel(END):
        evaluate_member(member_id=member.pk, at=END)
    member.refresh_from_db()
    world = World(Timeline(published_versions(member.program_id)), StoredStays(member.program_id))
    again = refold(world, load_history(member.pk), BEGIN, END)
    return _difference(seed, _stored(member), _known(again))


def _stored(member: MemberTier) -> dict[str, Any]:
    days: dict[tuple[str, date, str], Sum] = {
        (row.metric, row.day, row.category): Sum(row.amount, row.quantity)
        for row in Bucket.objects.filter(member=member)
    }
    totals = {(row.metric, row.category): Sum(row.amount, row.quantity) for row in Total.objects.filter(member=member)}
    return {
        "state": member.state,
        "next check": member.next_check_at,
        "days": dict(_counted(days)),
        "totals": dict(_counted(totals)),
    }
