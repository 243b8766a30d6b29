"""会员中心 and the public rules, as Alice sees them."""

from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.test import Client

from common import clock
from events.services import relay
from membership.models import Birthday, MemberTier, Override, Program
from membership.selectors import member_standing, public_rules
from membership.selectors.bars import Bar, Part
from membership.services import draft_rule_set, grant_floor, publish_rule_set, recalculate
from tenancy.models import MAIN_ID
from tests.membership.club import Club, at_least, on
from tests.membership.perks import hold

pytestmark = pytest.mark.django_db


def page(user, path="/member/", language="zh-hans"):
    client = Client()
    if user is not None:
        client.force_login(user)
    client.cookies["lang"] = language
    answer = client.get(path)
    return answer, answer.content.decode()


def standing_of(user):
    return member_standing(user_id=user.pk, storefront_id=MAIN_ID)


def bar_of(key, todo) -> Bar:
    return Bar(key, "review", "life", 0, 2, 2, not todo, 0, key, "0 条", "2 条", todo, since=None, until=None)


def bars(parts):
    for part in parts:
        if part.bar:
            yield part.bar
        yield from bars(part.parts)


def test_a_newcomer_sees_where_everybody_begins(charlie):
    standing = standing_of(charlie)  # before the registration was heard of
    assert (standing.rank, standing.name, standing.since, standing.decisions) == (0, "普通会员", None, ())
    assert standing.next.todo == "再消费 ¥200.00，或者再完成 5 笔订单"
    relay()
    standing = standing_of(charlie)
    assert standing.since == charlie.date_joined
    assert [decision.title for decision in standing.decisions] == ["加入会员，成为普通会员"]


def test_the_bar_moves_with_an_order_and_tells_the_exact_gap(shelf, alice):
    shelf.buy(alice, (shelf.sku("164.00", keys=1), 1), from_wallet=True)
    relay()
    standing = standing_of(alice)
    spend, orders = bars(standing.next.parts)
    assert (spend.label, spend.value_text, spend.target_text, spend.todo) == (
        "累计有效消费",
        "¥164.00",
        "¥200.00",
        "再消费 ¥36.00",
    )
    assert (spend.value, spend.target, spend.gap, spend.percent, spend.passed) == (
        "164.00",
        "200.00",
        "36.00",
        82,
        False,
    )
    assert (orders.value, orders.target, orders.gap, orders.percent) == (1, 5, 4, 20)
    assert standing.next.percent == 82
    _, html = page(alice)
    assert "再消费 ¥36.00，或者再完成 4 笔订单" in html
    assert 'value="82"' in html


def test_after_the_climb_the_page_says_why_and_what_comes_next(shelf, alice):
    shelf.buy(alice, (shelf.sku("212.00", keys=1), 1), from_wallet=True)
    relay()
    standing = standing_of(alice)
    assert standing.name == "白银会员"
    assert [benefit.text for benefit in standing.benefits] == ["会员价 9.9 折", "银徽章"]
    assert [benefit.text for benefit in standing.next.benefits] == ["会员价 9.7 折", "金徽章"]
    assert [(rung.name, rung.held, rung.current) for rung in standing.ladder][:3] == [
        ("普通会员", True, False), ("白银会员", True, True), ("黄金会员", False, False),
    ]  # fmt: skip
    climbed = standing.decisions[0]
    assert climbed.title == "升级为白银会员"
    assert climbed.reasons == ("累计有效消费 ¥212.00（要求达到 ¥200.00）",)
    assert [(tier.name, tier.passed) for tier in climbed.findings][:2] == [("白银会员", True), ("黄金会员", False)]
    month, life = bars(standing.next.parts)
    assert month.since is not None and month.until == standing.day
    assert life.since is None
    _, html = page(alice)
    assert "升级为白银会员" in html and "<details" in html
    assert "近 30 天有效消费" in html


def test_until_when_a_tier_is_held_up_is_on_the_card(alice):
    hold(alice, 2)
    until = clock.start_of_day(standing_of(alice).lifted_until.astimezone(clock.SHANGHAI).date())
    assert f"这一等级保留到 {until:%Y-%m-%d}" in page(alice)[1]
    assert f"You keep this tier until {until:%Y-%m-%d}" in page(alice, language="en")[1]


