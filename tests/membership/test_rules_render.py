"""What the rules say to people."""

from datetime import date
from decimal import Decimal

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from membership.rules.catalogue import METRICS
from membership.rules.describe import describe_program, describe_tiers, exclusion_name, exclusion_text, tier_name
from membership.rules.evaluate import evaluate, evaluate_tiers
from membership.rules.nodes import Tier, leaves
from membership.rules.parse import loads_rules, parse_rules
from membership.rules.render import gap_sentence, inside, sentence, tier_gap_sentence, value_text
from tests.membership.rule_strategies import Member, condition_nodes, members_for
from tests.membership.test_rules_parse import COMPLETE

TODAY = date(2026, 11, 22)


def enter(document):
    return (
        parse_rules({"tiers": [{"rank": 0, "name": "a"}, {"rank": 1, "name": "b", "enter": document}]}).tiers[1].enter
    )


def leaf(m, win, op, v):
    return {"m": m, "win": win, "op": op, "v": v}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (leaf("spend", "30d", ">=", "1000.00"), "近 30 天有效消费达到 ¥1,000.00"),
        (leaf("orders", "life", ">=", 5), "累计有效订单达到 5 笔"),
        (leaf("disputes_upheld", "90d", "==", 0), "近 90 天成立的投诉为 0 次"),
        (leaf("checkin", "week", ">", 2), "本周签到超过 2 次"),
        (leaf("dispute_rate", "90d", "<=", "0.0125"), "近 90 天纠纷率不超过 1.25%"),
        (leaf("credit", "now", ">=", 80), "信用分达到 80 分"),
        (leaf("realname", "now", "==", True), "需要实名认证"),
        (leaf("realname", "now", "!=", True), "不能有实名认证"),
        (
            {"all": [leaf("spend", "30d", ">=", "10"), {"any": [leaf("orders", "life", ">=", 2), leaf("review", "life", ">=", 1)]}]},
            "近 30 天有效消费达到 ¥10.00，并且（累计有效订单达到 2 笔，或者累计已发布的评价达到 1 条）",
        ),
    ],
)  # fmt: skip
def test_conditions_read_as_sentences(document, text):
    with translation.override("zh-hans"):
        assert sentence(enter(document)) == text


@pytest.mark.parametrize(
    ("document", "member", "text"),
    [
        (leaf("spend", "30d", ">=", "100.00"), {"spend": Decimal(64)}, "再消费 ¥36.00"),
        (
            {"any": [leaf("spend", "30d", ">=", "100.00"), leaf("review", "life", ">=", 2)]},
            {"spend": Decimal(64)},
            "再消费 ¥36.00，或者再发布 2 条评价",
        ),
        (
            {"all": [leaf("spend", "30d", ">=", "100.00"), {"any": [leaf("orders", "life", ">=", 2), leaf("review", "life", ">=", 2)]}]},
            {"spend": Decimal(64)},
            "再消费 ¥36.00，并且（再完成 2 笔订单，或者再发布 2 条评价）",
        ),
        (
            {"all": [leaf("spend", "30d", ">=", "100.00"), {"any": [leaf("orders", "life", ">=", 2), leaf("review", "life", ">=", 2)]}]},
            {"spend": Decimal(100)},
            "再完成 2 笔订单，或者再发布 2 条评价",
        ),
        (leaf("realname", "now", "==", True), {}, "完成实名认证"),
        (leaf("credit", "now", ">=", 80), {"credit": Decimal(75)}, "信用分再提高 5 分"),
        (leaf("credit", "now", ">=", 80), {}, "信用分暂无数据"),
        (leaf("disputes_upheld", "90d", "==", 0), {"disputes_upheld": Decimal(1)}, "还有 1 次成立的投诉未过期"),
        (leaf("spend", "life", "<=", "5"), {"spend": Decimal(6)}, "累计有效消费不超过 ¥5.00"),
        (leaf("spend", "life", ">=", "5"), {"spend": Decimal(5)}, ""),
    ],
)  # fmt: skip
def test_gaps_say_what_to_do(document, member, text):
    with translation.override("zh-hans"):
        assert gap_sentence(evaluate(enter(document), Member(member), TODAY)) == text


def test_a_tier_gap_names_its_gate():
    rules = loads_rules(COMPLETE)
    member = Member({"spend": Decimal(1000), "activity": Decimal(799), "disputes_upheld": Decimal(1)})
    with translation.override("zh-hans"):
        text = tier_gap_sentence(evaluate_tiers(rules, member, TODAY)[1])
    assert text == "再获得 1 点活跃值，并且还有 1 次成立的投诉未过期"


