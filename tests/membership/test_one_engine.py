"""Live or in memory, step by step or folded again, in order or not: one engine, one outcome."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from common import clock
from common.clock import start_of_day
from membership.engine.dynamic import NoStays
from membership.engine.facts import Fact, History
from membership.engine.fold import Fold, refold
from membership.engine.member import Member
from membership.engine.state import dump_state, load_state
from membership.engine.step import World
from membership.engine.versions import OneVersion, Timeline
from membership.models import Bucket, Total
from membership.rules.parse import parse_rules
from membership.selectors.books import StoredStays, load_history, load_overrides
from membership.selectors.rules import published_versions
from membership.services import evaluate_member
from tests.membership.living import Town, lived
from tests.membership.scenarios import at, event, exactly, ladder, least, order, plus, replayed, taken_back

pytestmark = pytest.mark.django_db

DAY = "2026-03-02"
END = at(plus(DAY, 130), "00:00:00")
RULES = ladder(
    {"enter": {"any": [least("spend", "life", "900.00"), least("activity", "60d", 120)]}},
    {
        "enter": {"all": [least("spend", "30d", "800.00"), least("buy_days", "30d", 2)]},
        "keep": {"scale": "0.9"},
        "gates": [exactly("disputes_upheld", "20d", 0)],
        "min_stay_days": 5,
        "grace_days": 6,
    },
    {
        "enter": {"all": [least("spend", "14d", "1200.00"), exactly("realname", "now", True)]},
        "keep": least("spend", "14d", "500.00"),
        "gates": [exactly("disputes_upheld", "40d", 0)],
        "min_stay_days": 3,
        "grace_days": 4,
    },
    exclude=[{"reason": "gift_cards", "category": "gift_card"}],
    bundles=[
        {"id": "weekly", "window": "week", "needs": {"checkin": 3, "review": 1}, "grants": {"activity": 50}},
        {"id": "monthly", "window": "month", "needs": {"orders": 4}, "grants": {"activity": 30}},
    ],
    caps=[
        {"m": "activity", "per": "day", "max": 40},
        {"m": "activity", "per": "week", "max": 70},
        {"m": "activity", "per": "month", "max": 110},
        {"m": "checkin", "per": "day", "max": 1},
    ],
    multipliers=[{"m": "activity", "factor": "1.5", "from": plus(DAY, 10), "to": plus(DAY, 40)}],
    jumps=[{"id": "up", "up": 2, "when": least("invitee_active", "life", 3)}],
)


def history(seed: int, *, overrides: bool) -> list[dict]:
    """Two members, a line a moment: everything that may happen, taken back in whole, in part and twice."""
    chance = random.Random(seed)
    minutes = sorted(chance.sample(range(110 * 24 * 60), chance.randint(8, 28)))
    begin = start_of_day(datetime.fromisoformat(DAY).date())
    lines: list[dict] = []
    kinds = ["order"] * 6 + ["activity"] * 3 + ["checkin", "checkin", "review", "dispute", "realname", "invitee_active"]
    kinds += ["taken"] * 3 + ["override"] * overrides
    for minute in minutes:
        when = (begin + timedelta(minutes=minute)).isoformat()
        member = f"m{chance.randint(1, 2)}"
        match chance.choice(kinds):
            case "order":
                category = chance.choice(["game_card", "gift_card", ""])
                extra = {"category": category} if category else {}
                lines.append(order(f"{chance.randint(50, 900)}.00", when, member, **extra))
            case "activity":
                lines.append(event("activity", when, member, points=chance.randint(1, 90)))
            case "dispute":
                lines.append(event("dispute", when, member, order="o", upheld=chance.random() < 0.7))
            case "realname":
                lines.append(event("realname", when, member, value=chance.random() < 0.8))
            case "taken" if lines:
                back = chance.choice([line for line in lines if line["metric"] != "override"] or lines)
                if back["metric"] != "override":
                    part = {"amount": "60.00"} if back["metric"] == "order" and chance.random() < 0.5 else {}
                    lines.append(taken_back(back, when, **part))
            case "override":
                until = (datetime.fromisoformat(when) + timedelta(days=chance.randint(1, 30))).isoformat()
                kind = chance.choice(["pin", "floor", "ceiling"])
                lines.append(event("override", when, member, kind=kind, rank=chance.randint(0, 3), until=until))
            case "taken":
                pass
            case other:
                lines.append(event(other, when, member, qty=chance.randint(1, 2)))
    return lines or [order("1.00", at(DAY))]


def told(decisions: list[dict]) -> list[tuple]:
    keys = ("member", "at", "from", "to", "stage", "cause", "gap")
    return [
        (
            *(one[key] for key in keys if key != "gap" or one["cause"] != "default"),
            one["ref"] * (one["cause"] != "default"),
        )
        for one in ({**one, "ref": one["ref"] or ""} for one in decisions)
    ]


def states(town: Town) -> dict:
    """Where everybody stands: the engine's state and the figures, without what names the version."""
    found = {}
    for name, member in town.people.items():
        member.refresh_from_db()
        state = {key: value for key, value in member.state.items() if key != "version"}
        sums = (
            Bucket.objects.filter(member=member)
            .exclude(amount=0, quantity=0, earned=0)
            .order_by("day", "metric", "category")
        )
        totals = Total.objects.filter(member=member).exclude(amount=0, quantity=0).order_by("metric", "category")
        found[name] = (
            state,
            member.evaluation,
            member.next_check_at,
            list(sums.values_list("day", "metric", "category", "amount", "quantity", "earned")),
            list(totals.values_list("metric", "category", "amount", "quantity", "first_day")),
        )
    return found