@pytest.fixture
def gold_lent(shelf, alice):
    """Alice has silver by the rules and gold for five days; what gold asks for beside its spend, she has."""
    conditions = [
        at_least("spend", "30d", "100.00"),
        {"all": [at_least("spend", "30d", "500.00"), at_least("orders", "life", 1)]},
        at_least("spend", "30d", "900.00"),
    ]
    tiers = [{"rank": rank, "name": f"第 {rank} 级", "enter": enter} for rank, enter in enumerate(conditions, 1)]
    document = {"tiers": [{"rank": 0, "name": "普通会员"}, *tiers, {"rank": 4, "name": "由店铺授予"}]}
    program = Program.objects.get(storefront=None)
    publish_rule_set(version_id=draft_rule_set(program=program, document=document, author=None).pk, approver=None)
    shelf.buy(alice, (shelf.sku("120.00", keys=1), 1), from_wallet=True)
    relay()
    at, member = clock.now(), MemberTier.objects.get(user=alice)
    grant_floor(member_id=member.pk, rank=2, expires_at=at + timedelta(days=5), ref="x", reason="加速包", at=at)
    return alice


def test_a_tier_that_is_lent_tells_what_would_keep_it(gold_lent, shelf):
    standing = standing_of(gold_lent)
    assert (standing.rank, standing.keeping, standing.earning.todo) == (2, None, "再消费 ¥380.00")
    assert "到期前再消费 ¥380.00，即可凭规则保住" in page(gold_lent)[1]
    assert "to keep it by the rules: ¥380.00 more to spend." in page(gold_lent, language="en")[1]
    shelf.buy(gold_lent, (shelf.sku("400.00", keys=1), 1), from_wallet=True)
    relay()
    standing = standing_of(gold_lent)
    assert (standing.rank, standing.lifted_until, standing.earning) == (2, None, None)
    assert standing.keeping is not None and "即可凭规则保住" not in page(gold_lent)[1]


def test_a_lent_tier_that_only_the_shop_gives_asks_for_nothing(gold_lent):
    hold(gold_lent, 4)
    standing = standing_of(gold_lent)
    assert standing.lifted_until is not None and standing.earning is None
    assert "这一等级保留到" in page(gold_lent)[1]


def test_a_lent_tier_is_over_at_its_end_and_not_when_that_is_told(gold_lent):
    before = standing_of(gold_lent)
    hold(gold_lent, 3)
    Override.objects.filter(rank=3).update(expires_at=clock.now() + timedelta(days=1))
    with clock.travel(clock.now() + timedelta(days=1, seconds=30)):
        standing = standing_of(gold_lent)
        assert (standing.rank, standing.lifted_until) == (2, before.lifted_until)
    with clock.travel(before.lifted_until):
        standing = standing_of(gold_lent)
        assert (standing.rank, standing.since, standing.lifted_until) == (1, before.lifted_until, None)
        assert (standing.keeping is not None, standing.next.rank) == (True, 2)


def test_where_one_condition_is_enough_the_others_are_not_asked_for(alice):
    met, unmet = Part("leaf", True, bar_of("a", todo="")), Part("leaf", False, bar_of("b", todo="再发布 2 条评价"))

    def shown(part):
        return render_to_string("membership/part.html", {"part": part})

    assert "再发布 2 条评价" in shown(Part("all", False, parts=(met, unmet)))
    assert "再发布 2 条评价" in shown(Part("any", False, parts=(unmet, unmet)))
    assert "再发布 2 条评价" not in shown(Part("any", True, parts=(met, unmet)))
    assert "再发布 2 条评价" not in shown(Part("any", True, parts=(met, Part("all", False, parts=(unmet,)))))


def test_a_refund_is_told_in_plain_words():
    club = Club(at_least("spend", "life", "200.00"))
    member = club.join()
    order = club.buy(member, "200.00", paid=on("2026-03-01"))
    club.hear(club.refunded(order), on("2026-03-02"))
    told = member_standing(user_id=member.user_id, storefront_id=club.storefront.pk).decisions[0]
    assert told.title == "退款或撤销后重新评定，调整为普通会员"
    assert told.reasons == ("累计有效消费 ¥0.00（要求达到 ¥200.00）",)


