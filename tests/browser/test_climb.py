"""A new member checks in, buys, reviews and invites, and watches the bar move to the next tier; and every look of the pages."""

from datetime import timedelta

import pytest
from django.db.models import F
from playwright.sync_api import expect

from catalog.models import Review
from catalog.services import moderation
from events.services import relay
from membership.models import Dwell, EarningRules, MemberTier, Nudge, Program, Referral
from membership.services import draft_rule_set, publish_rule_set
from tests.browser.conftest import PASSWORD
from tests.browser.test_pages import LOOKS, faults_on
from tests.membership.club import at_least
from tests.membership.perks import hold, publish

SILVER = {
    "all": [
        at_least("checkin", "life", 1),
        at_least("spend", "30d", "100.00"),
        at_least("review", "life", 1),
        at_least("invitee_active", "life", 1),
    ]
}


@pytest.fixture
def rules(db):
    """Silver asks for one of everything: a quarter of the bar each."""
    tiers = [
        {"rank": 0, "name": "普通会员", "name_en": "Member"},
        {"rank": 1, "name": "白银会员", "name_en": "Silver", "enter": SILVER},
        {"rank": 2, "name": "黄金会员", "name_en": "Gold", "enter": at_least("spend", "30d", "5000.00")},
    ]
    draft = draft_rule_set(program=Program.objects.get(storefront=None), document={"tiers": tiers}, author=None)
    return publish_rule_set(version_id=draft.pk, approver=None)


def bar(page) -> int:
    return int(page.locator("#climb progress").get_attribute("value"))


def test_a_new_member_climbs_to_the_next_tier(visit, rules, shelf, olga):
    sku = shelf.sku("120.00", keys=2)
    phone = visit(390)
    page = phone.go("/account/signup/")
    page.get_by_label("用户名").fill("mingyue")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.locator("main form").get_by_role("button", name="注册").click()
    page.wait_for_url(f"{phone.base}/**")
    relay()
    member = MemberTier.objects.get(user__username="mingyue")
    shelf.fund(member.user, "500.00")

    # Checks in: the bar moves without a load.
    page = phone.go("/member/")
    expect(page.locator("#tier-name")).to_have_text("普通会员")
    assert bar(page) == 0
    page.evaluate("window.stayed = true")
    phone.tap("button", name="签到，领 5 积分")
    expect(page.locator("#climb progress")).to_have_attribute("value", "25")

    # Buys in another tab, as one does; the member centre brings itself up to date.
    tab = phone.context.new_page()
    tab.goto(f"{phone.base}/checkout/?sku={sku.public_id}")
    tab.get_by_role("radio", name="余额").check()
    tab.get_by_role("button", name="确认支付").click()
    expect(tab.get_by_role("heading", name="已发货")).to_be_visible()
    expect(tab.locator("#order-climb .nudge")).to_have_count(0)
    relay()
    expect(tab.locator("#order-climb .nudge")).to_contain_text("即可成为白银会员", timeout=30_000)
    expect(page.locator("#climb progress")).to_have_attribute("value", "50", timeout=30_000)
    assert page.evaluate("window.stayed") is True

    # Reviews it; staff publishes.
    tab.reload()
    tab.get_by_role("link", name="评价").first.click()
    tab.locator("label", has_text="满意").click()
    tab.get_by_label("评价内容").fill("到账很快，面值也对，下次还来。")
    tab.get_by_role("button", name="提交评价").click()
    expect(tab.get_by_text("评价已提交")).to_be_visible()
    review = Review.objects.get()
    moderation.publish_reviews(seen={review.pk: review.version}, actor=olga)
    relay()
    expect(page.locator("#climb progress")).to_have_attribute("value", "75", timeout=30_000)

    # Invites a friend by the link on the page; the friend stays for as many days as the rules ask.
    tab.goto(f"{phone.base}/member/invite/")
    link = tab.locator("#invite-link").inner_text().strip()
    friend = visit(390)
    friend.page.goto(link.replace(link.split("/i/")[0], friend.base))
    friend.page.get_by_role("link", name="注册").last.click()
    friend.page.get_by_label("用户名").fill("xiaoyu")
    friend.page.get_by_label("密码", exact=True).fill(PASSWORD)
    friend.page.locator("main form").get_by_role("button", name="注册").click()
    friend.page.wait_for_url(f"{friend.base}/**")
    relay()
    assert Referral.objects.get().inviter.username == "mingyue"
    EarningRules.objects.update(invite_days=1)
    friend.go("/member/earn/")
    friend.tap("button", name="签到，领 5 积分")
    expect(friend.page.get_by_text("今天已签到").first).to_be_visible()
    relay()
    expect(page.locator("#tier-name")).to_have_text("白银会员", timeout=30_000)
    assert page.evaluate("window.stayed") is True
    expect(page.locator("#decisions")).to_contain_text("升级为白银会员")

    # Why: everything that was asked for, with what was found; and a message in the inbox.
    page.locator("#decisions summary").first.click()
    expect(page.locator("#decisions details[open]")).to_contain_text("近 30 天有效消费")
    page = phone.go("/messages/")
    expect(page.get_by_text("你的会员等级现在是「白银会员」")).to_be_visible()
    assert phone.troubles == []


@pytest.fixture
def lately(rules, shelf, alice):
    """Somebody with something on every part of the pages: spend that counts and spend that does not, nudges, decisions."""
    order = shelf.buy(alice, (shelf.sku("120.00", keys=2), 1), from_wallet=True)
    relay()
    return order


@pytest.mark.parametrize(("theme", "lang", "width"), LOOKS)
def test_pages_of_the_tier(visit, lately, alice, theme, lang, width):
    visitor = visit(width)
    visitor.sign_in(alice)
    visitor.choose(theme=theme, lang=lang)
    paths = [
        "/member/",
        "/member/spending/",
        "/member/spending/?only=excluded",
        "/member/decisions/",
        "/member/rules/",
        "/member/rules/1/",
        f"/orders/{lately.public_id}/",
    ]
    assert faults_on(visitor, paths) == {}


def test_goods_left_for_two_minutes_say_what_a_tier_saves(visit, shelf, alice):
    """The page asks by itself; the server knows for how long. The clock of the page is turned on, not waited for."""
    publish([], [{"kind": "price_rate", "value": "0.9"}])
    sku = shelf.sku("100.00", keys=5)
    hold(alice, 0)
    phone = visit(390)
    phone.sign_in(alice)
    phone.page.clock.install()
    page = phone.go(f"/checkout/?sku={sku.public_id}")
    expect(page.locator("late-nudge")).to_have_attribute("data-seconds", "120")
    page.clock.fast_forward(60_000)
    # Two minutes by the server's own record.
    Dwell.objects.update(opened_at=F("opened_at") - timedelta(minutes=2))
    page.clock.fast_forward(61_000)
    expect(page.locator("#nudge-cart")).to_contain_text("额外9折")
    expect(page.locator("#nudge-cart")).to_contain_text("¥100.00 → ¥90.00")
    assert phone.faults() == []
    page.locator("#nudge-cart").get_by_role("link", name="看看怎么升级").click()
    page.wait_for_url(f"{phone.base}/member/")
    assert Nudge.objects.get().clicked_at is not None
