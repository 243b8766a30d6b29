"""The page of a what-if: the matrix, the members who would move, what it costs, and whether it may still be used."""

from datetime import timedelta

import pytest
from django.urls import reverse

from common import clock
from membership.models import MemberTier, TierDecision, WhatIf
from membership.services import ask_what_if, copy_rule_set, draft_rule_set, publish_rule_set, run_what_if
from tests.desk import at_desk, staff, text_of
from tests.membership.club import Club, at_least, on

pytestmark = pytest.mark.django_db

RIGHTS = ["membership.view_whatif", "membership.run_whatif", "membership.publish_rulesetversion"]


@pytest.fixture
def author():
    return staff("ann", *RIGHTS, "membership.view_membertier")


@pytest.fixture
def draft(author):
    """Three who spent 150, 250 and 350 in a club that asks for 100; the draft asks for 200."""
    club = Club(at_least("spend", "life", "100.00"))
    for name, amount in (("low", "150.00"), ("middle", "250.00"), ("high", "350.00")):
        club.buy(club.join(name), amount, paid=on("2026-03-01"))
    document = {
        "tiers": [
            {"rank": 0, "name": "普通会员"},
            {"rank": 1, "name": "白银", "enter": at_least("spend", "life", "200.00")},
            {"rank": 2, "name": "黄金", "enter": at_least("spend", "life", "300.00")},
        ]
    }
    return draft_rule_set(program=club.program, document=document, author=author)


def computed(draft, user) -> WhatIf:
    return run_what_if(what_if_id=ask_what_if(version_id=draft.pk, asked_by=user).pk)


def page(asked: WhatIf, query: str = "") -> str:
    return reverse("admin:membership_whatif_change", args=[asked.pk]) + query


def test_the_matrix_holds_everybody_and_says_who_moves(author, draft):
    decisions = TierDecision.objects.count()
    asked = computed(draft, author)
    answer = at_desk(author).get(page(asked))
    heat = answer.context["heat"]
    assert sum(row.members for row in heat) == MemberTier.objects.filter(program=draft.program).count() == 3
    told = {(cell.before, cell.after): cell.members for row in heat for cell in row.cells if cell.members}
    assert told == {(1, 0): 1, (1, 1): 1, (1, 2): 1}
    text = text_of(answer)
    assert "high" in text and "规则更新后成为黄金" in text and "要求达到 ¥300.00" in text
    assert "每月权益成本" in text and "受影响的人群" in text
    assert TierDecision.objects.count() == decisions


@pytest.mark.parametrize("ago", [0, 30, 90])
def test_the_days_before_have_their_own_page(author, draft, ago):
    answer = at_desk(author).get(page(computed(draft, author), f"?day={ago}"))
    assert answer.context["picture"].days_ago == ago


def test_a_strange_day_is_today(author, draft):
    answer = at_desk(author).get(page(computed(draft, author), "?day=%00x"))
    assert answer.context["picture"].days_ago == 0


def test_while_it_runs_the_page_comes_again(author, draft):
    asked = ask_what_if(version_id=draft.pk, asked_by=author)
    html = at_desk(author).get(page(asked)).content.decode()
    assert 'http-equiv="refresh"' in html and "<progress" in html
    assert 'http-equiv="refresh"' not in at_desk(author).get(page(computed(draft, author))).content.decode()


def test_the_author_is_told_to_ask_a_colleague_and_the_colleague_is_offered_the_act(author, draft):
    asked = computed(draft, author)
    mine = text_of(at_desk(author).get(page(asked)))
    assert "请另一位同事批准" in mine and "批准并发布 " not in mine.replace("批准并发布。", "")
    assert "publish/" in at_desk(staff("ben", *RIGHTS)).get(page(asked)).content.decode()


def test_a_stale_result_says_so_and_offers_no_publication(author, draft):
    asked = computed(draft, author)
    colleague = at_desk(staff("ben", *RIGHTS))
    with clock.travel(clock.now() + timedelta(hours=25)):
        html = colleague.get(page(asked)).content.decode()
    assert "结果已超过 24 小时" in html and "publish/" not in html


def test_a_result_from_before_other_rules_says_so_and_offers_no_publication(author, draft):
    asked = computed(draft, author)
    colleague = at_desk(staff("ben", *RIGHTS))
    with clock.travel(clock.now() + timedelta(hours=1)):
        publish_rule_set(version_id=copy_rule_set(version=draft, author=None).pk, approver=None)
        html = colleague.get(page(asked)).content.decode()
    assert "又发布或生效了别的规则" in html and "publish/" not in html


def test_members_are_linked_for_those_who_may_see_them(author, draft):
    asked = computed(draft, author)
    assert "打开这位会员" in text_of(at_desk(author).get(page(asked)))
    assert "打开这位会员" not in text_of(at_desk(staff("ben", "membership.view_whatif")).get(page(asked)))


def test_the_page_needs_its_right(author, draft):
    asked = computed(draft, author)
    assert at_desk(staff("ben", "membership.view_rulesetversion")).get(page(asked)).status_code == 403
