"""What Olga sees and does behind the counter, and what Charlie must not."""

import json
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from common import clock
from membership.models import (
    Activity,
    Benefit,
    MemberTier,
    ProductTierRate,
    Program,
    Recalculation,
    RuleSetVersion,
    SkuTierPrice,
)
from membership.services import ask_what_if, copy_rule_set, ensure_member, recalculate
from tenancy.models import MAIN_ID
from tests.membership.club import OPENING, Club, at_least, foreseen, on, rank

pytestmark = pytest.mark.django_db

LISTS = [
    "membertier",
    "tierdecision",
    "rulesetversion",
    "tierrule",
    "activity",
    "skutierprice",
    "producttierrate",
    "program",
    "recalculation",
    "whatif",
]
NOW = {"effective_from_0": "", "effective_from_1": "", "policy": "immediate", "policy_until": ""}


@pytest.fixture
def desk(olga):
    client = Client()
    client.force_login(olga)
    return client


@pytest.fixture
def climbed(db):
    """Somebody who climbed, lost it by a refund, and bought something that does not count."""
    club = Club(at_least("spend", "30d", "100.00"), exclude=[{"reason": "gift_cards", "category": "gift_card"}])
    member = club.join("clara")
    order = club.buy(member, "100.00", ("7.00", "gift_card"), paid=on("2026-03-01"))
    club.hear(club.refunded(order, {0: "36.00"}), on("2026-03-02"))
    return member


@pytest.fixture
def platform():
    return Program.objects.get(storefront=None).versions.get()