def assert_folds_alike(town: Town) -> None:
    """What was reached step by step is what a fold from the first day gives, sums included."""
    for member in town.people.values():
        member.refresh_from_db()
        timeline = Timeline(published_versions(member.program_id))
        world = World(timeline, StoredStays(member.program_id), load_overrides([member.pk]).get(member.pk, ()))
        facts = load_history(member.pk)
        started = min(filter(None, (member.user.date_joined, facts.first_at())))
        again = refold(world, facts, started, datetime.fromisoformat(END))
        assert load_state(member.state) == load_state(dump_state(again.state))
        assert member.next_check_at == again.due()
        kept = {
            (row.metric, row.day, row.category): (row.amount, row.quantity)
            for row in Bucket.objects.filter(member=member)
            if row.amount or row.quantity
        }
        folded = {
            (metric, day, category): (entry.amount, entry.quantity)
            for metric, by_day in again.tally.book.days.items()
            for day, entries in by_day.items()
            for category, entry in entries.items()
            if entry.amount or entry.quantity
        }
        assert kept == folded
        life = {(row.metric, row.category): (row.amount, row.quantity) for row in Total.objects.filter(member=member)}
        for metric, entries in again.tally.book.totals.items():
            for category, entry in entries.items():
                if entry.amount or entry.quantity:
                    assert life.pop((metric, category)) == (entry.amount, entry.quantity)
        assert not any(amount or quantity for amount, quantity in life.values())


@pytest.mark.parametrize("seed", range(12))
def test_the_live_services_decide_as_a_replay_does(seed):
    lines = history(seed, overrides=True)
    assert told(lived(RULES, lines, END)) == told(replayed(RULES, lines, END))


@pytest.mark.parametrize("seed", range(100, 110))
def test_any_order_and_any_repetition_end_alike(seed):
    lines = history(seed, overrides=False)
    firsts: dict[str, str] = {}
    for line in lines:
        firsts.setdefault(line["member"], line["at"])
    outcomes = []
    for variant in range(3):
        town = Town(RULES)
        for name, first in firsts.items():
            town.join(name, datetime.fromisoformat(first))
        if variant == 0:
            for line in lines:
                town.hear(line, datetime.fromisoformat(line["at"]))
        else:
            shuffled = [*lines, *lines[::2]]
            random.Random(f"{seed}:{variant}").shuffle(shuffled)
            for line in shuffled:
                town.hear(line, datetime.fromisoformat(END))
        end = datetime.fromisoformat(END)
        for member in town.people.values():
            with clock.travel(end):
                evaluate_member(member_id=member.pk, at=end)
        assert_folds_alike(town)
        outcomes.append(states(town))
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


