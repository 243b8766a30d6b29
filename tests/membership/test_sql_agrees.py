"""SQL and the engine say the same of random rules and members: leaf by leaf, tier by tier, day by day."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clock import start_of_day
from membership.engine.book import Book, Snapshot, days_needed, next_change
from membership.engine.compact import read_figures, traces_of
from membership.engine.judge import Judge
from membership.engine.state import State
from membership.engine.versions import OneVersion
from membership.rules.evaluate import evaluate, gaps, leaf_traces
from membership.rules.traces import dump_jump_trace, dump_tier_trace
from membership.sql.conditions import Ladder, passes, read
from membership.sql.documents import figures_array, gap_document
from membership.sql.figures import Figures, Scope
from membership.sql.fragments import Sql, fill, join, run
from tests.membership import stored
from tests.membership.club import Club, at_least
from tests.membership.rule_strategies import histories, rule_sets
from tests.membership.test_rules_evaluate import rules_of

TODAY = date(2026, 11, 22)  # a Sunday
MEMBERS = 4

pytestmark = pytest.mark.django_db
random_rules = settings(
    max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def member_ids(db):
    club = Club(at_least("spend", "life", "1.00"))
    return [club.join().pk for _ in range(MEMBERS)]


def book_of(history, last=TODAY) -> Book:
    return stored.book_of(history, TODAY, last)


class Stored:
    """Members with their histories in the database, until the block ends."""

    def __init__(self, member_ids, found) -> None:
        self.ids, self.histories = member_ids, found

    def __enter__(self):
        self.point = transaction.atomic()
        self.point.__enter__()
        for member_id, history in zip(self.ids, self.histories, strict=True):
            stored.store_book(member_id, book_of(history))
        return self

    def __exit__(self, *raised):
        transaction.set_rollback(True)
        self.point.__exit__(None, None, None)

    def ask(self, figures: Figures, columns: dict[str, Sql], **ranks) -> list[dict]:
        """One row a member, in their order."""
        wanted = join(", ", (fill("{value} AS {name}", value=v, name=Sql(k)) for k, v in columns.items()))
        statement = fill(
            "WITH {ctes} SELECT scope.id, {wanted} FROM scope JOIN figures ON figures.member_id = scope.id"
            " JOIN flags ON flags.member_id = scope.id",
            ctes=figures.ctes(Scope.of_ids(self.ids), Sql("m.rank")),
            wanted=wanted,
        )
        rows = {row[0]: dict(zip(columns, row[1:], strict=True)) for row in run(statement)}
        return [rows[member_id] for member_id in self.ids]


members = st.lists(histories, min_size=MEMBERS, max_size=MEMBERS)


@random_rules
@given(rules=rule_sets(), found=members, ago=st.integers(0, 10))
def test_every_leaf_reads_and_answers_the_same(member_ids, rules, found, ago):
    """Also as of an earlier day, when the totals know more than that day did."""
    then = TODAY - timedelta(days=ago)
    with Stored(member_ids, found) as base:
        figures = Figures([rules], then, past=ago > 0)
        wanted = {"id": Sql("scope.id")}
        for place, leaf in enumerate(rules.leaves()):
            wanted[f"value{place}"] = read(leaf, rules, figures)
            wanted[f"passed{place}"] = passes(leaf, rules, figures)
        if not ago:
            wanted["change"] = Ladder(rules, figures).next_change()
        for history, row in zip(found, base.ask(figures, wanted), strict=True):
            book = book_of(history, then)
            snapshot = Snapshot(book, rules, then)
            for place, leaf in enumerate(rules.leaves()):
                [trace] = leaf_traces(evaluate(leaf, snapshot, then))
                if leaf.m != "streak":  # SQL looks no further back than some condition can tell
                    assert row[f"value{place}"] == trace.value, leaf
                assert row[f"passed{place}"] == trace.passed, leaf
            assert row.get("change") == (None if ago else next_change(rules, book, then))


@random_rules
@given(rules=rule_sets(), found=members, data=st.data())
def test_every_tier_answers_the_same(member_ids, rules, found, data):
    rank = data.draw(st.sampled_from([tier.rank for tier in rules.tiers]))
    with Stored(member_ids, found) as base:
        ladder = Ladder(rules, Figures([rules], TODAY))
        held = Sql("%s::bigint", (rank,))
        wanted = {
            "reached": ladder.reached(held),
            "stays": ladder.stays(held),
            "lets_in": ladder.lets_in(held),
            "landing": ladder.landing(held),
            "fitting": ladder.fitting_below(held),
            "jumps": ladder.jumps(),
        }
        for history, row in zip(found, base.ask(ladder.figures, wanted), strict=True):
            assert row == judged(rules, book_of(history), rank)


@random_rules
@given(rules=rule_sets(), found=members, data=st.data())
def test_what_is_stored_reads_the_same(member_ids, rules, found, data):
    rank = data.draw(st.sampled_from([tier.rank for tier in rules.tiers]))
    with Stored(member_ids, found) as base:
        ladder = Ladder(rules, Figures([rules], TODAY))
        held = Sql("%s::bigint", (rank,))
        wanted = {"figures": figures_array(ladder), "gap": gap_document(ladder, held)}
        wanted = {key: fill("({document})::text", document=document) for key, document in wanted.items()}
        for history, row in zip(found, base.ask(ladder.figures, wanted), strict=True):
            judge = judge_of(rules, loaded(rules, book_of(history)), rank)
            figures = read_figures(rules, json.loads(row["figures"]))
            tiers, jumps = traces_of(rules, figures, TODAY, rank)
            assert [*map(dump_tier_trace, tiers)] == [dump_tier_trace(trace) for trace in judge.tier_traces()]
            assert [*map(dump_jump_trace, jumps)] == [dump_jump_trace(trace) for trace in judge.jump_traces()]
            above = judge.next_above(rank)
            assert json.loads(row["gap"]) == (gaps(above) if above is not None else {})


def loaded(rules, book: Book) -> Book:
    """What the services read of it: the days that conditions can reach, and the totals."""
    part = Book(totals=book.totals, first_days=book.first_days)
    for metric, by_day in book.days.items():
        for day, entries in by_day.items():
            for category, one in entries.items():
                if day >= days_needed(rules, TODAY):
                    part.load_day(metric, day, category, one.amount, one.quantity)
    return part


def judge_of(rules, book, rank) -> Judge:
    at = start_of_day(TODAY) + timedelta(hours=12)
    state = State(rank=rank, since=at, shown=rank, shown_since=at, at=at)
    return Judge(OneVersion(rules, at), book, state, at)


def judged(rules, book, rank) -> dict:
    judge = judge_of(rules, book, rank)
    bottom = rules.default_tier
    tier = judge.tier
    above = judge.reached()
    fitting = (one for one in reversed(rules.tiers) if one.rank < rank and judge.gates(one) and judge.keeps(one))
    return {
        "reached": above.rank if above else None,
        "stays": judge.gates(tier) and judge.keeps(tier),
        "lets_in": judge.gates(tier),
        "landing": judge.landing(rank - 1, bottom.rank).rank,
        "fitting": next(fitting, bottom).rank,
        "jumps": bool(judge.open_jumps()),
    }


def test_a_ratio_is_rounded_half_up_by_both(member_ids):
    """One of 32 is 0.03125: to the even digit it would be 0.0312."""
    rules = rules_of({"rank": 1, "name": "b", "enter": {"m": "dispute_rate", "win": "5d", "op": "==", "v": "0.0313"}})
    history = [
        (5, "orders", "", Decimal(0), 1),
        (0, "orders", "", Decimal(0), 32),
        (0, "disputes_upheld", "", Decimal(0), 1),
    ]
    with Stored(member_ids[:1], [history]) as base:
        figures = Figures([rules], TODAY)
        [leaf] = rules.leaves()
        [row] = base.ask(figures, {"rate": read(leaf, rules, figures)})
    assert row["rate"] == Snapshot(book_of(history), rules, TODAY).value("dispute_rate", leaf.win, None)
    assert row["rate"] == Decimal("0.0313")