def page(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, answer.status_code
    return answer.content.decode()


def one(model, pk):
    return reverse(f"admin:membership_{model}_change", args=[pk])


def act(client, model, pk, name, **data):
    """Go through an act as a person does: the form, the preview, the act."""
    path = f"/admin/membership/{model}/{pk}/{name}/"
    preview = client.post(path, {"_step": "preview", **data}).content.decode()
    return preview, client.post(path, {"_step": "run", **data})


@pytest.mark.parametrize("model", LISTS)
def test_every_list_opens_and_finds(desk, climbed, shelf, model):
    sku = shelf.sku()
    SkuTierPrice.objects.create(program=climbed.program, sku=sku, rank=1, unit_price=9)
    ProductTierRate.objects.create(program=climbed.program, product=sku.product, rank=1, rate=1)
    recalculate(everyone=False)
    ask_what_if(version_id=copy_rule_set(version=climbed.version, author=None).pk, asked_by=None)
    path = reverse(f"admin:membership_{model}_changelist")
    assert "result_list" in page(desk, path)
    page(desk, f"{path}?q=clara")
    page(desk, f"{path}?q=%00'")


def test_a_member_shows_where_they_stand_and_why(desk, climbed):
    html = page(desk, one("membertier", climbed.pk))
    for part in ("再消费 ¥36.00", "¥64.00", "近 30 天有效消费", "退款或撤销后重新评定", "要求达到 ¥100.00"):
        assert part in html, part


def test_a_decision_reads_as_an_explanation(desk, climbed):
    html = page(desk, one("tierdecision", climbed.decisions.get(cause="enter").pk))
    for part in ("升级为白银", "近 30 天有效消费 ¥100.00（要求达到 ¥100.00）", "2026-01-31", "2026-03-01", "line:"):
        assert part in html, part


def test_activity_says_what_does_not_count(desk, climbed):
    html = page(desk, f"{reverse('admin:membership_activity_changelist')}?q=clara")
    assert "礼品卡" in html and "−¥36.00" in html
    assert page(desk, one("activity", Activity.objects.filter(valid=False).first().pk))


def test_evaluating_by_hand_stores_what_comes_of_it(desk, climbed):
    MemberTier.objects.filter(pk=climbed.pk).update(rank=1)
    preview, done = act(desk, "membertier", climbed.pk, "evaluate")
    assert "重新推算" in preview
    assert rank(climbed) == 0 and done.status_code == 302
    assert climbed.decisions.count() == 4


def test_a_rule_set_reads_as_sentences(desk, platform):
    html = page(desk, one("rulesetversion", platform.pk))
    assert "累计有效消费达到 ¥200.00，或者累计有效订单达到 5 笔" in html
    assert "会员价 9.2 折" in html
    assert platform.sha256 in html
    assert '<textarea name="rules"' not in html


def test_copy_edit_benefits_publish(desk, olga, platform):
    answer = act(desk, "rulesetversion", platform.pk, "copy")[1]
    draft = RuleSetVersion.objects.get(status="draft")
    assert answer["Location"] == one("rulesetversion", draft.pk)
    document = draft.document
    document["tiers"][1]["enter"] = at_least("orders", "life", 3)
    html = page(desk, one("rulesetversion", draft.pk))
    assert "编辑权益" in html
    saved = desk.post(one("rulesetversion", draft.pk), {"note": "放宽白银", "rules": json.dumps(document)})
    assert saved.status_code == 302
    draft.refresh_from_db()
    assert (draft.note, draft.document["tiers"][1]["enter"]["v"]) == ("放宽白银", 3)
    silver = draft.tiers.get(rank=1)
    rate = Benefit.objects.get(tier=silver, kind="price_rate")
    badge = Benefit.objects.get(tier=silver, kind="badge")
    form = {
        "benefits-TOTAL_FORMS": 2, "benefits-INITIAL_FORMS": 2, "benefits-MIN_NUM_FORMS": 0, "benefits-MAX_NUM_FORMS": 9,
        "benefits-0-id": rate.pk, "benefits-0-tier": silver.pk, "benefits-0-kind": "price_rate", "benefits-0-layer": "everyday",
        "benefits-0-value": "0.98", "benefits-0-stacking": "best",
        "benefits-1-id": badge.pk, "benefits-1-tier": silver.pk, "benefits-1-kind": "badge", "benefits-1-layer": "status",
        "benefits-1-text": "银徽章", "benefits-1-stacking": "add",
    }  # fmt: skip
    assert desk.post(one("tierrule", silver.pk), form).status_code == 302
    rate.refresh_from_db()
    assert rate.value == Decimal("0.98")
    RuleSetVersion.objects.filter(pk=draft.pk).update(author=None)
    foreseen(draft)
    preview, done = act(desk, "rulesetversion", draft.pk, "publish", **NOW)
    assert "累计有效订单达到 3 笔" in preview and "立即" in preview
    assert done.status_code == 302
    draft.refresh_from_db()
    assert (draft.status, draft.approver) == ("published", olga)
    assert desk.post(one("tierrule", silver.pk), form).status_code == 403


def test_a_mistake_in_the_rules_is_told_with_its_place(desk, platform):
    draft = copy_rule_set(version=platform, author=None)
    answer = desk.post(one("rulesetversion", draft.pk), {"note": "", "rules": '{"tiers": [{"rank": 0, "nam": "x"}]}'})
    html = answer.content.decode()
    assert "tiers[0].nam" in html and "tiers[0].name" in html
    html = desk.post(one("rulesetversion", draft.pk), {"note": "", "rules": "{"}).content.decode()
    assert "JSON" in html
    draft.refresh_from_db()
    assert draft.document == platform.document


def test_a_draft_with_problems_is_not_published(desk, platform):
    draft = copy_rule_set(version=platform, author=None)
    document = draft.document
    document["tiers"][1]["keep"] = at_least("spend", "life", "99999.00")
    desk.post(one("rulesetversion", draft.pk), {"note": "", "rules": json.dumps(document)})
    preview, _ = act(desk, "rulesetversion", draft.pk, "publish", **NOW)
    assert "tiers[1].keep" in preview
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_a_new_draft_from_the_form(desk, olga, platform):
    document = {
        "tiers": [{"rank": 0, "name": "普通会员"}, {"rank": 1, "name": "白银", "enter": at_least("orders", "life", 1)}]
    }
    answer = desk.post(
        reverse("admin:membership_rulesetversion_add"),
        {"program": platform.program_id, "note": "新", "rules": json.dumps(document)},
    )
    assert answer.status_code == 302
    draft = RuleSetVersion.objects.get(status="draft")
    assert (draft.author, draft.tiers.count()) == (olga, 2)


def test_publishing_needs_its_own_right(platform, django_user_model):
    clerk = django_user_model.objects.create_user("clerk", "tea-and-keys-9", is_staff=True)
    rights = Permission.objects.filter(
        content_type__app_label="membership", codename__in=["view_rulesetversion", "change_rulesetversion"]
    )
    clerk.user_permissions.set(rights)
    client = Client()
    client.force_login(clerk)
    draft = copy_rule_set(version=platform, author=None)
    page(client, one("rulesetversion", draft.pk))
    assert client.post(f"/admin/membership/rulesetversion/{draft.pk}/publish/", {"_step": "run"}).status_code == 403
    assert client.get(reverse("admin:membership_membertier_changelist")).status_code == 403
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_tier_prices_are_chosen_by_the_name_of_the_tier(desk, shelf, platform):
    sku = shelf.sku("10.00")
    html = page(desk, reverse("admin:membership_skutierprice_add"))
    assert "黄金会员" in html
    saved = desk.post(
        reverse("admin:membership_skutierprice_add"),
        {"program": platform.program_id, "sku": sku.pk, "rank": "2", "unit_price": "8.8"},
    )
    assert saved.status_code == 302
    assert SkuTierPrice.objects.get(sku=sku).rank == 2
    again = desk.post(
        reverse("admin:membership_skutierprice_add"),
        {"program": platform.program_id, "sku": sku.pk, "rank": "2", "unit_price": "0"},
    )
    assert again.status_code == 200 and "会员价必须大于零" in again.content.decode()


def test_a_pass_over_everybody_is_asked_for(desk, alice, monkeypatch):
    ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=clock.now())
    sent = []
    monkeypatch.setattr("membership.admin.members.send", lambda *args: sent.append(args))
    answer = desk.post(reverse("admin:membership_recalculation_run_all"), {"_step": "run"})
    assert answer.status_code == 302
    assert sent == [("membership.tasks.recalculate_tiers", True)]
    assert not Recalculation.objects.exists()


def test_history_cannot_be_written_from_the_desk(desk, climbed):
    decision = climbed.decisions.first()
    for model, pk in (
        ("membertier", climbed.pk),
        ("tierdecision", decision.pk),
        ("activity", Activity.objects.first().pk),
    ):
        assert desk.post(one(model, pk), {"rank": 4}).status_code == 403
        assert desk.post(reverse(f"admin:membership_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
        assert desk.get(reverse(f"admin:membership_{model}_add")).status_code == 403


def test_lists_do_not_ask_once_a_row(desk, django_assert_max_num_queries):
    club = Club(at_least("spend", "30d", "100.00"))
    for _ in range(12):
        club.buy(club.join(at=OPENING), "100.00", paid=on("2026-03-01"))
    for model in ("membertier", "tierdecision", "activity", "rulesetversion"):
        path = reverse(f"admin:membership_{model}_changelist")
        page(desk, path)
        with django_assert_max_num_queries(16):
            page(desk, path)
