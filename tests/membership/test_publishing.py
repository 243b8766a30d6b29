"""From a draft to rules in force at the desk: tried out, approved by a second person, with a date and a policy."""

import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.models import User
from audit.models import AuditEntry
from common import clock
from membership.admin import tiers
from membership.models import Program, RuleSetVersion, TierRule, WhatIf
from membership.services import (
    ask_what_if,
    copy_rule_set,
    edit_benefits,
    publish_rule_set,
    revise_draft,
    run_what_if,
)
from tests.desk import Act, at_desk, staff, text_of
from tests.membership.club import at_least

pytestmark = pytest.mark.django_db

RIGHTS = [
    "membership.view_rulesetversion",
    "membership.change_rulesetversion",
    "membership.publish_rulesetversion",
    "membership.run_whatif",
    "membership.view_whatif",
]
NOW = {"effective_from_0": "", "effective_from_1": "", "policy": "immediate", "policy_until": ""}


@pytest.fixture
def author() -> User:
    return staff("ann", *RIGHTS)


@pytest.fixture
def approver() -> User:
    return staff("ben", *RIGHTS)


@pytest.fixture
def draft(author) -> RuleSetVersion:
    version = Program.objects.get(storefront=None).versions.get()
    return copy_rule_set(version=version, author=author, note="放宽")


def address(draft: RuleSetVersion, act: str = "change") -> str:
    return f"/admin/membership/rulesetversion/{draft.pk}/{act}/"


def tried(draft: RuleSetVersion, user: User, **policy) -> WhatIf:
    return run_what_if(what_if_id=ask_what_if(version_id=draft.pk, asked_by=user, **policy).pk)


def test_trying_out_is_asked_for_and_audited(author, draft, django_capture_on_commit_callbacks):
    asked = Act(at_desk(author), address(draft, "try_out")).fill(policy="immediate", policy_until="")
    assert "不改动任何会员" in asked.text and not WhatIf.objects.exists()
    asked.confirm()
    found = WhatIf.objects.get()
    assert asked.page["Location"] == reverse("admin:membership_whatif_change", args=[found.pk])
    assert (found.version, found.asked_by) == (draft, author)
    assert AuditEntry.objects.filter(action="membership.rules.what_if").exists()


def test_the_author_cannot_approve(author, draft):
    tried(draft, author)
    preview = Act(at_desk(author), address(draft, "publish")).fill(**NOW)
    assert "作者不能批准自己的草稿" in preview.text
    at_desk(author).post(address(draft, "publish"), {"_step": "run", **NOW})
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_a_colleague_approves_and_publishes(author, approver, draft):
    tried(draft, author)
    act = Act(at_desk(approver), address(draft, "publish")).fill(**NOW)
    assert "ann" in act.text and "ben" in act.text
    act.confirm()
    draft.refresh_from_db()
    assert (draft.status, draft.approver) == ("published", approver)
    entry = AuditEntry.objects.get(action="membership.rules.publish")
    assert entry.actor_id == approver.pk


def test_without_a_what_if_nothing_is_published(approver, draft):
    preview = Act(at_desk(approver), address(draft, "publish")).fill(**NOW)
    assert "发布前先推演" in preview.text and "批准并发布</" not in preview.text.split("desk-buttons")[1]


def test_a_stale_what_if_is_told_clearly(author, approver, draft):
    tried(draft, author)
    with clock.travel(clock.now() + timedelta(hours=25)):
        preview = Act(at_desk(approver), address(draft, "publish")).fill(**NOW)
        assert "推演结果已超过 24 小时" in preview.text
        assert at_desk(approver).post(address(draft, "publish"), {"_step": "run", **NOW}).status_code == 200
    draft.refresh_from_db()
    assert draft.status == "draft"


def test_a_draft_that_changed_since_is_refused(author, approver, draft):
    tried(draft, author)
    document = draft.document
    document["tiers"][1]["enter"] = at_least("orders", "life", 2)
    revise_draft(version_id=draft.pk, document=document, note="")
    assert "改过了，请重新推演" in Act(at_desk(approver), address(draft, "publish")).fill(**NOW).text
    assert "改过了，请重新推演" in text_of(at_desk(author).get(address(draft)))


def test_another_policy_than_the_one_tried_is_refused(author, approver, draft):
    tried(draft, author)
    preview = Act(at_desk(approver), address(draft, "publish")).fill(**{**NOW, "policy": "keep_if_held"})
    assert "过渡方式改过了" in preview.text


def test_grandfathering_needs_a_day_to_come(approver, draft):
    until = {**NOW, "policy": "grandfather_until"}
    assert "请填写保留到哪一天" in Act(at_desk(approver), address(draft, "publish")).fill(**until).text
    past = {**until, "policy_until": "2020-01-01"}
    assert "请选一个以后的日期" in Act(at_desk(approver), address(draft, "publish")).fill(**past).text


