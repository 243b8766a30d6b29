"""What publication is told of rules that contradict themselves, that everybody meets, or whose tiers are out of order."""

from datetime import date

import pytest
from hypothesis import given, settings

from membership.engine.book import Snapshot
from membership.rules.catalogue import METRICS
from membership.rules.checks import Level, check
from membership.rules.evaluate import holds
from membership.rules.logic import implies, satisfiable
from membership.rules.nodes import RuleSet, Tier
from membership.rules.parse import parse_rules
from tests.membership import stored
from tests.membership.rule_strategies import WEIGHTS, histories, small_conditions
from tests.membership.scenarios import at, ladder, least, path, plus, replayed
from tests.membership.test_scenarios import DAY, others, rising

TODAY = date(2026, 11, 22)
ERROR, WARNING = Level.ERROR, Level.WARNING
STALL = {"stall": {"factor": "0.8"}}


def leaf(m, win, op, v):
    return {"m": m, "win": win, "op": op, "v": v}


def found(*tiers, **document):
    return [(one.level, one.path) for one in check(parse_rules(ladder(*tiers, **document)))]


def spend(v, win="life", **extra):
    return least("spend", win, v, **extra)


def activity(v, win="life", **extra):
    return least("activity", win, v, **extra)


CLEAN = leaf("disputes_upheld", "90d", "==", 0)
CALM, CALMER = leaf("dispute_rate", "90d", "<=", "0.5"), leaf("dispute_rate", "90d", "<=", "0.1")


def gated(enter, *gates):
    return {"enter": enter, "gates": [*gates]}


# The order of tiers


@pytest.mark.parametrize(
    ("lower", "higher", "expected"),
    [
        (gated(spend("1000"), CLEAN), gated(spend("500"), CLEAN), [(ERROR, "tiers[2].enter")]),
        (gated(spend("1000"), CLEAN), gated(spend("1000"), CLEAN), [(ERROR, "tiers[2].enter")]),
        (gated(spend("1000"), CLEAN), spend("500"), [(ERROR, "tiers[2].enter")]),
        (gated(spend("1000"), CALM, CLEAN), gated(spend("500"), CLEAN), [(ERROR, "tiers[2].enter")]),
        # The gate is what the higher tier asks for beyond the lower one.
        (spend("1000"), gated(spend("1000"), CLEAN), []),
        (gated(spend("500"), CLEAN), gated(spend("1000"), CLEAN), []),
        (gated(spend("500"), CLEAN), gated(spend("1000"), CLEAN, least("credit", "now", 80)), []),
    ],
)
def test_tiers_are_compared_with_their_gates(lower, higher, expected):
    assert found(lower, higher) == expected


@pytest.mark.parametrize(
    ("lower", "higher", "expected"),
    [
        (CALMER, CALM, [(WARNING, "tiers[2].enter")]),
        (gated(spend("500"), CALMER), gated(spend("500"), CALM), [(WARNING, "tiers[2].enter")]),
        (gated(spend("500"), CALMER), gated(spend("1000"), CALM), []),
        # How orders and spend hang together is left open without a word, with gates as without.
        (spend("500"), gated(least("orders", "life", 20), CLEAN), []),
    ],
)
def test_what_cannot_be_decided_where_less_is_asked_for_is_a_warning(lower, higher, expected):
    assert found(lower, higher) == expected


@pytest.mark.parametrize(
    ("lower", "higher", "expected"),
    [
        (activity(900), activity(1000, dyn="stall"), [(WARNING, "tiers[2].enter")]),
        (activity(800), activity(1000, dyn="stall"), []),
        (activity(900, dyn="stall"), activity(1000, dyn="stall"), []),
    ],
)
def test_a_threshold_that_falls_below_that_of_a_lower_tier_is_a_warning(lower, higher, expected):
    assert found(lower, higher, dynamic=STALL) == expected


# Keeping


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ({"enter": spend("1000", "30d"), "keep": least("orders", "30d", 5)}, [(WARNING, "tiers[1].keep")]),
        ({"enter": spend("1000", "30d"), "keep": CLEAN}, [(WARNING, "tiers[1].keep")]),
        ({"enter": spend("1000", "30d"), "keep": CLEAN, "gates": [CLEAN]}, []),
        ({"enter": least("buy_days", "30d", 5), "keep": least("orders", "30d", 5)}, []),
        ({"enter": spend("1000", "30d"), "keep": {"all": [spend("5000", "30d"), CLEAN]}}, [(ERROR, "tiers[1].keep")]),
        (
            gated(spend("1000", "30d"), CLEAN) | {"keep": leaf("disputes_upheld", "90d", ">=", 1)},
            [(ERROR, "tiers[1].keep")],
        ),
    ],
)
def test_keeping_that_does_not_follow_from_entering(tier, expected):
    assert found(tier) == expected


