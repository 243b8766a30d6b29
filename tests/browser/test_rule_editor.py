"""The rule editor in a browser: rows and JSON say the same, sentences follow, nothing typed is lost."""

import json

import pytest
from playwright.sync_api import Page, expect

from membership.models import RuleSetVersion
from membership.services import draft_rule_set, revise_draft
from tests.membership.club import Club, at_least

CHECKED = "[data-rule-editor]:not([aria-busy])"


@pytest.fixture
def draft(olga) -> RuleSetVersion:
    """On a storefront of its own: the platform's program is in no database that tests have emptied."""
    club = Club(at_least("spend", "30d", "100.00"))
    document = {
        "tiers": [
            {"rank": 0, "name": "普通会员"},
            {"rank": 1, "name": "白银", "enter": at_least("spend", "life", "200.00")},
            {"rank": 2, "name": "黄金", "enter": {"all": [at_least("spend", "30d", "1000.00"), at_least("orders", "30d", 3)]}},
        ]
    }  # fmt: skip
    return draft_rule_set(program=club.program, document=document, author=olga)


def open_editor(visit, olga, draft, **options) -> Page:
    visitor = visit(**options)
    visitor.sign_in(olga)
    page = visitor.go(f"/admin/membership/rulesetversion/{draft.pk}/change/")
    expect(page.locator("[data-rule-status]")).to_have_text("检查通过，可以保存")
    return page


def written(page: Page) -> dict:
    return json.loads(page.locator("textarea[name=rules]").input_value())


def slot(page: Page, path: str):
    return page.locator(f'[data-slot="{path}"]').first


def test_sentences_follow_what_is_typed_and_are_saved(visit, olga, draft):
    page = open_editor(visit, olga, draft, width=1280)
    line = page.locator('[data-text="tiers[1].enter"]')
    expect(line).to_have_text("累计有效消费达到 ¥200.00")
    page.locator('[data-path="tiers[1].enter.v"]').fill("350")
    expect(line).to_have_text("累计有效消费达到 ¥350.00")
    page.locator('[data-path="tiers[1].enter.m"]').select_option("review")
    expect(line).to_have_text("累计已发布的评价达到 1 条")
    page.get_by_role("button", name="保存", exact=True).click()
    page.wait_for_url("**/rulesetversion/")
    draft.refresh_from_db()
    assert draft.document["tiers"][1]["enter"] == {"m": "review", "win": "life", "op": ">=", "v": 1}


def test_groups_gates_and_keeping_are_built_by_keyboard(visit, olga, draft):
    page = open_editor(visit, olga, draft, width=1280)
    card = slot(page, "tiers[1]")
    card.get_by_role("button", name="添加门槛").focus()
    page.keyboard.press("Enter")
    expect(page.locator('[data-text="tiers[1].gates[0]"]')).to_have_text("近 90 天成立的投诉为 0 次")
    assert page.evaluate("document.activeElement.dataset.path") == "tiers[1].gates[0].m"
    card.get_by_role("button", name="把这个条件放进一个新的条件组").first.focus()
    page.keyboard.press("Enter")
    card.get_by_label("条件组", exact=True).locator("visible=true").first.wait_for()
    page.locator('[data-key="tiers[1].enter#kind"]').select_option("any")
    expect(page.locator('[data-text="tiers[1].enter"]')).to_contain_text("或者")
    page.locator('[data-key="tiers[1].keep#way"]').select_option("scale")
    page.locator('[data-path="tiers[1].keep.scale"]').fill("0.5")
    expect(page.locator('[data-text="tiers[1].keep"]')).to_contain_text("¥100.00")
    tier = written(page)["tiers"][1]
    assert tier["keep"] == {"scale": "0.5"} and [*tier["enter"]] == ["any"] and len(tier["gates"]) == 1


def test_messages_stand_beside_the_field_and_input_stays(visit, olga, draft):
    page = open_editor(visit, olga, draft)
    value = page.locator('[data-path="tiers[2].enter.all[1].v"]')
    value.fill("三笔")
    expect(page.locator("[data-rule-status]")).to_have_text("1 处错误")
    said = slot(page, "tiers[2].enter.all[1]").locator("[data-say]")
    expect(said).to_contain_text("整数")
    assert value.get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="保存", exact=True).click()
    expect(page.locator('[data-path="tiers[2].enter.all[1].v"]')).to_have_value("三笔")
    page.locator('[data-path="tiers[2].enter.all[1].v"]').fill("3")
    expect(page.locator("[data-rule-status]")).to_have_text("检查通过，可以保存")