def test_publishing_for_a_day_to_come_with_grandfathering(author, approver, draft):
    now = clock.now()
    starts, until = clock.day_of(now + timedelta(days=7)), clock.day_of(now + timedelta(days=60))
    tried(draft, author, policy="grandfather_until", policy_until=until)
    form = {
        "effective_from_0": starts.isoformat(),
        "effective_from_1": "00:00:00",
        "policy": "grandfather_until",
        "policy_until": until.isoformat(),
    }
    act = Act(at_desk(approver), address(draft, "publish")).fill(**form)
    assert "已有等级保留到指定日期" in act.text
    act.confirm()
    draft.refresh_from_db()
    assert (draft.status, draft.policy, draft.policy_until) == ("published", "grandfather_until", until)
    assert draft.effective_from == clock.start_of_day(starts)
    shown = text_of(at_desk(author).get(address(draft)))
    assert "已有等级保留到指定日期" in shown


@pytest.mark.parametrize("act", ["try_out", "publish"])
def test_acts_need_their_right_and_a_row(act, draft):
    clerk = at_desk(staff("clerk", "membership.view_rulesetversion", "membership.change_rulesetversion"))
    assert clerk.get(address(draft, act)).status_code == 403
    assert at_desk(staff("chief", *RIGHTS)).get(f"/admin/membership/rulesetversion/999999/{act}/").status_code == 404


def test_the_way_of_a_draft_is_shown(author, draft):
    client = at_desk(author)
    assert "还没有推演结果" in text_of(client.get(address(draft)))
    tried(draft, author)
    page = text_of(client.get(address(draft)))
    assert "结果有效" in page and "ann 以外的同事" in page


def test_a_what_if_that_publication_refuses_does_not_call_itself_valid(author, approver, draft):
    """The page of the what-if and the draft's say what publication would say."""
    asked = tried(draft, author)
    page = reverse("admin:membership_whatif_change", args=[asked.pk])
    assert "批准并发布" in text_of(at_desk(approver).get(page))
    other = copy_rule_set(version=draft, author=author, note="另一个草稿")
    tried(other, author)
    with clock.travel(clock.now() + timedelta(minutes=1)):
        Act(at_desk(approver), address(other, "publish")).fill(**NOW).confirm()
        shown = text_of(at_desk(approver).get(page))
        assert "推演之后又发布或生效了别的规则" in text_of(at_desk(author).get(address(draft)))
    assert "推演之后又发布或生效了别的规则" in shown
    assert "批准并发布" not in shown


def test_the_preview_tells_who_would_move(author, approver, draft):
    tried(draft, author)
    assert re.search(
        r"升级 0 人 降级 0 人", text_of(Act(at_desk(approver), address(draft, "publish")).fill(**NOW).page)
    )


@pytest.fixture
def carl() -> User:
    return staff("carl", *RIGHTS)


def saved(draft: RuleSetVersion, user: User, **fields) -> str:
    """Save the draft's page as this person, with `fields` in place of what it shows; what the page answers."""
    client = at_desk(user)
    form = client.get(address(draft)).context["adminform"].form
    shown = {name: form[name].value() or "" for name in ("rules", "note", "note_en", "opened")}
    return text_of(client.post(address(draft), {**shown, **fields}, follow=True))


def test_who_changed_a_draft_cannot_approve_it(author, approver, carl, draft):
    """Otherwise one person could rewrite a colleague's draft and put it in force alone."""
    document = draft.document
    document["tiers"][1]["enter"] = at_least("orders", "life", 2)
    saved(draft, approver, rules=json.dumps(document))
    tried(draft, author)
    assert "ann、ben 以外的同事" in text_of(at_desk(author).get(address(draft)))
    act = Act(at_desk(approver), address(draft, "publish")).fill(**NOW)
    assert "你修改过这个草稿" in act.text
    at_desk(approver).post(address(draft, "publish"), {"_step": "run", **NOW})
    draft.refresh_from_db()
    assert draft.status == "draft"
    page = reverse("admin:membership_whatif_change", args=[draft.what_ifs.get().pk])
    assert "草稿由你写过" in text_of(at_desk(approver).get(page))
    Act(at_desk(carl), address(draft, "publish")).fill(**NOW).confirm()
    draft.refresh_from_db()
    assert (draft.status, draft.approver) == ("published", carl)