def test_a_warning_does_not_name_what_another_condition_makes_needless():
    either = {"any": [at_least("orders", "life", 1), at_least("review", "life", 2)]}
    enter = {"all": [at_least("spend", "30d", "200.00"), either]}
    club = Club({"enter": enter, "keep": {"scale": "0.9"}, "grace_days": 14})
    member = club.join()
    club.buy(member, "200.00", paid=on("2026-03-01"))
    with clock.travel(on("2026-04-05")):
        recalculate(everyone=False)
    standing = member_standing(user_id=member.user_id, storefront_id=club.storefront.pk)
    grace, warned = standing.decisions[:2]
    assert (warned.cause, grace.cause) == ("warn", "grace")
    assert warned.reasons == grace.reasons == ("近 30 天有效消费 ¥0.00（要求达到 ¥180.00）",)


def test_new_rules_are_told_as_such():
    club = Club(at_least("spend", "life", "200.00"))
    member = club.join()
    club.buy(member, "100.00", paid=on("2026-03-01"))
    club.publish(at_least("spend", "life", "100.00"), at=on("2026-03-02"))
    with clock.travel(on("2026-03-03")):
        recalculate(everyone=False)
    told = member_standing(user_id=member.user_id, storefront_id=club.storefront.pk).decisions[0]
    assert told.title == "规则更新后成为白银"


def test_at_the_top_there_is_no_next(alice):
    relay()
    MemberTier.objects.filter(user=alice).update(rank=4)
    standing = standing_of(alice)
    assert standing.next is None
    assert "你已经是最高等级" in page(alice)[1]


def test_the_page_reads_what_was_stored_and_computes_nothing(alice, django_assert_max_num_queries):
    relay()
    MemberTier.objects.filter(user=alice).update(
        evaluation={
            "day": "2026-03-01",
            "tiers": [
                {
                    "rank": 1,
                    "pass": False,
                    "gates": [],
                    "enter": {
                        "m": "spend", "win": "life", "op": ">=", "v": "200.00", "effective": "150.00",
                        "value": "123.45", "pass": False, "gap": "26.55",
                    },
                }
            ],
        }
    )  # fmt: skip
    client = Client()
    client.force_login(alice)
    client.get("/member/")
    with django_assert_max_num_queries(12):
        html = client.get("/member/").content.decode()
    assert "¥123.45 / ¥150.00" in html and "再消费 ¥26.55" in html


def test_windows_are_shown_as_of_today_until_a_day_leaves_them():
    club = Club(at_least("spend", "30d", "200.00"))
    member = club.join()
    club.buy(member, "50.00", paid=on("2026-03-01"))

    def shown(day):
        with clock.travel(on(day)):
            standing = member_standing(user_id=member.user_id, storefront_id=club.storefront.pk)
        [bar] = bars(standing.next.parts)
        return str(standing.day), bar.value, str(bar.since), str(bar.until)

    assert shown("2026-03-30") == ("2026-03-30", "50.00", "2026-03-01", "2026-03-30")
    # Now the first of March has left the window, and the nightly pass was not there yet.
    assert shown("2026-03-31") == ("2026-03-30", "50.00", "2026-03-01", "2026-03-30")
    with clock.travel(on("2026-03-31")):
        recalculate(everyone=False)
    assert shown("2026-03-31") == ("2026-03-31", "0.00", "2026-03-02", "2026-03-31")


def test_decisions_have_pages_of_their_own(alice):
    relay()
    answer, html = page(alice, "/member/decisions/?page=99")
    assert answer.status_code == 200
    assert "加入会员，成为普通会员" in html
    assert page(alice, "/member/decisions/?page=x")[0].status_code == 200


def test_nobody_sees_another_member(alice, bob):
    relay()
    MemberTier.objects.filter(user=bob).update(rank=4)
    assert "钻石会员" not in page(alice)[1].split("ladder")[0]
    assert page(None)[0].status_code == 302
    assert page(None, "/member/decisions/")[0].status_code == 302