def test_json_and_rows_stay_the_same(visit, olga, draft):
    page = open_editor(visit, olga, draft, width=1280)
    page.get_by_role("tab", name="JSON").click()
    area = page.locator("textarea[name=rules]")
    document = written(page)
    document["tiers"][2]["name"] = "白金"
    document["caps"] = [{"m": "activity", "per": "day", "max": 30}]
    area.fill(json.dumps(document, ensure_ascii=False))
    page.get_by_role("tab", name="表单").click()
    expect(page.locator('[data-path="tiers[2].name"]')).to_have_value("白金")
    expect(page.locator('[data-text="caps[0]"]')).to_have_text("每天活跃值最多计 30 点")
    page.get_by_role("tab", name="JSON").click()
    area.fill('{"tiers": [')
    expect(page.locator("[data-rule-top]")).to_contain_text("不是有效的 JSON")
    page.get_by_role("tab", name="表单").click()
    expect(page.get_by_role("tab", name="JSON")).to_have_attribute("aria-selected", "true")
    assert area.input_value() == '{"tiers": ['


def test_what_was_removed_comes_back(visit, olga, draft):
    page = open_editor(visit, olga, draft, width=1280)
    before = written(page)
    slot(page, "tiers[2]").get_by_role("button", name="删除这个等级").click()
    assert len(written(page)["tiers"]) == 2
    page.get_by_role("button", name="撤销增删").click()
    assert written(page) == before
    expect(page.locator('[data-path="tiers[2].name"]')).to_have_value("黄金")


def test_tables_are_renamed_where_they_are_used(visit, olga, draft):
    page = open_editor(visit, olga, draft, width=1280)
    page.get_by_role("button", name="添加权重表").click()
    page.locator('[data-path="tiers[1].enter.w"]').select_option("weights_1")
    name = page.locator('[data-key="weights.weights_1#first"]')
    name.fill("cards")
    name.press("Tab")
    expect(page.locator('[data-path="tiers[1].enter.w"]')).to_have_value("cards")
    document = written(page)
    assert [*document["weights"]] == ["cards"] and document["tiers"][1]["enter"]["w"] == "cards"


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_nothing_scrolls_sideways_and_nothing_complains(visit, olga, draft, width, theme):
    visitor = visit(width=width, color_scheme=theme)
    visitor.sign_in(olga)
    page = visitor.go(f"/admin/membership/rulesetversion/{draft.pk}/change/")
    page.locator(CHECKED).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert visitor.troubles == []


def test_cards_call_tiers_as_the_reader_does(visit, olga, draft):
    document = draft.document
    document["tiers"][1]["name_en"] = "Silver"
    revise_draft(version_id=draft.pk, document=document, note="")
    visitor = visit(width=1280)
    visitor.sign_in(olga)
    visitor.choose(lang="en")
    page = visitor.go(f"/admin/membership/rulesetversion/{draft.pk}/change/")
    title = slot(page, "tiers[1]").locator(".desk-chip").first
    expect(title).to_have_text("Silver")
    page.locator('[data-path="tiers[1].name_en"]').fill("Argent")
    expect(title).to_have_text("Argent")
    page.locator('[data-path="tiers[1].name_en"]').fill("")
    expect(title).to_have_text("白银")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_page_with_acts_says_whose_it_is(visit, olga, draft, language):
    """The acts leave the name of the thing its place in the header."""
    member = Club(at_least("spend", "30d", "100.00")).join("ada")
    visitor = visit(width=1280)
    visitor.sign_in(olga)
    visitor.choose(lang=language)
    for address in (f"membertier/{member.pk}", f"rulesetversion/{draft.pk}"):
        name = visitor.go(f"/admin/membership/{address}/change/").locator("#header-inner h1 > :last-child")
        assert name.evaluate("node => node.scrollWidth <= node.clientWidth + 1 && node.clientWidth > 0"), (
            name.inner_text()
        )
