"""The closed form: what may be said, and what is said to somebody who says something else."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.rules.catalogue import METRICS, Span, Window
from membership.rules.dump import dump_rules, fingerprint
from membership.rules.nodes import Group, Leaf, RuleSet, Scale, Tier
from membership.rules.parse import decode, loads_rules, parse_rules
from membership.rules.reading import RuleErrors
from tests.membership.rule_strategies import condition_nodes

COMPLETE = """
{"schema": 1, "timezone": "Asia/Shanghai", "counts": "delivered",
 "weights": {"cat_v3": {"default": "1", "game_card": "1.5", "phone_credit": "1.2"}},
 "exclude": [{"reason": "points_paid", "part": "points_paid"}, {"reason": "gift_cards", "category": "gift_card"}],
 "bundles": [{"id": "weekly", "window": "week", "needs": {"checkin": 5, "review": 3}, "grants": {"activity": 50}}],
 "caps": [{"m": "activity", "per": "day", "max": 30}],
 "multipliers": [{"m": "activity", "factor": "2", "from": "2026-05-01", "to": "2026-05-31"}],
 "dynamic": {"stall_v1": {"factor": "0.8", "rising_days": 14}},
 "jumps": [{"id": "ambassador", "up": 2, "when": {"all": [
    {"m": "invitee_active", "win": "life", "op": ">=", "v": 10},
    {"m": "invitee_spend", "win": "life", "op": ">=", "v": "2000.00"}]}}],
 "tiers": [{"rank": 0, "name": "普通会员"},
  {"rank": 1, "name": "白银", "enter": {"any": [
    {"m": "spend", "win": "life", "w": "cat_v3", "op": ">=", "v": "500.00"},
    {"m": "activity", "win": "life", "op": ">=", "v": 1000, "dyn": "stall_v1"}]}},
  {"rank": 2, "name": "黄金", "enter": {"all": [
    {"m": "spend", "win": "30d", "op": ">=", "v": "1000.00"},
    {"m": "activity", "win": "life", "op": ">=", "v": 800}]},
   "keep": {"scale": "0.9"}, "gates": [{"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}],
   "min_stay_days": 14, "grace_days": 14, "down": "one"}]}
"""


def with_tier(**tier):
    return {"tiers": [{"rank": 0, "name": "普通"}, {"rank": 1, "name": "银", **tier}]}


def with_leaf(**leaf):
    return with_tier(enter={"m": "spend", "win": "30d", "op": ">=", "v": "1000.00"} | leaf)


def errors_of(document):
    with pytest.raises(RuleErrors) as caught:
        parse_rules(document)
    return [(error.path, str(error.message)) for error in caught.value.errors]


def paths_of(document):
    return [path for path, _ in errors_of(document)]


def test_complete_rule_set_keeps_every_part():
    rules = loads_rules(COMPLETE)
    assert [tier.name for tier in rules.tiers] == ["普通会员", "白银", "黄金"]
    assert rules.default_tier.rank == 0
    assert rules.weight_of("cat_v3", "game_card") == Decimal("1.5")
    assert rules.weight_of("cat_v3", "video") == 1
    assert rules.weight_of(None, "game_card") == 1
    gold = rules.tier(2)
    assert gold.keep == Scale(Decimal("0.9"))
    assert gold.gates == (Leaf("disputes_upheld", Window(Span.DAYS, 90), "==", Decimal(0)),)
    assert rules.tier_after(1) == gold
    assert rules.tier_after(2) is None
    with pytest.raises(KeyError):
        rules.tier(7)


def test_first_example_of_the_design_is_understood():
    rules = loads_rules(
        """{"weights": {"cat_v3": {"default": 1}}, "dynamic": {"stall_v1": {"factor": 0.8}},
        "tiers": [{"rank": 0, "name": "普通"}, {"rank":2,"name":"白金",
         "enter":{"all":[{"m":"spend","win":"30d","w":"cat_v3","op":">=","v":"1000.00"},
           {"any":[{"m":"activity","win":"life","op":">=","v":800,"dyn":"stall_v1"},
                   {"m":"contrib","win":"life","op":">=","v":2000}]}]},
         "keep":{"scale":0.9},"gates":[{"m":"disputes","win":"90d","op":"==","v":0}],
         "grace_days":14,"min_stay_days":14,"down":"one"}]}"""
    )
    assert rules.tiers[1].gates[0].m == "disputes_upheld"
    assert rules.tiers[1].keep == Scale(Decimal("0.9"))


def test_smallest_rule_set():
    rules = parse_rules({"tiers": [{"rank": 0, "name": "普通会员"}]})
    assert rules == RuleSet(tiers=(Tier(0, "普通会员"),))


def test_tiers_are_sorted_by_rank():
    rules = parse_rules({"tiers": [{"rank": 3, "name": "c"}, {"rank": 0, "name": "a"}, {"rank": 1, "name": "b"}]})
    assert [tier.rank for tier in rules.tiers] == [0, 1, 3]


def test_canonical_form_reads_back_equal_and_hashes_equal():
    rules = loads_rules(COMPLETE)
    again = parse_rules(json.loads(json.dumps(dump_rules(rules))))
    assert again == rules
    assert fingerprint(again) == fingerprint(rules)
    reordered = decode(COMPLETE)
    reordered["tiers"].reverse()
    reordered["weights"]["cat_v3"]["game_card"] = "1.50"
    assert fingerprint(parse_rules(reordered)) == fingerprint(rules)
    reordered["weights"]["cat_v3"]["game_card"] = "1.51"
    assert fingerprint(parse_rules(reordered)) != fingerprint(rules)


@given(condition_nodes())
def test_any_condition_survives_writing_and_reading(condition):
    rules = RuleSet(tiers=(Tier(0, "普通"), Tier(1, "银", enter=condition)))
    assert parse_rules(json.loads(json.dumps(dump_rules(rules)))) == rules


@pytest.mark.parametrize(
    "value",
    [
        "1000.001", "1e3", "1E+500000", "NaN", "Infinity", "-1.00", "-0", "１０００", "1_000", " 1000", "1,000.00",
        "", ".5", "5.", "007", 1000.5, True, None, [], {}, "9" * 40,
    ],
)  # fmt: skip
def test_bad_money_is_refused(value):
    assert paths_of(with_leaf(v=value)) == ["tiers[1].enter.v"]


@pytest.mark.parametrize(("value", "expected"), [("1000", "1000"), ("0.01", "0.01"), ("1000.5", "1000.50"), (80, "80")])
def test_good_money_is_exact(value, expected):
    assert parse_rules(with_leaf(v=value)).tiers[1].enter.v == Decimal(expected)


@pytest.mark.parametrize("value", ["5", 5.0, -1, True, None, 10**12])
def test_bad_count_is_refused(value):
    assert paths_of(with_leaf(m="orders", v=value)) == ["tiers[1].enter.v"]


@pytest.mark.parametrize("value", ["1.0001", "0.00001", -0.1, True, "5%"])
def test_bad_ratio_is_refused(value):
    assert paths_of(with_leaf(m="dispute_rate", v=value)) == ["tiers[1].enter.v"]


@pytest.mark.parametrize(
    "window", ["0d", "30", "d", "-3d", "030d", "3651d", "99999999999d", "٣d", "month", "days", 30, ""]
)
def test_unknown_window_is_refused(window):
    assert paths_of(with_leaf(win=window)) == ["tiers[1].enter.win"]


@pytest.mark.parametrize(
    ("metric", "window"),
    [("spend", "week"), ("spend", "now"), ("dispute_rate", "life"), ("realname", "30d"), ("streak", "30d"), ("credit", "life")],
)  # fmt: skip
def test_window_must_fit_the_metric(metric, window):
    assert "tiers[1].enter.win" in paths_of(with_leaf(m=metric, win=window))


def test_window_may_be_left_out_only_where_there_is_one():
    leaf = {"m": "realname", "op": "==", "v": True}
    assert parse_rules(with_tier(enter=leaf)).tiers[1].enter.win == Window(Span.NOW)
    assert paths_of(with_tier(enter={"m": "spend", "op": ">=", "v": "1"})) == ["tiers[1].enter.win"]


@pytest.mark.parametrize("op", ["=", "=>", "in", "", None, [">="], "≥"])
def test_unknown_operator_is_refused(op):
    assert paths_of(with_leaf(op=op)) == ["tiers[1].enter.op"]


def test_flags_compare_only_for_equality():
    assert paths_of(with_leaf(m="realname", win="now", op=">=", v=True)) == ["tiers[1].enter.op"]
    assert paths_of(with_leaf(m="realname", win="now", op="==", v=1)) == ["tiers[1].enter.v"]


def test_unknown_metric_names_the_known_ones():
    [(path, message)] = errors_of(with_leaf(m="karma"))
    assert path == "tiers[1].enter.m"
    assert all(name in message for name in METRICS)
    assert paths_of(with_leaf(m=["spend"])) == ["tiers[1].enter.m"]


def test_every_error_is_reported_at_once_with_its_path():
    document = {
        "schema": 2,
        "colour": "red",
        "counts": "ordered",
        "tiers": [
            {"rank": 0, "name": "普通", "enter": {"m": "orders", "win": "life", "op": ">=", "v": 1}},
            {
                "rank": 1,
                "name": "",
                "enter": {"all": [{"m": "orders", "win": "life", "op": ">=", "v": 1}, {"any": []}]},
            },
            {"rank": 1, "keep": {"scale": "1.1"}, "grace_days": 0, "down": "all"},
        ],
    }
    found = paths_of(document)
    for path in (
        "colour", "schema", "counts", "tiers[1].name", "tiers[1].enter.all[1]", "tiers[2].name", "tiers[2].grace_days",
        "tiers[2].keep.scale", "tiers[2].keep", "tiers[2].down", "tiers[2]", "tiers[0]",
    ):  # fmt: skip
        assert path in found


@pytest.mark.parametrize(
    "document", [None, [], "x", 3, {}, {"tiers": {}}, {"tiers": []}, {"tiers": [None]}, {"tiers": [[]]}]
)
def test_not_a_rule_set(document):
    assert errors_of(document)


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"weights": {"cat_v3": {"default": "-1"}}}, "weights.cat_v3.default"),
        ({"weights": {"cat_v3": []}}, "weights.cat_v3"),
        ({"weights": {"Cat": {}}}, "weights"),
        ({"exclude": [{"reason": "x"}]}, "exclude[0]"),
        ({"exclude": [{"reason": "x", "part": "points_paid", "category": "c"}]}, "exclude[0]"),
        ({"exclude": [{"reason": "x", "part": "coupon"}]}, "exclude[0].part"),
        ({"bundles": [{"id": "w", "window": "year", "needs": {"checkin": 1}, "grants": {"activity": 1}}]}, "bundles[0].window"),
        ({"bundles": [{"id": "w", "window": "week", "needs": {}, "grants": {"activity": 1}}]}, "bundles[0].needs"),
        ({"bundles": [{"id": "w", "window": "week", "needs": {"spend": 1}, "grants": {"activity": 1}}]}, "bundles[0].needs.spend"),
        ({"bundles": [{"id": "w", "window": "week", "needs": {"checkin": 1}, "grants": {"spend": 1}}]}, "bundles[0].grants.spend"),
        ({"caps": [{"m": "activity", "per": "day", "max": 0}]}, "caps[0].max"),
        ({"caps": [{"m": "spend", "per": "day", "max": 1}]}, "caps[0].m"),
        ({"multipliers": [{"m": "activity", "factor": "0", "from": "2026-05-01", "to": "2026-05-31"}]}, "multipliers[0].factor"),
        ({"multipliers": [{"m": "activity", "factor": "2", "from": "2026-05-31", "to": "2026-05-01"}]}, "multipliers[0].to"),
        ({"multipliers": [{"m": "activity", "factor": "2", "from": "2026-02-30", "to": "2026-05-01"}]}, "multipliers[0].from"),
        ({"multipliers": [{"m": "activity", "factor": "2", "from": "20260501", "to": "2026-05-02"}]}, "multipliers[0].from"),
        ({"dynamic": {"stall_v1": {"factor": "0.79"}}}, "dynamic.stall_v1.factor"),
        ({"dynamic": {"stall_v1": {"factor": "1"}}}, "dynamic.stall_v1.factor"),
        ({"jumps": [{"id": "a", "up": 0, "when": {"m": "orders", "win": "life", "op": ">=", "v": 1}}]}, "jumps[0].up"),
        ({"jumps": [{"id": "a", "up": 2, "when": {"m": "orders", "win": "life", "op": ">="}}]}, "jumps[0].when.v"),
        ({"timezone": "UTC"}, "timezone"),
        ({"schema": True}, "schema"),
    ],
)  # fmt: skip
def test_other_parts_are_checked(extra, path):
    assert path in paths_of({"tiers": [{"rank": 0, "name": "普通"}]} | extra)


def test_references_must_exist():
    assert paths_of(with_leaf(w="cat_v3")) == ["tiers[1].enter.w"]
    assert paths_of(with_leaf(dyn="stall")) == ["tiers[1].enter.dyn"]
    assert paths_of(with_leaf(m="orders", v=1, w="cat_v3") | {"weights": {"cat_v3": {}}}) == ["tiers[1].enter.w"]
    assert paths_of(with_leaf(op="<=", dyn="stall") | {"dynamic": {"stall": {"factor": "0.9"}}}) == [
        "tiers[1].enter.dyn"
    ]


def test_depth_and_width_are_bounded():
    deep = {"m": "orders", "win": "life", "op": ">=", "v": 1}
    wide = {"any": [dict(deep)] * 21}
    for _ in range(6):
        deep = {"all": [deep]}
    assert paths_of(with_tier(enter=deep))
    assert paths_of(with_tier(enter=wide)) == ["tiers[1].enter"]
    assert paths_of({"tiers": [{"rank": n, "name": str(n)} for n in range(51)]}) == ["tiers"]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nonsense", '{"tiers": [], "tiers": []}', '{"a": NaN}', '{"a": Infinity}', "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}", '"' + "x" * 300_000 + '"',
    ],
)  # fmt: skip
def test_broken_json_is_one_clear_error(text):
    with pytest.raises(RuleErrors) as caught:
        loads_rules(text)
    assert len(caught.value.errors) == 1
    assert str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["tiers", "rank", "name", "enter", "keep", "all", "any", "m", "win", "op", "v", "scale", "gates", "weights"]),
        inner, max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(json_values)
def test_whatever_comes_is_a_rule_set_or_an_error(document):
    try:
        assert isinstance(parse_rules(document), RuleSet)
    except RuleErrors as caught:
        assert caught.errors
        assert all(str(error) for error in caught.errors)


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [("life", "30d", True), ("30d", "7d", True), ("7d", "30d", False), ("7d", "week", True), ("6d", "week", False),
     ("week", "7d", False), ("30d", "life", False), ("now", "now", True)],
)  # fmt: skip
def test_windows_cover_each_other(wide, narrow, covers):
    assert Window.parse(wide).covers(Window.parse(narrow)) is covers


def test_group_of_one_is_allowed():
    rules = parse_rules(with_tier(enter={"all": [{"m": "orders", "win": "life", "op": ">=", "v": 1}]}))
    assert isinstance(rules.tiers[1].enter, Group)
