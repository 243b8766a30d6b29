"""Conditions against members: what holds, what was seen, what is missing."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from membership.rules.catalogue import METRICS, Kind, Span, Window
from membership.rules.evaluate import (
    compare,
    evaluate,
    evaluate_tiers,
    gap_of,
    gaps,
    leaf_traces,
    progress,
    reached,
    unmet,
)
from membership.rules.nodes import Group, Leaf, leaves, scaled
from membership.rules.parse import parse_rules
from membership.rules.traces import dump_tier_trace, dump_trace, load_tier_trace, load_trace
from tests.membership.rule_strategies import KINDS, Member, condition_nodes, leaf_nodes, members_for

TODAY = date(2026, 11, 22)  # a Sunday


def rules_of(*tiers, **extra):
    return parse_rules({"tiers": [{"rank": 0, "name": "普通会员"}, *tiers], **extra})


def spend_at_least(amount, window="life"):
    return {"m": "spend", "win": window, "op": ">=", "v": amount}


def test_scenario_2_each_500_is_one_level():
    rules = rules_of(*({"rank": n, "name": f"V{n}", "enter": spend_at_least(f"{500 * n}.00")} for n in range(1, 5)))
    for spent, rank in (("499.99", 0), ("500.00", 1), ("999.99", 1), ("1500.00", 3), ("99999.00", 4)):
        traces = evaluate_tiers(rules, Member({"spend": Decimal(spent)}), TODAY)
        assert reached(rules, traces) == rank, spent


def test_scenario_14_wholesale_reaches_the_top_directly():
    rules = rules_of(
        {"rank": 1, "name": "白银", "enter": {"all": [spend_at_least("500"), {"m": "checkin", "win": "week", "op": ">=", "v": 3}]}},
        {"rank": 2, "name": "钻石", "enter": spend_at_least("10000")},
    )  # fmt: skip
    assert reached(rules, evaluate_tiers(rules, Member({"spend": Decimal("9999.99")}), TODAY)) == 0
    assert reached(rules, evaluate_tiers(rules, Member({"spend": Decimal("10000.00")}), TODAY)) == 2


def test_scenario_15_and_with_the_exact_gap():
    both = {"all": [spend_at_least("1000.00"), {"m": "activity", "win": "life", "op": ">=", "v": 800}]}
    rules = rules_of({"rank": 1, "name": "白银", "enter": both})
    almost = evaluate_tiers(rules, Member({"spend": Decimal(1000), "activity": Decimal(799)}), TODAY)
    assert reached(rules, almost) == 0
    assert gaps(almost[0]) == {"activity:life": 1}
    enough = evaluate_tiers(rules, Member({"spend": Decimal(1000), "activity": Decimal(800)}), TODAY)
    assert reached(rules, enough) == 1
    assert gaps(enough[0]) == {}


def test_scenario_22_gap_after_a_first_order():
    rules = rules_of({"rank": 1, "name": "白金", "enter": spend_at_least("1000.00")})
    [trace] = evaluate_tiers(rules, Member({"spend": Decimal("800.00")}), TODAY)
    assert gaps(trace) == {"spend:life": "200.00"}
    assert progress(trace.enter) == Decimal("0.8")


def test_scenario_9_undefined_rate_is_not_eligible():
    rules = rules_of(
        {"rank": 1, "name": "信誉会员", "enter": {"m": "dispute_rate", "win": "90d", "op": "==", "v": "0"}}
    )
    [nobody] = evaluate_tiers(rules, Member(), TODAY)
    assert not nobody.passed
    assert gaps(nobody) == {"dispute_rate:90d": None}
    [honest] = evaluate_tiers(rules, Member({"dispute_rate": Decimal(0)}), TODAY)
    assert honest.passed


def test_gate_blocks_and_is_named():
    rules = rules_of(
        {"rank": 1, "name": "信誉会员", "enter": spend_at_least("1"), "gates": [{"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}]}
    )  # fmt: skip
    [blocked] = evaluate_tiers(rules, Member({"spend": Decimal(5), "disputes_upheld": Decimal(1)}), TODAY)
    assert blocked.enter.passed and not blocked.passed
    assert gaps(blocked) == {"disputes_upheld:90d": 1}


def test_a_tier_without_a_rule_is_never_reached_by_rule():
    rules = rules_of({"rank": 1, "name": "荣誉"})
    assert reached(rules, evaluate_tiers(rules, Member({"spend": Decimal(10**6)}), TODAY)) == 0


def test_of_two_thresholds_for_one_metric_the_nearer_gap_counts():
    either = {
        "any": [
            spend_at_least("1000.00"),
            {"all": [spend_at_least("500.00"), {"m": "checkin", "win": "life", "op": ">=", "v": 9}]},
        ]
    }
    [trace] = evaluate_tiers(
        rules_of({"rank": 1, "name": "银", "enter": either}), Member({"spend": Decimal(400)}), TODAY
    )
    assert gaps(trace) == {"spend:life": "100.00", "checkin:life": 9}


def test_window_dates_are_shanghai_days_including_today():
    assert Window(Span.DAYS, 30).first_day(TODAY) == date(2026, 10, 24)
    assert Window(Span.DAYS, 1).first_day(TODAY) == TODAY
    assert Window(Span.WEEK).first_day(TODAY) == date(2026, 11, 16)
    assert Window(Span.LIFE).first_day(TODAY) is None
    leaf = Leaf("spend", Window(Span.DAYS, 30), ">=", Decimal(1))
    trace = evaluate(leaf, Member(), TODAY)
    assert (trace.since, trace.until) == (date(2026, 10, 24), TODAY)


@given(st.data(), condition_nodes())
def test_nothing_is_skipped_and_the_answer_is_plain_logic(data, condition):
    member = data.draw(members_for(list(leaves(condition))))
    trace = evaluate(condition, member, TODAY)
    seen = list(leaf_traces(trace))
    assert [found.leaf for found in seen] == list(leaves(condition))
    assert len(member.asked) == len(seen)
    results = iter([found.passed for found in seen])

    def plain(node):
        if isinstance(node, Leaf):
            return next(results)
        answers = [plain(child) for child in node.children]
        return all(answers) if node.kind == "all" else any(answers)

    assert trace.passed == plain(condition)
    assert trace.passed == (not list(unmet(trace))) or not trace.passed
    assert 0 <= progress(trace) <= 1
    assert (progress(trace) == 1) == trace.passed


@given(st.data(), condition_nodes())
def test_traces_survive_being_stored(data, condition):
    member = data.draw(members_for(list(leaves(condition))))
    trace = evaluate(condition, member, TODAY)
    stored = json.loads(json.dumps(dump_trace(trace)))
    assert load_trace(stored) == trace


def test_tier_traces_survive_being_stored():
    gate = {"m": "realname", "op": "==", "v": True}
    silver = {"rank": 1, "name": "银", "enter": spend_at_least("500", "30d"), "gates": [gate]}
    rules = rules_of(silver, {"rank": 2, "name": "荣誉"})
    for trace in evaluate_tiers(rules, Member({"spend": Decimal("12.34")}), TODAY):
        assert load_tier_trace(json.loads(json.dumps(dump_tier_trace(trace)))) == trace


@given(leaf_nodes(ops=[">=", ">"]), st.data())
def test_the_gap_is_exact(leaf, data):
    assume(leaf.metric.kind is not Kind.FLAG)
    value = data.draw(KINDS[leaf.metric.kind])
    step = leaf.metric.step
    gap = gap_of(value, leaf.op, leaf.v, step)
    if compare(value, leaf.op, leaf.v):
        assert gap is None
    else:
        assert compare(value + gap, leaf.op, leaf.v)
        assert not compare(value + gap - step, leaf.op, leaf.v)


@pytest.mark.parametrize("op", [">=", ">", "<=", "<", "==", "!="])
def test_undefined_never_compares(op):
    assert compare(None, op, Decimal(0)) is False
    assert gap_of(None, op, Decimal(0), Decimal(1)) is None


def test_an_operator_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError):
        compare(Decimal(1), "in", Decimal(1))


@given(condition_nodes(), st.integers(1, 100).map(lambda percent: Decimal(percent) / 100))
def test_keeping_is_never_harder_than_entering(condition, factor):
    assert [leaf.key for leaf in leaves(scaled(condition, factor))] == [leaf.key for leaf in leaves(condition)]
    for before, after in zip(leaves(condition), leaves(scaled(condition, factor)), strict=True):
        if before.op in (">=", ">") and before.metric.kind is not Kind.FLAG:
            assert after.v <= before.v + before.metric.step
            assert after.v % before.metric.step == 0
        else:
            assert after == before


def test_scenario_18_keep_threshold():
    enter = Leaf("spend", Window(Span.DAYS, 30), ">=", Decimal("1000.00"))
    keep = scaled(Group("all", (enter,)), Decimal("0.9"))
    assert evaluate(keep, Member({"spend": Decimal("950.00")}), TODAY).passed
    assert not evaluate(keep, Member({"spend": Decimal("899.99")}), TODAY).passed


def test_every_metric_reads_something_when_nothing_is_known():
    for metric in METRICS.values():
        span = sorted(metric.spans)[0]
        value = False if metric.kind is Kind.FLAG else Decimal(0)
        leaf = Leaf(metric.name, Window(span, 30 if span is Span.DAYS else 0), "==", value)
        assert evaluate(leaf, Member(), TODAY).passed == (metric.missing != "undefined")
