"""Tiers for programs: where the caller stands, why, and the rules for everybody."""

import pytest

from events.services import relay
from membership.models import Program, TierDecision
from membership.rules.parse import parse_rules
from membership.services import draft_rule_set, publish_rule_set
from tests.membership.club import at_least
from tests.membership.perks import hold


@pytest.fixture
def silver(shelf, alice):
    shelf.buy(alice, (shelf.sku("212.00", keys=1), 1), from_wallet=True)
    relay()
    return alice


def test_my_tier_says_each_condition(as_alice, silver):
    status, mine = as_alice.get("/me/tier/")
    assert status == 200
    assert (mine["rank"], mine["name"]) == (1, "白银会员")
    above = mine["next"]
    assert (above["rank"], above["todo"]) == (2, "再消费 ¥788.00")
    [group] = above["requirements"]
    assert (group["kind"], group["met"], group["groups"]) == ("any", False, [])
    month, life = group["conditions"]
    assert (month["key"], month["value"], month["target"], month["gap"]) == ("spend:30d", "212.00", "1000.00", "788.00")
    assert month["leaving"]["text"] == "¥212.00"
    assert life["since"] is None and life["leaving"] is None
    assert [one["layer"] for one in mine["benefits"]] == ["everyday", "status"]
    assert mine["keeping"] is None and mine["lifted_until"] is None


def test_my_tier_says_until_when_it_is_held_up(as_alice, alice):
    hold(alice, 2)
    mine = as_alice.get("/me/tier/")[1]
    assert (mine["rank"], mine["lifted_until"] > mine["since"]) == (2, True)


def test_my_tier_says_what_would_keep_one_that_is_lent(as_alice, silver):
    assert as_alice.get("/me/tier/")[1]["earning"] is None
    hold(silver, 2)
    mine = as_alice.get("/me/tier/")[1]
    assert (mine["rank"], mine["keeping"]) == (2, None)
    assert (mine["earning"]["todo"], mine["earning"]["percent"]) == ("再消费 ¥788.00", 21)
    [group] = mine["earning"]["requirements"]
    assert [(one["key"], one["gap"]) for one in group["conditions"]] == [
        ("spend:30d", "788.00"),
        ("spend:life", "2788.00"),
    ]


def test_my_tier_in_english(as_alice, silver):
    mine = as_alice.get("/me/tier/", accept_language="en")[1]
    assert mine["name"] == "Silver"
    assert "¥788.00" in mine["next"]["todo"]


def test_a_newcomer_whom_nobody_heard_of_yet(as_alice):
    status, mine = as_alice.get("/me/tier/")
    assert (status, mine["rank"], mine["since"], mine["keeping"]) == (200, 0, None, None)
    assert as_alice.get("/me/tier/decisions/") == (200, {"items": [], "next": None})


def test_decisions_come_with_their_trace(as_alice, silver):
    status, page = as_alice.get("/me/tier/decisions/?limit=1")
    assert status == 200
    [risen] = page["items"]
    assert (risen["cause"], risen["from_rank"], risen["to_rank"], risen["title"]) == ("enter", 0, 1, "升级为白银会员")
    assert risen["reasons"] == ["累计有效消费 ¥212.00（要求达到 ¥200.00）"]
    stored = TierDecision.objects.get(member__user=silver, cause="enter")
    assert (risen["trace"], risen["gap"]) == (stored.trace, stored.gap)
    assert risen["gap"] == {"spend:30d": "788.00", "spend:life": "2788.00"}
    status, rest = as_alice.get(f"/me/tier/decisions/?limit=1&cursor={page['next']}")
    assert [one["cause"] for one in rest["items"]] == ["default"]
    assert rest["next"] is None


def test_nobody_reads_the_decisions_of_another(as_alice, as_bob, silver):
    cursor = as_alice.get("/me/tier/decisions/?limit=1")[1]["next"]
    assert as_bob.get(f"/me/tier/decisions/?cursor={cursor}")[0] == 404
    assert [one["cause"] for one in as_bob.get("/me/tier/decisions/")[1]["items"]] == ["default"]


def test_the_rules_are_public_as_data_and_as_text(nobody):
    status, rules = nobody.get("/tiers/")
    assert status == 200
    assert rules["tiers"][1]["enter"] == "累计有效消费达到 ¥200.00，或者累计有效订单达到 5 笔"
    assert [one["text"] for one in rules["tiers"][1]["benefits"]] == ["会员价 9.9 折", "银徽章"]
    assert "不计入有效消费：用积分支付的部分" in rules["general"]
    assert len(parse_rules(rules["rules"]).tiers) == 5
    assert [(one["number"], one["is_current"]) for one in rules["history"]] == [(1, True)]
    english = nobody.get("/tiers/", accept_language="en")[1]
    assert english["tiers"][1]["name"] == "Silver"
    assert english["version"]["sha256"] == rules["version"]["sha256"]


def test_earlier_versions_stay_readable(nobody, olga):
    tiers = [
        {"rank": 0, "name": "普通会员"},
        {"rank": 1, "name": "新白银", "enter": at_least("spend", "life", "300.00")},
    ]
    draft = draft_rule_set(program=Program.objects.get(storefront=None), document={"tiers": tiers}, author=olga)
    assert nobody.get("/tiers/?version=2")[0] == 404
    publish_rule_set(version_id=draft.pk, approver=None)
    assert [one["name"] for one in nobody.get("/tiers/")[1]["tiers"]] == ["普通会员", "新白银"]
    status, first = nobody.get("/tiers/?version=1")
    assert (status, first["version"]["is_current"], len(first["tiers"])) == (200, False, 5)
    assert nobody.get("/tiers/?version=x")[0] == 400
    assert nobody.get("/tiers/?version=0")[0] == 400