def test_the_whole_rule_set_is_told():
    rules = loads_rules(COMPLETE)
    with translation.override("zh-hans"):
        tiers = describe_tiers(rules)
        lines = "\n".join(describe_program(rules, {"gift_card": "礼品卡", "game_card": "游戏点卡"}))
    assert tiers[0].enter == tiers[0].keep == ""
    assert tiers[1].keep == "达到后保留"
    assert "按 cat_v3 加权" in tiers[1].enter and "可动态下调" in tiers[1].enter
    assert tiers[2].keep == "近 30 天有效消费达到 ¥900.00，并且累计活跃值达到 720 点"
    assert tiers[2].gates == ("近 90 天成立的投诉为 0 次",)
    told = (
        "发货后计入",
        "游戏点卡 ×1.5",
        "其他品类 ×1",
        "用积分支付的部分",
        "礼品卡",
        "每周完成签到 5 次、已发布的评价 3 条，得活跃值 50 点",
        "每天活跃值最多计 30 点",
        "2026-05-01 至 2026-05-31，活跃值 ×2",
        "门槛 ×0.8",
        "固定 30 天，每一级只给一次",
        "没有宽限期，立即降到门槛仍满足的最高等级",
        "直接上升 2 级",
    )
    for part in told:
        assert part in lines


@pytest.mark.parametrize(
    ("kind", "text"),
    [("any", "再消费 ¥500.00，或者再完成 4 笔订单"), ("all", "再消费 ¥2,500.00，并且再完成 4 笔订单")],
)
def test_of_two_windows_of_one_sum_the_telling_one_is_named(kind, text):
    """What is spent now is in both windows: any is reached by the nearer, all by the farther."""
    spend = [leaf("spend", "30d", ">=", "1000.00"), leaf("spend", "life", ">=", "3000.00")]
    document = {kind: [*spend, leaf("orders", "life", ">=", 5)]}
    member = Member({"spend": Decimal(500), "orders": Decimal(1)})
    with translation.override("zh-hans"):
        assert gap_sentence(evaluate(enter(document), member, TODAY)) == text


def test_what_is_left_of_a_group_is_compared_too():
    """The group asks for spend alone once the rest of it is met."""
    recent = {"all": [leaf("spend", "90d", ">=", "5000.00"), leaf("orders", "90d", ">=", 6)]}
    document = {"any": [recent, leaf("spend", "life", ">=", "15000.00")]}
    with translation.override("zh-hans"):
        met = Member({"spend": Decimal(4000), "orders": Decimal(8)})
        assert gap_sentence(evaluate(enter(document), met, TODAY)) == "再消费 ¥1,000.00"
        unmet = Member({"spend": Decimal(4000), "orders": Decimal(5)})
        text = gap_sentence(evaluate(enter(document), unmet, TODAY))
    assert text == "（再消费 ¥1,000.00，并且再完成 1 笔订单），或者再消费 ¥11,000.00"


def test_settled_spend_says_so():
    rules = parse_rules({"counts": "settled", "tiers": [{"rank": 0, "name": "a"}]})
    with translation.override("zh-hans"):
        assert "结算后" in describe_program(rules)[0]


def test_names_follow_the_reader():
    tier = Tier(1, "白银", "Silver")
    with translation.override("en"):
        assert tier_name(tier) == "Silver"
        assert tier_name(Tier(1, "白银")) == "白银"
    with translation.override("zh-hans"):
        assert tier_name(tier) == "白银"


def test_an_english_sentence_has_one_capital():
    both = enter({"all": [leaf("spend", "30d", ">=", "1000.00"), leaf("buy_days", "90d", ">=", 6)]})
    bundle = {"id": "weekly", "window": "week", "needs": {"checkin": 5}, "grants": {"activity": 50}}
    rules = parse_rules({"bundles": [bundle], "tiers": [{"rank": 0, "name": "a"}]})
    with translation.override("en"):
        assert ", and days with an order in the last 90 days" in sentence(both)
        assert sentence(both).startswith("Qualifying spend")
        assert any("check-ins (5 times) earn activity points (50 points)" in line for line in describe_program(rules))
    with translation.override("zh-hans"):
        assert any("签到 5 次" in line and "活跃值 50" in line for line in describe_program(rules))
    assert [inside(text) for text in ("VIP", "（Days", "A", "", "天数", "Days")] == [
        "VIP",
        "（days",
        "A",
        "",
        "天数",
        "days",
    ]


def test_reasons_have_words():
    with translation.override("zh-hans"):
        assert exclusion_text("points_paid") == "用积分支付的部分"
        assert exclusion_text("my_reason") == "规则不计入的商品或支付方式"
        assert exclusion_name("my_reason") == "my_reason"


@given(st.data(), condition_nodes())
def test_everything_that_can_be_said_can_be_read(data, condition):
    member = data.draw(members_for(list(leaves(condition))))
    text = sentence(condition)
    assert text and "%" not in text.replace("%，", "").replace("%）", "").rstrip("%")
    trace = evaluate(condition, member, TODAY)
    assert bool(gap_sentence(trace)) == (not trace.passed)


def test_values_have_units():
    with translation.override("zh-hans"):
        assert value_text(Decimal("1234.5"), METRICS["spend"]) == "¥1,234.50"
        assert value_text(Decimal("0.03"), METRICS["dispute_rate"]) == "3%"
        assert value_text(None, METRICS["dispute_rate"]) == "暂无数据"
        assert value_text(False, METRICS["realname"]) == "否"
