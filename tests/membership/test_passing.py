"""A pass over many members ends in what the engine says of each: settled by SQL or not, the rows are the same."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clock import start_of_day
from common.locks import lock
from events.models import Event
from membership.engine.state import State, dump_state, load_state
from membership.engine.step import World, next_check
from membership.engine.versions import Timeline
from membership.models import MemberTier, RuleSetVersion, TierDecision, TierStay
from membership.rules.catalogue import Span, Window
from membership.rules.dump import dump_rules, fingerprint
from membership.rules.nodes import Leaf, RuleSet, Scale, Tier
from membership.rules.traces import dump_jump_trace, dump_tier_trace
from membership.selectors.books import StoredStays
from membership.selectors.evaluations import decision_document, evaluation_traces
from membership.selectors.rules import published_versions
from membership.services import passing
from membership.services.evaluation import evaluate_locked
from membership.services.passing import pass_time
from membership.sql import steps
from tests.membership.club import Club, at_least
from tests.membership.rule_strategies import HORIZON, histories, rule_sets
from tests.membership.stored import book_of, store_book

TODAY = date(2026, 11, 22)
NIGHT = start_of_day(TODAY) + timedelta(hours=3, minutes=10)
LEFT_AT = start_of_day(TODAY - timedelta(days=1))
LONG_AGO = start_of_day(TODAY - timedelta(days=100))
MEMBERS = 6
Policy = RuleSetVersion.Policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def club(db):
    club = Club(at_least("spend", "life", "1.00"))
    club.ids = [club.join().pk for _ in range(MEMBERS)]
    return club


@pytest.fixture(autouse=True)
def every_group_by_statement(monkeypatch):
    monkeypatch.setattr(passing, "WORTH_A_STATEMENT", 1)


@st.composite
def worlds(draw):
    """Versions of rules with policies, and when the last step was; each version begins before or after it."""
    gap = draw(st.integers(0, 2))
    left_at = start_of_day(TODAY - timedelta(days=gap)) + timedelta(hours=draw(st.integers(0, 3)))
    found = [(draw(rule_sets()), LONG_AGO, Policy.IMMEDIATE, None)]
    for number in range(draw(st.integers(0, 2))):
        begins = draw(st.sampled_from([LONG_AGO + timedelta(days=number + 1), left_at + timedelta(minutes=number + 5)]))
        policy = draw(st.sampled_from(list(Policy)))
        until = TODAY + timedelta(days=draw(st.integers(-1, 2))) if policy == Policy.GRANDFATHER_UNTIL else None
        if begins > found[-1][1] and begins <= NIGHT:
            found.append((draw(rule_sets()), begins, policy, until))
    return gap, left_at, found


@st.composite
def states(draw, ranks):
    """(rank, days since, kept by the version before, stage, days until the grace ends)."""
    stage = draw(st.sampled_from(["active", "active", "warned", "grace"]))
    return (
        draw(st.sampled_from(ranks)),
        draw(st.integers(0, HORIZON)),
        draw(st.booleans()),
        stage,
        draw(st.integers(-1, 3)),
    )


def publish(club, found) -> list:
    for number, (rules, begins, policy, until) in enumerate(found):
        RuleSetVersion.objects.create(
            program=club.program,
            number=100 + number,
            status="published",
            document=dump_rules(rules),
            sha256=fingerprint(rules),
            created_at=begins,
            published_at=begins,
            effective_from=begins,
            policy=policy,
            policy_until=until,
        )
    return published_versions(club.program.pk)


def place(member_id, versions, drawn, history, left_at, gap) -> None:
    """A member as a step at `left_at` would have left them."""
    rank, days, kept, stage, grace = drawn
    timeline = Timeline(versions)
    version = timeline.at(left_at)
    earlier = [one for one in versions if one.effective_from < version.effective_from]
    since = start_of_day(TODAY - timedelta(days=gap + days))
    if rank not in [tier.rank for tier in version.rules.tiers]:
        rank = version.rules.default_tier.rank
    stage = stage if rank != version.rules.default_tier.rank else "active"
    grace_until = start_of_day(TODAY + timedelta(days=grace)) if stage == "grace" else None
    protected = kept and rank and len(earlier) > 1
    state = State(
        rank=rank,
        since=since,
        shown=rank,
        shown_since=since,
        at=left_at,
        stage=stage,
        shown_stage=stage,
        grace_until=grace_until,
        version=version.pk,
        kept_by=earlier[-1].pk if protected else None,
        kept_until=start_of_day(TODAY) if protected and days % 2 else None,
    )
    book = book_of([(ago + gap, *rest) for ago, *rest in history], TODAY)
    store_book(member_id, book)
    world = World(timeline, StoredStays(MemberTier.objects.get(pk=member_id).program_id))
    MemberTier.objects.filter(pk=member_id).update(
        rank=rank,
        since=since,
        stage=stage,
        grace_until=grace_until,
        state=dump_state(state),
        folded_to=left_at,
        version=version.pk,
        evaluated_at=left_at,
        evaluation={"day": (TODAY - timedelta(days=gap)).isoformat(), "tiers": []},
        next_check_at=next_check(world, state, book, left_at),
    )


def due(club) -> list[int]:
    rows = MemberTier.objects.filter(pk__in=club.ids)
    version = Timeline(published_versions(club.program.pk)).at(NIGHT)
    return sorted(
        member.pk
        for member in rows
        if member.version_id != version.pk or (member.next_check_at is not None and member.next_check_at <= NIGHT)
    )


def outcome(club) -> tuple[dict, list]:
    members = MemberTier.objects.filter(pk__in=club.ids).order_by("pk")
    columns = ("rank", "since", "stage", "grace_until", "version_id", "next_check_at", "folded_to")
    rows = {(member.pk, name): getattr(member, name) for member in members for name in columns}
    for member in members:
        rows[member.pk, "state"] = load_state(member.state)
        rows[member.pk, "evaluation"] = expanded(member)
    decisions = TierDecision.objects.filter(member__in=club.ids).exclude(cause="default").order_by("member", "id")
    fields = ("member_id", "from_rank", "to_rank", "stage", "cause", "version_id", "day", "at", "gap")
    told = [{name: getattr(one, name) for name in fields} | {"trace": decision_document(one)} for one in decisions]
    events = Event.objects.filter(kind="tier.changed").order_by("id").values_list("payload", "occurred_at")
    return rows, told, sorted(without_number(payload, at) for payload, at in events)


def expanded(member) -> tuple:
    if set(member.evaluation) == {"day", "tiers"} and not member.evaluation["tiers"]:
        return member.evaluation["day"], None  # nobody has evaluated the member
    tiers, jumps = evaluation_traces(member)
    return member.evaluation["day"], [*map(dump_tier_trace, tiers)], [*map(dump_jump_trace, jumps)]


def without_number(payload, at) -> tuple:
    return (payload["user_id"], str(at), *(str(payload[name]) for name in sorted(payload) if name != "decision_id"))


def assert_the_same(club, versions) -> None:
    """A night by the pass ends as it does by the engine alone: rows, decisions with traces, news."""
    ids = due(club)
    with transaction.atomic():
        evaluate_locked(lock(MemberTier.objects.filter(pk__in=ids)), versions, at=NIGHT)
        by_engine = outcome(club)
        transaction.set_rollback(True)
    pass_time(ids, versions, program_id=club.program.pk, at=NIGHT)
    rows, decisions, events = outcome(club)
    differing = {key: (value, by_engine[0][key]) for key, value in rows.items() if value != by_engine[0][key]}
    assert not differing
    assert decisions == by_engine[1]
    assert events == by_engine[2]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(world=worlds(), found=st.lists(histories, min_size=MEMBERS, max_size=MEMBERS), data=st.data())
def test_a_pass_ends_where_the_engine_ends(club, world, found, data):
    gap, left_at, drawn_versions = world
    with transaction.atomic():
        versions = publish(club, drawn_versions)
        ranks = sorted({tier.rank for rules, *_ in drawn_versions for tier in rules.tiers})
        means = data.draw(st.dictionaries(st.sampled_from(ranks), st.integers(0, HORIZON).map(Decimal)))
        TierStay.objects.bulk_create(
            TierStay(program=club.program, day=TODAY - timedelta(days=ago), rank=rank, days=days)
            for rank, days in means.items()
            for ago in range(4)
        )
        for member_id, history in zip(club.ids, found, strict=True):
            place(member_id, versions, data.draw(states(ranks)), history, left_at, gap)
        assert_the_same(club, versions)
        transaction.set_rollback(True)


def test_a_protection_that_is_over_when_it_begins_ends_the_next_night(club):
    first, second = (
        RuleSet((Tier(0, "默认"), Tier(3, "等级3"))),
        RuleSet((Tier(0, "默认"), Tier(3, "等级3", enter=spent("9.00")))),
    )
    over = (second, start_of_day(TODAY) + timedelta(minutes=5), Policy.GRANDFATHER_UNTIL, TODAY - timedelta(days=1))
    versions = publish(club, [(first, LONG_AGO, Policy.IMMEDIATE, None), over])
    for member_id in club.ids:
        place(member_id, versions, (3, 0, False, "active", 0), [], LEFT_AT, 0)
    assert_the_same(club, versions)
    assert MemberTier.objects.get(pk=club.ids[0]).next_check_at == start_of_day(TODAY + timedelta(days=1))


# (rank, days since, kept, stage, days until the grace ends), what was spent, and what the night makes of it.
ORDINARY = [
    ((0, 5, False, "active", 0), "12.00", (1, "active", "enter")),
    ((1, 5, False, "active", 0), "1.00", (1, "warned", "warn")),
    ((1, 5, False, "warned", 0), "1.00", (1, "grace", "grace")),
    ((2, 5, False, "grace", 0), "1.00", (1, "active", "down")),
    ((2, 5, False, "warned", 0), "18.00", (2, "active", None)),
    ((1, 5, False, "active", 0), "12.00", (1, "active", None)),
]


def test_an_ordinary_night_needs_no_engine(club, monkeypatch):
    """And does not undo what came in between: a member whose row has changed since it was read is left to the engine."""
    tier = {"keep": Scale(Decimal("0.9")), "min_stay_days": 0}
    tiers = (Tier(0, "默认"), *(Tier(rank, f"等级{rank}", enter=spent(f"{rank}0.00"), **tier) for rank in (1, 2)))
    versions = publish(club, [(RuleSet(tiers), LONG_AGO, Policy.IMMEDIATE, None)])
    for member_id, (drawn, amount, _) in zip(club.ids, ORDINARY, strict=True):
        place(member_id, versions, drawn, [(5, "spend", "", Decimal(amount), 0)], LEFT_AT, 1)
    MemberTier.objects.filter(pk__in=club.ids).update(next_check_at=start_of_day(TODAY))
    asked = []
    monkeypatch.setattr(passing, "evaluate_locked", lambda members, *args, **options: asked.extend(members) or [])
    tell, slow = steps.tell, club.ids[-1]

    def tell_while_something_happens(*args):
        told = tell(*args)
        MemberTier.objects.filter(pk=slow).update(evaluated_at=NIGHT - timedelta(seconds=1))
        return told

    monkeypatch.setattr(steps, "tell", tell_while_something_happens)
    assert pass_time(club.ids, versions, program_id=club.program.pk, at=NIGHT) == 2
    assert [member.pk for member in asked] == [slow]
    for member_id, (_, _, (rank, stage, cause)) in zip(club.ids[:-1], ORDINARY, strict=False):
        member = MemberTier.objects.get(pk=member_id)
        last = member.decisions.exclude(cause="default").last()
        assert (member.rank, member.stage, last and last.cause) == (rank, stage, cause)
        assert member.evaluation["day"] == TODAY.isoformat() and member.folded_to == start_of_day(TODAY)
    assert MemberTier.objects.get(pk=slow).folded_to == LEFT_AT


def test_a_pass_that_is_killed_between_a_version_and_its_figures_leaves_what_can_be_read(club, monkeypatch):
    """A version that took effect yesterday afternoon: its step is one of yesterday, the figures of today come after it."""
    tiers = (Tier(0, "默认"), Tier(1, "等级1", enter=spent("10.00")))
    published = [(RuleSet(tiers), LONG_AGO, Policy.IMMEDIATE, None)]
    versions = publish(club, published)
    for member_id in club.ids:
        place(member_id, versions, (0, 5, False, "active", 0), [(5, "spend", "", Decimal("1.00"), 0)], LEFT_AT, 1)
    MemberTier.objects.filter(pk__in=club.ids).update(next_check_at=LEFT_AT + timedelta(hours=1))
    pass_time(club.ids, versions, program_id=club.program.pk, at=LEFT_AT + timedelta(hours=2))
    asked = (*tiers, Tier(2, "等级2", enter=spent("20.00")))
    newer = RuleSetVersion.objects.create(
        program=club.program,
        number=99,
        document=dump_rules(RuleSet(asked)),
        sha256=fingerprint(RuleSet(asked)),
        status="published",
        created_at=LEFT_AT,
        published_at=LEFT_AT,
        effective_from=LEFT_AT + timedelta(hours=15),
    )

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(passing, "evaluate_those_behind", killed)
    with pytest.raises(KeyboardInterrupt):
        pass_time(club.ids, published_versions(club.program.pk), program_id=club.program.pk, at=NIGHT)
    for member in MemberTier.objects.filter(pk__in=club.ids):
        assert member.version_id == newer.pk and "figures" in member.evaluation
        assert [tier.rank for tier in evaluation_traces(member)[0]] == [1]


def spent(amount: str) -> Leaf:
    return Leaf("spend", Window(Span.DAYS, 30), ">=", Decimal(amount))