def test_who_entered_by_a_lowered_threshold_keeps_by_it_whatever_keeping_asks_for():
    """So that a condition for keeping between both thresholds is no error."""
    enter = activity(1000, dyn="stall")
    document = ladder({"enter": enter, "keep": activity(950)}, dynamic=STALL)
    assert check(parse_rules(document)) == []
    decisions = replayed(document, [*others(), *rising()], at(plus(DAY, 120)))
    assert path(decisions) == [("default", 0, DAY), ("enter", 1, plus(DAY, 31))]


# What nobody meets, and everybody


@pytest.mark.parametrize(
    ("enter", "reachable"),
    [
        (leaf("orders", "life", "<", 0), False),
        ({"all": [leaf("orders", "life", "<=", 0), CLEAN, leaf("checkin", "life", ">=", 1)]}, True),
        (leaf("spend", "30d", "<", "0.00"), False),
        (leaf("credit", "now", "<", 0), False),
        ({"all": [leaf("credit", "now", "==", 5), leaf("credit", "now", "!=", 5)]}, False),
        ({"all": [leaf("credit", "now", ">=", 99), leaf("credit", "now", "!=", 99)]}, True),
        ({"all": [leaf("credit", "now", ">=", 99), *(leaf("credit", "now", "!=", v) for v in (99, 100))]}, False),
        ({"all": [leaf("orders", "7d", "==", 5), leaf("orders", "30d", "!=", 5)]}, True),
        ({"all": [least("orders", "life", 1), leaf("orders", "life", "<", 2), leaf("orders", "life", "!=", 1)]}, False),
        ({"all": [leaf("realname", "now", "!=", True), leaf("realname", "now", "==", True)]}, False),
        ({"all": [least("buy_days", "life", 30), leaf("orders", "life", "<=", 3)]}, False),
        ({"all": [least("buy_days", "7d", 4), leaf("orders", "30d", "<=", 3)]}, False),
        ({"all": [least("buy_days", "30d", 4), leaf("orders", "7d", "<=", 3)]}, True),
        ({"all": [least("streak", "now", 4), leaf("buy_days", "life", "<=", 3)]}, False),
        ({"all": [least("orders", "life", 30), leaf("buy_days", "life", "<=", 3)]}, True),
        # Orders may be counted apart from spend, and spend apart from orders.
        ({"all": [spend("100.00"), leaf("orders", "life", "==", 0)]}, True),
        ({"all": [least("orders", "life", 3), leaf("spend", "life", "==", "0.00")]}, True),
    ],
)
def test_what_no_member_can_meet_is_refused(enter, reachable):
    assert ((ERROR, "tiers[1]") not in found(enter)) is reachable


def jump(when):
    return {"id": "ambassador", "up": 2, "when": when}


def test_a_jump_that_nobody_can_make_is_an_error_and_one_that_all_make_a_warning():
    contradiction = {"all": [least("orders", "life", 5), leaf("orders", "life", "<=", 4)]}
    assert found(spend("500"), jumps=[jump(least("orders", "life", 5)), jump(contradiction) | {"id": "b"}]) == [
        (ERROR, "jumps[1].when")
    ]
    assert found(spend("500"), jumps=[jump(leaf("orders", "life", "<=", 5))]) == [(WARNING, "jumps[0].when")]


@pytest.mark.parametrize(
    ("tier", "everybody"),
    [
        (least("orders", "life", 0), True),
        (leaf("spend", "life", "<=", "999999.00"), True),
        ({"any": [spend("500"), leaf("realname", "now", "==", False)]}, True),
        (gated(least("orders", "life", 0), CLEAN), True),
        (gated(least("orders", "life", 0), leaf("realname", "now", "==", True)), False),
        (CALM, False),
        (leaf("credit", "now", ">=", 0), False),
    ],
)
def test_a_tier_that_a_new_member_meets_is_refused(tier, everybody):
    assert found(tier) == ([(ERROR, "tiers[1].enter")] if everybody else [])


# Nothing is said that a member contradicts


def figures(history, conditions):
    """A member's figures, with no more on a day than there can be."""
    possible = [
        (
            ago,
            metric,
            category,
            amount,
            min(quantity, METRICS[metric].daily or quantity) if metric in METRICS else quantity,
        )
        for ago, metric, category, amount, quantity in history
    ]
    rules = RuleSet(
        (Tier(0, "a"), *(Tier(n, f"t{n}", enter=one) for n, one in enumerate(conditions, 1))), weights=WEIGHTS
    )
    return Snapshot(stored.book_of(possible, TODAY, TODAY), rules, TODAY)


@settings(max_examples=1500)
@given(histories, small_conditions(), small_conditions())
def test_what_a_member_meets_is_never_called_impossible_nor_refuted(history, first, second):
    member = figures(history, [first, second])
    if not holds(first, member):
        return
    assert satisfiable([first])
    if holds(second, member):
        assert satisfiable([first, second])
    else:
        assert implies(first, second) is not True