def test_the_rules_page_is_written_from_the_rules_in_force():
    answer, html = page(None, "/member/rules/")
    assert answer.status_code == 200
    for part in (
        "累计有效消费达到 ¥200.00，或者累计有效订单达到 5 笔",
        "（近 90 天有效消费达到 ¥5,000.00，并且近 90 天有订单的天数达到 6 天），或者累计有效消费达到 ¥15,000.00",
        "会员价 9.2 折",
        "达到后保留",
        "升级后 14 天内不降；宽限 14 天，到期仍未达到降一级",
        "未达到保级条件时先预警，次日起进入宽限期",
        "不计入有效消费：用积分支付的部分",
        "第 1 版",
    ):
        assert part in html, part
    assert "csrf" not in html.split("<main")[1].split("</main>")[0]
    for tier in public_rules(storefront_id=MAIN_ID).tiers[1:]:
        assert tier.text.enter in html


def test_the_rules_page_shows_coming_and_earlier_versions(olga):
    tiers = [
        {"rank": 0, "name": "普通会员"},
        {"rank": 1, "name": "新白银", "enter": at_least("spend", "life", "300.00")},
    ]
    draft = draft_rule_set(
        program=Program.objects.get(storefront=None), document={"tiers": tiers}, author=olga, note="提高门槛"
    )
    assert page(None, "/member/rules/2/")[0].status_code == 404
    publish_rule_set(version_id=draft.pk, approver=None)
    _, html = page(None, "/member/rules/")
    assert "新白银" in html and "提高门槛" in html
    # What the version says otherwise than the one before it.
    changed = html[html.index('id="changes-title"') :]
    assert "<del>累计有效消费达到 ¥200.00，或者累计有效订单达到 5 笔</del>" in changed
    assert "<ins>累计有效消费达到 ¥300.00</ins>" in changed
    assert "取消等级" in changed and "<del>钻石会员</del>" in changed
    assert "<dt>新白银 · 权益</dt><dd><del>会员价 9.9 折、银徽章</del></dd>" in changed
    assert "立即按新规则评定" in html
    _, html = page(None, "/member/rules/1/")
    assert "这个版本已被取代" in html and "钻石会员" in html and "changes-title" not in html
    assert page(None, "/member/rules/3/")[0].status_code == 404


@pytest.mark.parametrize(
    ("time", "caps", "told"),
    [("09:30", True, "2026-03-03 00:00"), ("00:00", True, None), ("09:30", False, None)],
)
def test_the_rules_page_says_when_what_counts_by_days_began_later_than_the_rest(time, caps, told):
    club = Club(at_least("activity", "life", 100))
    changes = {"caps": [{"m": "activity", "per": "day", "max": 7}]} if caps else {}
    club.publish(at_least("activity", "life", 90), at=on("2026-03-02", time), **changes)
    with clock.travel(on("2026-03-02", "12:00")):
        html = Client(HTTP_HOST=club.storefront.host).get("/member/rules/").content.decode()
        first = Client(HTTP_HOST=club.storefront.host).get("/member/rules/1/").content.decode()
    assert ("倍数、上限与任务包从" in html) is (told is not None)
    assert told is None or f"倍数、上限与任务包从 {told} 起按这一版计算" in html
    assert "倍数、上限与任务包从" not in first


def test_rules_replaced_on_the_same_day_never_counted_by_days():
    club = Club(at_least("activity", "life", 100))
    capped = [{"m": "activity", "per": "day", "max": 7}]
    club.publish(at_least("activity", "life", 90), at=on("2026-03-02", "09:30"), caps=capped)
    club.publish(at_least("activity", "life", 80), at=on("2026-03-02", "10:30"))
    with clock.travel(on("2026-03-03")):
        html = Client(HTTP_HOST=club.storefront.host).get("/member/rules/2/").content.decode()
    assert "倍数、上限与任务包从" not in html


def test_english_readers_get_english_names(alice):
    relay()
    _, html = page(alice, language="en")
    assert "Gold" in html and "黄金会员" not in html


def test_the_birthday_is_told_once_by_its_form_only(alice):
    client = Client()
    client.force_login(alice)
    assert [getattr(client, method)("/member/birthday/").status_code for method in ("put", "patch", "delete")] == [
        405
    ] * 3
    for day, known in (("2000-02-30", 0), ("3000-01-01", 0), ("2000-02-29", 1), ("2000-03-01", 1)):
        client.post("/member/birthday/", {"day": day})
        assert Birthday.objects.filter(user=alice).count() == known
    assert str(Birthday.objects.get(user=alice).day) == "2000-02-29"
