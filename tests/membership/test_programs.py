"""A storefront's own program, from its first draft on: the platform's holds until rules were published for it."""

from dataclasses import replace

import pytest

from common import clock
from membership.models import CheckIn, MemberTier, Program, RuleSetVersion
from membership.selectors import member_standing, orders_for_tasks, own_programs, program_for, what_if_result
from membership.services import (
    ask_what_if,
    draft_rule_set,
    give_points_back,
    publish_rule_set,
    recalculate,
    record_order,
    run_what_if,
)
from tenancy.models import MAIN_ID
from tests.desk import at_desk, staff
from tests.membership.club import Club, at_least

pytestmark = pytest.mark.django_db

RULES = {
    "tiers": [{"rank": 0, "name": "会员"}, {"rank": 1, "name": "贵宾", "enter": at_least("spend", "life", "10.00")}]
}


@pytest.fixture
def platform() -> Program:
    return Program.objects.get(storefront=None)


@pytest.fixture
def draft(db) -> RuleSetVersion:
    program = Program.objects.create(storefront_id=MAIN_ID, name="主店自己的计划")
    return draft_rule_set(program=program, document=RULES, author=None)


def test_the_platforms_program_holds_for_a_storefront_with_a_draft_only(platform, draft, client, alice):
    client.force_login(alice)
    for path in ("/", "/member/", "/member/rules/", "/member/earn/", "/api/me/tier", "/api/tiers"):
        assert client.get(path).status_code == 200, path
    client.post("/member/check-in/")
    at = clock.now()
    order = replace(Club(at_least("orders", "life", 1)).delivered(alice, "300.00", paid=at), storefront_id=MAIN_ID)
    record_order(order=order, at=at)
    give_points_back(order=order, at=at)
    orders_for_tasks([order])
    assert program_for(MAIN_ID) == platform and MAIN_ID not in own_programs()
    assert [row.program for row in MemberTier.objects.filter(user=alice)] == [platform]
    assert CheckIn.objects.filter(user=alice).exists()


def test_the_nightly_pass_goes_by_what_has_no_rules_yet(draft, alice):
    assert recalculate(everyone=False).finished_at is not None
    assert recalculate(everyone=True).finished_at is not None


def test_first_rules_are_tried_out_on_nobody_and_published_by_a_second_person(platform, draft, alice):
    author, approver = staff("ann"), staff("ben")
    RuleSetVersion.objects.filter(pk=draft.pk).update(author=author)
    run_what_if(what_if_id=(asked := ask_what_if(version_id=draft.pk, asked_by=author)).pk)
    found = what_if_result(asked.pk)
    assert found.is_done and found.now.members == 0 and found.now.matrix == ()
    assert found.tiers == {0: "会员", 1: "贵宾"}
    publish_rule_set(version_id=draft.pk, approver=approver)
    assert program_for(MAIN_ID) == draft.program and own_programs() == {MAIN_ID: draft.program_id}
    assert member_standing(user_id=alice.pk, storefront_id=MAIN_ID).name == "会员"


def test_the_fairness_page_offers_programs_with_rules_only(platform, draft, db):
    client = at_desk(staff("ann", "membership.view_tierdecision", "membership.view_membertier"))
    assert client.get("/admin/fairness/").context["fair"].programs == [platform]
    assert client.get(f"/admin/fairness/?program={draft.program_id}").status_code == 404
