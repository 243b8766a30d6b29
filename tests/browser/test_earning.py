"""Checking in moves the bar on the page without a load, and works by keyboard."""

from common import clock
from membership.models import CheckIn, Program
from membership.services import draft_rule_set, ensure_member, publish_rule_set
from tenancy.models import MAIN_ID


def climb_by_check_ins() -> None:
    """Rules under which a check-in is a tenth of the way up."""
    document = {
        "tiers": [
            {"rank": 0, "name": "普通会员"},
            {"rank": 1, "name": "白银", "enter": {"m": "checkin", "win": "life", "op": ">=", "v": 10}},
        ]
    }
    draft = draft_rule_set(program=Program.objects.get(storefront=None), document=document, author=None)
    publish_rule_set(version_id=draft.pk, approver=None)


def test_check_in_moves_the_bar_without_a_load(visit, alice):
    phone = visit()
    climb_by_check_ins()
    ensure_member(user_id=alice.pk, storefront_id=MAIN_ID, at=clock.now())
    phone.sign_in(alice)
    page = phone.go("/member/earn/")
    bar = page.locator("#climb progress")
    assert bar.get_attribute("value") == "0"
    page.evaluate("window.stayed = true")
    phone.tap("button", name="签到，领 5 积分")
    page.get_by_text("今天已签到", exact=True).wait_for()
    assert page.locator("#climb progress").get_attribute("value") == "10"
    assert page.locator(".day.is-done").count() == 1
    assert page.evaluate("window.stayed") is True
    assert page.evaluate("document.activeElement.id") == "check-in"
    assert CheckIn.objects.count() == 1
    assert phone.troubles == []


def test_check_in_without_scripts(visit, alice):
    phone = visit(scripts=False)
    phone.sign_in(alice)
    page = phone.go("/member/earn/")
    phone.tap("button", name="签到，领 5 积分")
    page.get_by_text("今天已签到", exact=True).wait_for()
    assert page.url.endswith("/member/earn/")
    assert CheckIn.objects.count() == 1