def test_a_reversal_that_came_first_and_is_taken_back_lets_its_fact_count():
    """Its own date is when it was heard; the sums of the day of the fact follow all the same."""
    bought = order("500.00", at(DAY))
    back = taken_back(bought, at(plus(DAY, 3)))
    # Taken back, then known, then not taken back after all.
    again = taken_back(back, at(plus(DAY, 5)))
    town = Town(RULES)
    town.join("m1", datetime.fromisoformat(at(DAY)))
    for line, heard in ((back, 3), (bought, 4), (again, 5)):
        town.hear(line, datetime.fromisoformat(at(plus(DAY, heard))))
    end = datetime.fromisoformat(END)
    with clock.travel(end):
        evaluate_member(member_id=town.people["m1"].pk, at=end)
    assert_folds_alike(town)
    [total] = Total.objects.filter(member=town.people["m1"], metric="spend")
    assert total.amount == 500


def test_what_happens_at_one_moment_is_one_step_however_it_is_heard():
    """Four invitees lift two levels from where the order of the same second leads, not from where it found the member."""
    begin, when = datetime.fromisoformat(at(DAY)), datetime.fromisoformat(at(plus(DAY, 3)))
    world = World(Timeline([OneVersion(parse_rules(RULES), begin)]), NoStays())
    facts = [
        Fact("dispute", "dispute", begin, quantity=1, value=1),
        Fact("friends", "invitee_active", when, quantity=3),
        Fact("order", "spend", when, Decimal("900.00"), subject="o"),
    ]
    members = []
    for order_of_news in (facts, [facts[0], facts[2], facts[1]]):
        member = Member(world)
        member.begin(begin)
        for fact in order_of_news:
            member.hear([fact], fact.at)
        members.append(member.fold.state)
    again = refold(world, History.of(facts), begin, when)
    assert again.state.jumps == (("up", 3),)
    assert members == [again.state, again.state]


def sums_of(fold) -> tuple[dict, dict]:
    book = fold.tally.book
    days = {
        (metric, day, category): entry
        for metric, by_day in book.days.items()
        for day, entries in by_day.items()
        for category, entry in entries.items()
        if any(entry)
    }
    totals = {(name, key): entry for name, entries in book.totals.items() for key, entry in entries.items()}
    return days, {key: entry for key, entry in totals.items() if any(entry)}


@pytest.mark.parametrize("seed", range(40))
def test_to_find_which_fact_of_a_moment_decided_moves_nothing(seed, monkeypatch):
    """State, decisions, sums and the next moment are those of a life in which nobody asked."""
    chance = random.Random(seed)
    begin = start_of_day(datetime.fromisoformat(DAY).date())
    world = World(Timeline([OneVersion(parse_rules(RULES), begin)]), NoStays())
    member, known = Member(world), []
    member.begin(begin)
    for number, minute in enumerate(sorted(chance.sample(range(90 * 24 * 60), 12))):
        when = begin + timedelta(minutes=minute)
        facts = [some_fact(chance, f"{number}-{one}", when) for one in range(chance.randint(1, 4))]
        member.hear(facts, when)
        known += facts
    end = begin + timedelta(days=120)
    member.advance(end)
    again = refold(world, History.of(known), begin, end)
    assert dump_state(member.fold.state) == dump_state(again.state)
    assert sums_of(member.fold) == sums_of(again)
    assert member.fold.due() == again.due()
    assert [(one.cause, one.to_rank, one.ref) for one in member.decisions] == [
        (one.cause, one.to_rank, one.ref) for one in again.decisions
    ]
    refs = {fact.ref for fact in known}
    assert all(not one.ref or one.ref in refs for one in member.decisions)
    monkeypatch.setattr(Fold, "_decider", lambda fold, before, at, nets, *_: nets[-1].fact.ref)
    unasked = refold(world, History.of(known), begin, end)
    assert sums_of(unasked) == sums_of(again)
    assert dump_state(unasked.state) == dump_state(again.state)


def some_fact(chance: random.Random, ref: str, when: datetime) -> Fact:
    match chance.choice(["spend", "activity", "checkin", "review", "realname", "dispute", "invitee_active"]):
        case "spend":
            return Fact(ref, "spend", when, Decimal(chance.randint(50, 900)), category="game_card", subject=ref)
        case "realname":
            return Fact(ref, "realname", when, value=chance.randint(0, 1))
        case "dispute":
            return Fact(ref, "dispute", when, quantity=1, value=1)
        case "activity":
            return Fact(ref, "activity", when, quantity=chance.randint(1, 90))
        case other:
            return Fact(ref, other, when, quantity=1)
