"""What is found wrong with a rule set before anybody is evaluated by it."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from membership.engine.book import Snapshot
from membership.engine.tally import DaySums, Tally
from membership.rules.ceilings import most
from membership.rules.checks import Level, check
from membership.rules.evaluate import evaluate
from membership.rules.logic import implies, satisfiable
from membership.rules.nodes import Group, leaves
from membership.rules.parse import parse_rules
from tests.membership.rule_strategies import KINDS, Member, condition_nodes

TODAY = date(2026, 11, 22)


def condition(document):
    rules = parse_rules(
        {
            "weights": {"w1": {"default": "2"}},
            "tiers": [{"rank": 0, "name": "a"}, {"rank": 1, "name": "b", "enter": document}],
        }
    )
    return rules.tiers[1].enter  # fmt: skip


def leaf(m, win, op, v, **extra):
    return {"m": m, "win": win, "op": op, "v": v, **extra}


def spend(v, win="life", **extra):
    return leaf("spend", win, ">=", v, **extra)


def orders(v, win="life"):
    return leaf("orders", win, ">=", v)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (spend("1000"), spend("500"), True),
        (spend("500"), spend("1000"), False),
        (spend("500", "30d"), spend("500"), True),
        (spend("500"), spend("500", "30d"), False),
        (spend("500", "30d"), spend("500", "90d"), True),
        (leaf("spend", "life", ">", "499.99"), spend("500"), True),
        ({"all": [spend("1"), orders(5)]}, orders(5), True),
        ({"any": [spend("1"), orders(5)]}, orders(5), None),
        ({"any": [spend("900"), spend("800")]}, spend("800"), True),
        (orders(5), {"any": [spend("1"), orders(5)]}, True),
        (orders(5), spend("1"), None),
        (leaf("invitee_active", "life", ">=", 3), spend("1"), False),
        (spend("1000", w="w1"), spend("500"), None),
        (leaf("positive_rate", "90d", ">=", "0.9"), leaf("positive_rate", "30d", ">=", "0.5"), None),
        (leaf("positive_rate", "90d", ">=", "0.9"), leaf("positive_rate", "90d", ">=", "0.5"), True),
        (leaf("disputes_upheld", "90d", "==", 0), orders(1), None),
        (orders(1), leaf("checkin", "life", ">=", 0), True),
        (leaf("realname", "now", "==", True), leaf("realname", "now", "==", True), True),
    ],
)
def test_implication(first, second, expected):
    assert implies(condition(first), condition(second)) is expected


SINGLE = ["spend", "disputes_upheld", "invitee_active", "positive_rate", "credit", "realname"]


@settings(max_examples=300)
@given(st.data(), condition_nodes([">=", ">"], SINGLE), condition_nodes([">=", ">"], SINGLE))
def test_implication_is_never_contradicted_by_a_member(data, first, second):
    answer = implies(first, second)
    assume(answer is not None)
    known = {}
    windows = {}
    for each in (*leaves(first), *leaves(second)):
        windows.setdefault(each.m, {})[str(each.win)] = (each.win, each.metric)
    for name, of in windows.items():
        # A wider window holds at least as much: give each its own part, and add up what it covers.
        parts = {key: data.draw(KINDS[metric.kind]) for key, (_, metric) in of.items()}
        for key, (window, metric) in of.items():
            if metric.accumulates:
                known[name, key] = sum(parts[other] for other, (inner, _) in of.items() if window.covers(inner))
            else:
                known[name, key] = parts[key]
    member = Member(known)
    if answer and evaluate(first, member, TODAY).passed:
        assert evaluate(second, member, TODAY).passed


@settings(max_examples=300)
@given(condition_nodes([">=", ">"], ["spend"]), condition_nodes([">=", ">"], ["spend"]))
def test_a_refused_implication_has_a_witness(first, second):
    """The poorest member of one alternative meets the first condition and not the second."""
    assume(implies(first, second) is False)

    def alternatives(node):
        if not isinstance(node, Group):
            return [[node]]
        if node.kind == "any":
            return [found for child in node.children for found in alternatives(child)]
        result = [[]]
        for child in node.children:
            result = [left + right for left in result for right in alternatives(child)]
        return result

    def poorest(chosen):
        wanted = {str(each.win): each.win for each in (*leaves(first), *leaves(second))}
        return Member(
            {
                ("spend", key): max(
                    (each.v + (each.metric.step if each.op == ">" else 0) for each in chosen if win.covers(each.win)),
                    default=None,
                )
                for key, win in wanted.items()
            }
        )

    assert any(
        evaluate(first, poorest(chosen), TODAY).passed and not evaluate(second, poorest(chosen), TODAY).passed
        for chosen in alternatives(first)
    )


@pytest.mark.parametrize(
    ("document", "possible"),
    [
        ({"all": [spend("100"), leaf("spend", "life", "<", "100")]}, False),
        ({"all": [spend("100"), leaf("spend", "life", "<=", "100")]}, True),
        ({"all": [spend("100", "30d"), leaf("spend", "life", "<", "100")]}, False),
        ({"all": [spend("100"), leaf("spend", "30d", "<", "100")]}, True),
        ({"any": [{"all": [orders(3), leaf("orders", "life", "==", 2)]}, spend("1")]}, True),
        ({"all": [leaf("orders", "life", "==", 3), leaf("orders", "life", "==", 2)]}, False),
        ({"all": [leaf("realname", "now", "==", True), leaf("realname", "now", "==", False)]}, False),
        ({"all": [leaf("realname", "now", "!=", False), leaf("realname", "now", "==", True)]}, True),
        (leaf("dispute_rate", "90d", ">", "1"), False),
        (leaf("credit", "now", ">", 100), False),
        (leaf("buy_days", "30d", ">=", 31), False),
        (leaf("buy_days", "30d", ">=", 30), True),
        (leaf("online_days", "week", ">=", 8), False),
        (leaf("online_days", "week", ">=", 7), True),
        (leaf("online_days", "life", ">=", 8), True),
    ],
)
def test_contradictions(document, possible):
    assert satisfiable([condition(document)]) is possible


def findings(*tiers):
    return check(parse_rules({"tiers": [{"rank": 0, "name": "普通"}, *tiers]}))


def levels(*tiers):
    return [(finding.level, finding.path) for finding in findings(*tiers)]


def tier(rank, enter, **extra):
    return {"rank": rank, "name": f"V{rank}", "enter": enter, **extra}


def test_a_sound_ladder_has_no_findings():
    assert findings(tier(1, spend("500")), tier(2, spend("1000")), tier(3, {"all": [spend("2000"), orders(3)]})) == []


def test_keep_harder_than_enter_is_an_error():
    assert levels(tier(1, spend("500", "30d"), keep=spend("600", "30d"))) == [(Level.ERROR, "tiers[1].keep")]
    assert levels(tier(1, spend("500", "30d"), keep=spend("400", "30d"))) == []
    assert levels(tier(1, spend("500", "30d"), keep=spend("400", "7d"))) == [(Level.ERROR, "tiers[1].keep")]


def test_a_higher_tier_that_everybody_below_meets_is_an_error():
    assert (Level.ERROR, "tiers[2].enter") in levels(tier(1, spend("500")), tier(2, spend("400")))
    assert (Level.ERROR, "tiers[2].enter") in levels(tier(1, spend("500")), tier(2, spend("500")))


def test_a_way_around_a_lower_tier_is_a_warning():
    way_around = {"any": [spend("1000"), leaf("invitee_active", "life", ">=", 10)]}
    assert levels(tier(1, spend("500")), tier(2, way_around)) == [(Level.WARNING, "tiers[2].enter")]


def test_an_impossible_tier_is_an_error_and_one_without_rule_a_warning():
    gate = leaf("spend", "life", "<", "100")
    assert levels(tier(1, spend("500"), gates=[gate])) == [(Level.ERROR, "tiers[1]")]
    assert levels({"rank": 1, "name": "荣誉"}) == [(Level.WARNING, "tiers[1]")]


def test_counting_what_is_settled_warns_that_it_changes_nothing_of_the_past():
    rules = parse_rules({"counts": "settled", "tiers": [{"rank": 0, "name": "普通"}]})
    assert [(one.level, one.path) for one in check(rules)] == [(Level.WARNING, "counts")]


def test_huge_conditions_are_left_undecided_quickly():
    wide = {"all": [{"any": [orders(n) for n in range(1, 20)]}] * 10}
    assert implies(condition(wide), condition(wide)) is None
    assert satisfiable([condition(wide)])
    deep = {
        "all": [*({"any": [orders(n) for n in range(1, 13)]} for _ in range(3)), *(orders(n) for n in range(1, 17))]
    }
    assert implies(condition(deep), condition(deep)) is None


def unreachable(enter, **document):
    """Whether the only tier above the default one is refused because nobody can reach it."""
    rules = parse_rules({**document, "tiers": [{"rank": 0, "name": "普通"}, tier(1, enter)]})
    return (Level.ERROR, "tiers[1]") in [(finding.level, finding.path) for finding in check(rules)]


def activity(v, win="7d", **extra):
    return leaf("activity", win, ">=", v, **extra)


@pytest.mark.parametrize(
    ("enter", "ceiling"),
    [
        (leaf("checkin", "30d", ">=", 31), True),
        (leaf("checkin", "30d", ">=", 30), False),
        (leaf("checkin", "week", ">", 7), True),
        (leaf("checkin", "life", ">=", 1000), False),
        (leaf("buy_days", "7d", "==", 8), True),
        (leaf("online_days", "1d", ">=", 2), True),
        (leaf("online_days", "1d", "<=", 2), False),
        (leaf("streak", "now", ">=", 400), False),
        ({"any": [leaf("checkin", "30d", ">=", 31), spend("1.00")]}, False),
        ({"all": [leaf("checkin", "30d", ">=", 31), spend("1.00")]}, True),
    ],
)
def test_what_happens_once_a_day_is_limited_by_the_days_of_the_window(enter, ceiling):
    assert unreachable(enter) is ceiling


DAILY = {"m": "activity", "per": "day", "max": 30}
WEEKLY = {"m": "activity", "per": "week", "max": 100}
MONTHLY = {"m": "activity", "per": "month", "max": 200}
BUNDLE = {"id": "b", "window": "week", "needs": {"checkin": 5}, "grants": {"activity": 50}}
DOUBLE = {"m": "activity", "factor": "2", "from": "2026-05-01", "to": "2026-05-31"}


@pytest.mark.parametrize(
    ("highest", "window", "document"),
    [
        (210, "7d", {"caps": [DAILY]}),
        (200, "7d", {"caps": [DAILY, WEEKLY]}),
        (100, "1d", {"caps": [WEEKLY]}),
        (600, "30d", {"caps": [MONTHLY]}),
        (400, "2d", {"caps": [MONTHLY]}),
        # Double points stand under the cap, what bundles grant beside it: seven days touch two weeks.
        (210, "7d", {"caps": [DAILY], "multipliers": [DOUBLE]}),
        (310, "7d", {"caps": [DAILY], "bundles": [BUNDLE]}),
        (80, "1d", {"caps": [DAILY], "bundles": [BUNDLE]}),
    ],
)
def test_a_cap_ends_what_a_window_can_hold(highest, window, document):
    assert not unreachable(activity(highest, window), **document)
    assert unreachable(activity(highest + 1, window), **document)


def test_a_cap_says_nothing_of_the_whole_life_and_of_other_metrics():
    assert not unreachable(activity(10_000, "life"), caps=[DAILY])
    assert not unreachable(leaf("contrib", "7d", ">=", 10_000), caps=[DAILY])
    assert unreachable(leaf("checkin", "30d", ">=", 19), caps=[{"m": "checkin", "per": "week", "max": 3}])
    assert not unreachable(leaf("checkin", "30d", ">=", 18), caps=[{"m": "checkin", "per": "week", "max": 3}])
    assert unreachable(leaf("review", "week", ">=", 4), caps=[{"m": "review", "per": "week", "max": 3}])


def test_a_threshold_that_may_be_lowered_is_out_of_reach_only_when_it_is_lowered_too():
    document = {"caps": [DAILY], "dynamic": {"stall": {"factor": "0.8"}}}
    assert not unreachable(activity(262, dyn="stall"), **document)
    assert unreachable(activity(263, dyn="stall"), **document)


@pytest.mark.parametrize(
    ("table", "zero"),
    [
        ({"default": "0"}, True),
        ({"default": "0", "game_card": "0"}, True),
        ({"default": "0", "gift_card": "2"}, True),
        ({"default": "0", "game_card": "0.1"}, False),
        ({"game_card": "0"}, False),
    ],
)
def test_spend_that_weighs_nothing_reaches_nothing(table, zero):
    document = {"weights": {"w1": table}, "exclude": [{"reason": "gift_cards", "category": "gift_card"}]}
    assert unreachable(spend("0.01", w="w1"), **document) is zero
    assert not unreachable(spend("0.00", w="w1"), **document)


def test_keeping_what_nobody_can_reach_is_an_error():
    keep = activity(211)
    rules = {
        "caps": [DAILY],
        "tiers": [{"rank": 0, "name": "普通"}, tier(1, leaf("checkin", "30d", ">=", 20), keep=keep)],
    }
    assert [finding.path for finding in check(parse_rules(rules))] == ["tiers[1].keep"]


@settings(max_examples=60)
@given(st.data())
def test_no_member_reaches_more_than_the_ceiling_of_a_window(data):
    """Everybody earns as much as there is every day; what the tally makes of it stays under what the rules allow."""
    caps = data.draw(
        st.lists(
            st.builds(
                lambda per, most: {"m": "activity", "per": per, "max": most},
                st.sampled_from(["day", "week", "month"]),
                st.integers(1, 300),
            ),
            min_size=1,
            max_size=3,
        )
    )
    bundles = [
        {"id": window, "window": window, "needs": {"checkin": data.draw(st.integers(1, 7))}, "grants": {"activity": 50}}
        for window in data.draw(st.sets(st.sampled_from(["day", "week", "month"])))
    ]
    days = data.draw(st.integers(1, 70))
    document = {"caps": caps, "bundles": bundles, "multipliers": [DOUBLE]}
    rules = parse_rules({**document, "tiers": [{"rank": 0, "name": "a"}, tier(1, activity(1, f"{days}d"))]})
    tally = Tally(lambda day: rules)
    first = date(2026, 3, 1) + timedelta(days=data.draw(st.integers(0, 60)))
    quiet = data.draw(st.sets(st.integers(0, days - 1)))
    for number in range(days):
        day = first + timedelta(days=number)
        if number not in quiet:
            tally.put_day(day, DaySums({("activity", ""): (Decimal(0), 10_000), ("checkin", ""): (Decimal(0), 1)}))
    [entered] = leaves(rules.tiers[1].enter)
    last = first + timedelta(days=days - 1)
    assert Snapshot(tally.book, rules, last).value("activity", entered.win, None) <= most(rules, entered)