def benefit_form(tier: TierRule, **benefit: str) -> dict[str, str]:
    """The page of a tier without benefits, with one added."""
    blank = {
        "kind": "title",
        "layer": "status",
        "text": "常客",
        "text_en": "",
        "value": "",
        "code": "",
        "stacking": "best",
    }
    counts = {"TOTAL_FORMS": "1", "INITIAL_FORMS": "0", "MIN_NUM_FORMS": "0", "MAX_NUM_FORMS": "1000"}
    row = {f"benefits-0-{name}": value for name, value in {**blank, **benefit, "tier": str(tier.pk)}.items()}
    return {**{f"benefits-{name}": value for name, value in counts.items()}, **row}


def giver(name: str) -> User:
    return staff(name, *RIGHTS, "membership.change_tierrule", "membership.view_benefit", "membership.add_benefit")


def test_who_changed_its_benefits_cannot_approve_a_draft(author, draft):
    tier = draft.tiers.get(rank=0)
    tier.benefits.all().delete()
    dora = giver("dora")
    answer = at_desk(dora).post(reverse("admin:membership_tierrule_change", args=[tier.pk]), benefit_form(tier))
    assert answer.status_code == 302 and tier.benefits.get().text == "常客"
    tried(draft, author)
    assert "你修改过这个草稿" in Act(at_desk(dora), address(draft, "publish")).fill(**NOW).text


def test_benefits_of_a_draft_that_went_out_meanwhile_are_told_of(author, approver, draft, monkeypatch):
    """Published between the page's first look and its saving."""
    tier = draft.tiers.get(rank=0)
    tier.benefits.all().delete()
    dora = giver("dora")
    tried(draft, author)

    def publish_first(**said):
        publish_rule_set(version_id=draft.pk, approver=approver)
        edit_benefits(**said)

    monkeypatch.setattr(tiers, "edit_benefits", publish_first)
    page = reverse("admin:membership_tierrule_change", args=[tier.pk])
    answer = at_desk(dora).post(page, benefit_form(tier), follow=True)
    assert "已发布的版本不能更改" in text_of(answer)
    assert not tier.benefits.exists()


def test_words_that_a_colleague_wrote_meanwhile_are_not_overwritten(author, approver, draft):
    opened = at_desk(author).get(address(draft)).context["adminform"].form["opened"].value()
    saved(draft, approver, note="改过的说明")
    assert "别人改过这个草稿" in saved(draft, author, note="另一种说明", opened=opened)
    draft.refresh_from_db()
    assert draft.note == "改过的说明"


@pytest.mark.parametrize("year", [2999, 9999])
def test_a_slip_of_the_year_does_not_shut_all_later_versions_out(year, author, approver, draft):
    tried(draft, author)
    far = {**NOW, "effective_from_0": f"{year}-12-31", "effective_from_1": "00:00:00"}
    act = Act(at_desk(approver), address(draft, "publish")).fill(**far)
    assert "请选两年以内的日期" in act.text
    at_desk(approver).post(address(draft, "publish"), {"_step": "run", **far})
    draft.refresh_from_db()
    assert draft.status == "draft"


@pytest.mark.parametrize("act", ["try_out", "publish"])
def test_tiers_are_not_kept_for_centuries(act, approver, draft):
    far = {**NOW, "policy": "grandfather_until", "policy_until": "9999-12-31"}
    assert "请选十年以内的日期" in Act(at_desk(approver), address(draft, act)).fill(**far).text


BUNDLE = {"id": "fresh", "window": "week", "needs": {"checkin": 5}, "grants": {"activity": 50}}


@pytest.mark.parametrize(
    ("changes", "time", "told"),
    [
        ({"caps": [{"m": "activity", "per": "day", "max": 7}]}, "09:30:00", True),
        (
            {"multipliers": [{"m": "activity", "factor": "2", "from": "2030-01-01", "to": "2030-01-02"}]},
            "23:59:59",
            True,
        ),
        ({"bundles": [BUNDLE]}, "00:00:01", True),
        ({"caps": [{"m": "activity", "per": "day", "max": 7}]}, "00:00:00", False),
        ({}, "09:30:00", False),
    ],
)
def test_the_preview_says_that_what_counts_by_days_begins_at_midnight(changes, time, told, author, approver, draft):
    day = clock.day_of(clock.now() + timedelta(days=7))
    revise_draft(version_id=draft.pk, document={**draft.document, **changes}, note="")
    tried(draft, author)
    form = {**NOW, "effective_from_0": day.isoformat(), "effective_from_1": time}
    act = Act(at_desk(approver), address(draft, "publish")).fill(**form)
    midnight = clock.start_of_day(day + timedelta(days=1))
    assert (f"这些改动从 {midnight:%Y-%m-%d} 00:00 起生效，当天仍按上一版" in act.text) is told
    act.confirm()
    draft.refresh_from_db()
    assert draft.status == "published"
