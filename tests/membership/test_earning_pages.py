"""The pages of earning as a browser without scripts uses them, and what hostile visitors get."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.translation import override

from common import clock
from events.services import relay
from marketing.services import buy_coupon
from membership.models import (
    CheckIn,
    CheckInReward,
    EarningPreference,
    EarningRules,
    Feedback,
    Override,
    Pass,
    PassOffer,
    PointsEntry,
    Referral,
    Task,
    TaskProgress,
    TaskShown,
)
from membership.selectors import points_balance
from membership.services import buy_pass, check_in, ensure_member, grant_points, invite_code_for
from tenancy.models import MAIN_ID
from tests.marketing.coupons import template
from tests.membership.club import on

pytestmark = pytest.mark.django_db


def browser(user=None, **extra) -> Client:
    client = Client(**extra)
    if user is not None:
        ensure_member(user_id=user.pk, storefront_id=MAIN_ID, at=clock.now())
        client.force_login(user)
    return client


def see(client, path) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def enrich(user, amount=2000):
    grant_points(user_id=user.pk, amount=amount, cause=PointsEntry.Cause.GIFT, ref=f"gift{user.pk}", at=clock.now())


def test_check_in_without_scripts(alice):
    client = browser(alice)
    assert "签到，领 5 积分" in see(client, "/member/earn/")
    for _ in range(3):
        answer = client.post("/member/check-in/", {"next": "/member/earn/"})
        assert (answer.status_code, answer["Location"]) == (302, "/member/earn/")
    page = see(client, "/member/earn/")
    assert "已连续签到 1 天" in page and "+5 积分 · 活跃值 +2" in page and "签到，领" not in page
    assert CheckIn.objects.count() == 1


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "member"]
)
def test_a_form_leads_back_to_pages_of_ours_only(alice, target):
    answer = browser(alice).post("/member/check-in/", {"next": target})
    assert answer["Location"] == "/member/earn/"


def test_check_in_needs_the_form_and_a_post(alice):
    strict = browser(alice, enforce_csrf_checks=True)
    assert strict.post("/member/check-in/").status_code == 403
    assert strict.get("/member/check-in/").status_code == 405
    assert not CheckIn.objects.exists()


def test_nothing_of_it_is_kept_by_caches(alice):
    client = browser(alice)
    for path in ("earn", "points", "passes", "invite", "feedback"):
        assert "no-store" in client.get(f"/member/{path}/")["Cache-Control"]


def test_tasks_are_shown_at_most_five_and_remembered_as_shown(alice):
    for number in range(9):
        Task.objects.create(kind=Task.Kind.SHARE, name=f"任务{number}", points=1)
    client = browser(alice)
    for _ in range(2):
        assert see(client, "/member/earn/").count('<li class="task">') == 5
    assert TaskShown.objects.filter(user=alice).count() == 5


def test_personal_order_is_switched_off_and_on(alice):
    client = browser(alice)
    assert "关闭个性化" in see(client, "/member/earn/")
    client.post("/member/task-order/", {"personal": "0"})
    assert "开启个性化" in see(client, "/member/earn/")
    assert EarningPreference.objects.get(pk=alice.pk).personal_tasks is False
    client.post("/member/task-order/", {"personal": "1"})
    assert "关闭个性化" in see(client, "/member/earn/")


def test_a_task_that_was_done_long_ago_is_out_of_sight(alice):
    client = browser(alice)
    task = Task.objects.create(kind=Task.Kind.SHARE, name="一次就好", points=1, window=Task.Window.ONCE)
    TaskProgress.objects.create(user=alice, task=task, window="1970-01-01", count=1, completed_at=clock.now())
    assert "一次就好" in see(client, "/member/earn/")
    TaskProgress.objects.update(completed_at=clock.now() - timedelta(days=8))
    assert "一次就好" not in see(client, "/member/earn/")


def test_names_of_tasks_are_texts(alice):
    Task.objects.all().delete()
    Task.objects.create(kind=Task.Kind.SHARE, name="<script>alert(1)</script>", text="<img src=x>", points=1)
    page = see(browser(alice), "/member/earn/")
    assert "&lt;script&gt;" in page and "<script>alert" not in page and "<img src=x" not in page


def test_looking_at_a_product_counts_for_members_only(alice, shelf):
    product = shelf.sku("5.00", keys=2).product
    for client in (browser(), browser(alice)):
        assert client.get(f"/p/{product.slug}/").status_code == 200
        assert client.get(f"/p/{product.slug}/").status_code == 200
    progress = TaskProgress.objects.get(task__kind=Task.Kind.BROWSE)
    assert (progress.user, progress.count) == (alice, 1)


# Points


def test_the_statement(alice, bob):
    enrich(alice, 30)
    grant_points(
        user_id=alice.pk,
        amount=12,
        cause=PointsEntry.Cause.TASK,
        ref="soon",
        at=clock.now(),
        expires_at=clock.now() + timedelta(days=3),
        memo="<b>看</b>",
    )
    page = see(browser(alice), "/member/points/")
    assert "+30" in page and "12 积分将于" in page and "&lt;b&gt;看" in page
    assert "还没有积分" in see(browser(bob), "/member/points/")
    assert browser(alice).get("/member/points/?page=nonsense").status_code == 200


@pytest.mark.parametrize("spoken", ["zh-hans", "en"])
def test_the_statement_reads_in_both_languages_whoever_did_it_in_which(alice, spoken):
    """Tasks, streaks, passes and coupons are named as the reader names them, on the page and for programs."""
    task = Task.objects.exclude(name_en="").first()
    offer = PassOffer.objects.create(
        kind=PassOffer.Kind.values[0], name="升级券甲", name_en="Upgrade A", days=7, price=10
    )
    coupon = template(source="points", points_price=10, name="十元券", name_en="Ten off")
    CheckInReward.objects.all().delete()
    CheckInReward.objects.create(streak=1, points=5)
    enrich(alice, 30)
    with override(spoken):
        check_in(user_id=alice.pk, storefront_id=MAIN_ID)
        grant_points(user_id=alice.pk, amount=1, cause=PointsEntry.Cause.TASK, ref="done", at=clock.now(), memo=task)
        buy_pass(user=alice, offer_id=offer.pk, key="once")
        buy_coupon(user_id=alice.pk, template=coupon.public_id, storefront_id=MAIN_ID, ref="click")
    names = {
        "zh-hans": [task.name, "升级券甲", "十元券", "连续 1 天"],
        "en": [task.name_en, "Upgrade A", "Ten off", "1 day"],
    }
    for read, other in (("zh-hans", "en"), ("en", "zh-hans")):
        visitor = browser(alice)
        visitor.cookies["lang"] = read
        page = see(visitor, "/member/points/")
        told = {one["memo"] for one in visitor.get("/api/me/points", headers={"accept-language": read}).json()["items"]}
        for name, foreign in zip(names[read], names[other], strict=True):
            assert name in page and foreign not in page
            assert any(name in one for one in told) and not any(foreign in one for one in told)


# Passes


def key_in(page: str) -> str:
    return re.search(r'name="key" value="([^"]+)"', page).group(1)


def test_buying_and_using_a_pass(alice):
    enrich(alice)
    client = browser(alice)
    offer = PassOffer.objects.get(kind="boost")
    form = {"offer": offer.pk, "key": key_in(see(client, "/member/passes/"))}
    for _ in range(3):
        assert client.post("/member/passes/", form, follow=True).status_code == 200
    mine = Pass.objects.get(user=alice)
    assert points_balance(user_id=alice.pk, at=clock.now()) == 2000 - offer.price
    for _ in range(3):
        page = client.post("/member/passes/", {"use": mine.public_id}, follow=True).content.decode()
        assert "生效中" in page
    assert Override.objects.count() == 1


def test_what_cannot_be_bought_or_used(alice, bob):
    enrich(bob)
    client = browser(alice)
    offer = PassOffer.objects.get(kind="boost")
    assert "积分不足" in client.post("/member/passes/", {"offer": offer.pk, "key": "k"}, follow=True).content.decode()
    theirs = browser(bob)
    theirs.post("/member/passes/", {"offer": offer.pk, "key": "k"})
    mine = Pass.objects.get(user=bob)
    for form in (
        {"use": mine.public_id},
        {"use": "x" * 5000},
        {"offer": "0", "key": ""},
        {"offer": "９", "key": "k"},
        {"offer": "-1"},
        {"offer": "1; DROP TABLE"},
        {"offer": "9" * 400},
        {},
    ):
        page = client.post("/member/passes/", form, follow=True)
        assert page.status_code == 200 and "没有这张升级券" in page.content.decode()
    assert not Override.objects.exists()


# Invites


def sign_up(client, name: str):
    return client.post(
        "/account/signup/", {"username": name, "email": f"{name}@example.com", "password1": "tea-and-keys-9"}
    )


def test_an_invite_from_link_to_registration(alice):
    alice.display_name, alice.date_joined = "爱丽丝小姐", clock.now() - timedelta(days=1)
    alice.save()
    page = see(browser(alice), "/member/invite/")
    code = invite_code_for(user=alice)
    assert f"/i/{code}/" in page and "data:image/svg+xml" in page
    stranger = Client()
    landing = stranger.get(f"/i/{code}/")
    text = landing.content.decode()
    assert "爱**姐 邀请你来" in text and "爱丽丝小姐" not in text and "alice" not in text
    cookie = landing.cookies["invite"]
    assert (cookie.value, cookie["max-age"], cookie["httponly"]) == (code, 30 * 24 * 3600, True)
    assert sign_up(stranger, "newcomer").status_code == 302
    relay()
    referral = Referral.objects.get()
    assert (referral.inviter, referral.invitee.username) == (alice, "newcomer")
    page = see(browser(alice), "/member/invite/")
    assert "n**r" in page and "newcomer" not in page and "0/30" in page


def test_a_link_opened_by_somebody_else_counts_as_shared_once_a_visitor(alice):
    code = invite_code_for(user=alice)
    browser(alice).get(f"/i/{code}/")
    assert not TaskProgress.objects.filter(task__kind=Task.Kind.SHARE).exists()
    for address in ("203.0.113.5", "203.0.113.5", "203.0.113.6"):
        Client(REMOTE_ADDR=address).get(f"/i/{code}/")
    assert TaskProgress.objects.get(task__kind=Task.Kind.SHARE, user=alice).count == 2


def test_a_preview_of_the_link_is_no_visit(alice):
    code = invite_code_for(user=alice)
    stranger = Client(REMOTE_ADDR="203.0.113.5")
    assert stranger.head(f"/i/{code}/").status_code == 200
    assert stranger.head("/i/NOBODYS2/").status_code == 302
    assert not TaskProgress.objects.filter(task__kind=Task.Kind.SHARE).exists()
    stranger.get(f"/i/{code}/")
    assert shared(alice) == 1


def test_the_most_points_of_a_day_and_a_week_are_told(alice):
    EarningRules.objects.update(daily_points=30, weekly_points=50)
    visitor, noon = browser(alice), on("2027-03-01")

    def caps(day: int, earned: int = 0, cause: str = "task") -> str:
        with clock.travel(noon + timedelta(days=day)):
            if earned:
                grant_points(user_id=alice.pk, amount=earned, cause=cause, ref=f"{day}:{cause}", at=clock.now())
            return visitor.get("/member/earn/").content.decode().partition('id="caps"')[2].partition("</p>")[0]

    seen = caps(0, 29)
    assert "每天最多得 30 积分" in seen and "每周最多得 50 积分" in seen and "得满" not in seen
    assert "得满" not in caps(0, 200, "invite")
    assert "今天已得满" in caps(0, 5, "check_in")
    assert "得满" not in caps(1)
    assert "本周已得满" in caps(2, 20)
    assert "本周已得满" in caps(6) and "得满" not in caps(7)
    EarningRules.objects.update(daily_points=0)
    assert "每天" not in caps(7)
    EarningRules.objects.update(weekly_points=0)
    assert caps(7) == ""


def shared(user) -> int:
    return TaskProgress.objects.get(task__kind=Task.Kind.SHARE, user=user).count


def test_a_household_is_one_visitor_whatever_addresses_it_takes(alice):
    code = invite_code_for(user=alice)
    for address in ("2001:db8:1:2::5", "2001:db8:1:2:ffff::6", "2001:db8:1:3::5"):
        Client(REMOTE_ADDR=address).get(f"/i/{code}/")
    assert shared(alice) == 2


def test_a_member_who_signs_out_is_not_a_friend_who_opens_the_link(alice):
    """The link is read from the page of the member; who opens it from the same address may be the member."""
    see(browser(alice, REMOTE_ADDR="203.0.113.5"), "/member/invite/")
    code = invite_code_for(user=alice)
    Client(REMOTE_ADDR="203.0.113.5").get(f"/i/{code}/")
    Client(REMOTE_ADDR="203.0.113.6").get(f"/i/{code}/")
    assert shared(alice) == 1
    # A friend who was counted before stays counted, and another task of the kind is no other chance.
    see(browser(alice, REMOTE_ADDR="203.0.113.6"), "/member/invite/")
    another = Task.objects.create(kind=Task.Kind.SHARE, name="再分享", points=5)
    Client(REMOTE_ADDR="203.0.113.5").get(f"/i/{code}/")
    assert shared(alice) == 1
    assert not TaskProgress.objects.filter(task=another).exists()


@pytest.mark.parametrize("code", ["NOBODY22", "x", "0" * 200, "-", "_"])
def test_a_link_of_nobody_leads_home_and_leaves_nothing(code, db):
    answer = Client().get(f"/i/{code}/")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert "invite" not in answer.cookies


def test_a_signed_in_visitor_gets_no_cookie(alice, bob):
    answer = browser(bob).get(f"/i/{invite_code_for(user=alice)}/")
    assert answer.status_code == 302 and "invite" not in answer.cookies


@pytest.mark.parametrize("cookie", ["<script>", "A" * 4000, "邀请".encode().decode("latin1"), "%00", "'--"])
def test_a_forged_cookie_registers_like_none(cookie, db):
    client = Client()
    client.cookies["invite"] = cookie
    assert sign_up(client, "newcomer").status_code == 302
    relay()
    assert not Referral.objects.exists()


def test_a_cookie_with_what_no_database_keeps_registers_like_none(db):
    form = {"username": "newcomer", "email": "newcomer@example.com", "password1": "tea-and-keys-9"}
    answer = Client().post("/account/signup/", form, HTTP_COOKIE=r'invite="AB\000CD"')
    assert answer.status_code == 302
    relay()
    assert not Referral.objects.exists()


# Feedback


def test_feedback_is_sent_and_read_back(alice):
    client = browser(alice)
    answer = client.post("/member/feedback/", {"kind": "fraud", "text": "<b>卖家让我加好友私下转账</b>"}, follow=True)
    page = answer.content.decode()
    assert "已收到" in page and "&lt;b&gt;卖家让我" in page
    refused = client.post("/member/feedback/", {"kind": "idea", "text": "短"})
    assert refused.status_code == 400 and "至少写" in refused.content.decode()
    assert Feedback.objects.count() == 1


def test_feedback_of_others_is_not_shown(alice, bob):
    Feedback.objects.create(user=alice, storefront_id=MAIN_ID, kind="idea", text="x" * 20, written_at=clock.now())
    assert "x" * 20 not in see(browser(bob), "/member/feedback/")


def test_the_desk_decides(alice, olga):
    row = Feedback.objects.create(user=alice, storefront_id=MAIN_ID, kind="idea", text="x" * 20, written_at=clock.now())
    desk = browser(olga)
    path = f"/admin/membership/feedback/{row.pk}/accept/"
    assert desk.get(path).status_code == 200
    form = {"points": "30", "contrib": "10", "answer": "好"}
    assert "奖励积分" in desk.post(path, {**form, "_step": "preview"}).content.decode()
    desk.post(path, {**form, "_step": "run"})
    row.refresh_from_db()
    assert (row.state, row.points) == ("accepted", 30)


def test_the_desk_corrects_points_and_shows_what_it_will_do(alice, olga):
    enrich(alice, 100)
    desk = browser(olga)
    path = f"/admin/membership/pointsaccount/member/{alice.pk}/adjust/"
    preview = desk.post(path, {"amount": "-40", "reason": "多发", "_step": "preview"}).content.decode()
    assert "60" in preview and "100" in preview
    assert points_balance(user_id=alice.pk, at=clock.now()) == 100
    for _ in range(2):
        desk.post(path, {"amount": "-40", "reason": "多发", "_step": "run", "_token": "one"})
    assert points_balance(user_id=alice.pk, at=clock.now()) == 60
    too_much = desk.post(path, {"amount": "-400", "reason": "多发", "_step": "preview"}).content.decode()
    assert "积分不足以扣减" in too_much


def test_operators_write_tasks_and_rules(olga):
    desk = browser(olga)
    form = {
        "kind": "share",
        "name": "新任务",
        "target": "1",
        "window": "day",
        "audience": "everyone",
        "points": "5",
        "activity": "0",
        "cap": "0",
        "effort": "1",
        "position": "0",
        "is_active": "on",
    }
    assert desk.post("/admin/membership/task/add/", {**form, "points": "0"}).status_code == 200
    assert desk.post("/admin/membership/task/add/", {**form, "kind": "category_order"}).status_code == 200
    assert not Task.objects.filter(name="新任务").exists()
    assert desk.post("/admin/membership/task/add/", form).status_code == 302
    assert Task.objects.get(name="新任务").points == 5
    rules = {
        "points_months": "12",
        "daily_points": "200",
        "weekly_points": "800",
        "quiet_days": "4",
        "invite_days": "30",
        "inviter_points": "501",
        "invitee_points": "100",
        "invites_a_month": "20",
        "feedback_a_month": "5",
    }
    refused = desk.post("/admin/membership/earningrules/1/change/", rules)
    assert "邀请人奖励须为 100 到 500" in refused.content.decode()
    assert desk.post("/admin/membership/earningrules/1/change/", {**rules, "inviter_points": "500"}).status_code == 302
    assert EarningRules.objects.get().inviter_points == 500


def test_every_list_and_page_of_the_desk_opens(alice, olga):
    check_in(user_id=alice.pk, storefront_id=MAIN_ID)
    enrich(alice)
    desk = browser(olga)
    lists = "task checkinreward passoffer pass checkin referral feedback pointsaccount pointsentry earningrules"
    for name in lists.split():
        page = desk.get(f"/admin/membership/{name}/")
        assert page.status_code == 200, name
        for path in re.findall(rf'href="(/admin/membership/{name}/\d+/change/)', page.content.decode())[:1]:
            assert desk.get(path).status_code == 200, path
    assert "积分" in see(desk, f"/admin/accounts/user/{alice.pk}/change/")
