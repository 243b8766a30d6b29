"""Registration, sign-in and the rest of the account pages."""

import re

import pytest
from django.core import mail
from django.core.cache import cache

from accounts.models import User
from tests.architecture.test_urls import ADDRESSES

pytestmark = pytest.mark.django_db
PASSWORD = "tea-and-keys-9"


def sign_up(visitor, **typed):
    return visitor.client.post("/account/signup/", {"username": "dora", "password1": PASSWORD, **typed})


def test_a_name_and_a_password_are_enough(guest):
    html = guest.see("/account/signup/")
    assert re.findall(r'<input[^>]* name="(\w+)"[^>]*required', html) == ["username", "password1"]
    assert sign_up(guest).status_code == 302
    assert "dora" in guest.see("/account/")


def test_mistakes_are_said_at_their_field(guest, alice):
    html = sign_up(guest, username="ALICE", password1="123").content.decode()
    assert html.count('class="errorlist') == 2
    assert html.count('aria-invalid="true"') == 2
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["ａｌｉｃｅ", "Ａlice", "аlice", "al\u0456ce", "аdmin", "ali ce", "ali\u200bce", "vip①!"]
)
def test_no_name_looks_like_another(guest, alice, name):
    """Full width letters are the same name; Cyrillic ones and what cannot be seen are no part of any."""
    html = sign_up(guest, username=name).content.decode()
    assert "这个用户名已被使用" in html or "用户名只能由汉字、英文字母、数字和 @ . + - _ 组成" in html
    assert User.objects.count() == 1


def test_a_name_is_kept_as_a_keyboard_writes_it_and_signs_in_however_it_is_typed(guest):
    assert sign_up(guest, username="小Ｄｏｒａ８").status_code == 302
    assert User.objects.get().username == "小Dora8"
    for typed in ("小Dora8", "小ｄｏｒａ8"):
        guest.client.logout()
        assert guest.client.post("/account/login/", {"login": typed, "password": PASSWORD}).status_code == 302


def test_trying_too_often_is_told_to_people_and_to_programs(guest, alice):
    typed = {"login": "alice", "password": "wrong"}
    answers = [guest.client.post("/account/login/", typed) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "操作太频繁" in answers[-1].content.decode() and 0 < int(answers[-1]["Retry-After"]) <= 60
    wide = guest.client.post("/account/login/", {**typed, "login": "ａｌｉｃｅ"})
    assert wide.status_code == 429


def test_sign_in_leads_back_to_where_one_was(guest, alice):
    answer = guest.client.post(
        "/account/login/?next=/wallet/", {"login": "alice", "password": PASSWORD, "next": "/wallet/"}
    )
    assert answer["Location"] == "/wallet/"


def test_a_wrong_password_does_not_say_which_part_was_wrong(guest, alice):
    wrong = guest.client.post("/account/login/", {"login": "alice", "password": "no"}).content.decode()
    unknown = guest.client.post("/account/login/", {"login": "nobody", "password": "no"}).content.decode()
    errors = [re.search(r'role="alert".*?</div></div>', html, re.S)[0] for html in (wrong, unknown)]
    assert errors[0] == errors[1]


def test_signing_out_takes_a_button(as_member, alice):
    browser = as_member(alice)
    assert "退出登录" in browser.see("/account/logout/")
    assert browser.client.post("/account/logout/").status_code == 302
    assert "登录后更省" in browser.see("/account/")


def test_a_forgotten_password_comes_by_mail(guest):
    sign_up(guest, email="dora@example.com")
    guest.client.logout()
    mail.outbox.clear()
    assert guest.client.post("/account/password/reset/", {"email": "dora@example.com"}).status_code == 302
    guest.see("/account/password/reset/done/")
    path = re.search(r"https?://[^/]+(/account/password/reset/key/\S+)", mail.outbox[0].body)[1]
    html = guest.see(path)
    action = re.search(r'<form class="panel" method="post" action="([^"]+)"', html)[1]
    answer = guest.client.post(action, {"password1": "new-tea-9-keys", "password2": "new-tea-9-keys"}, follow=True)
    assert "以后请用新密码登录" in answer.content.decode()
    assert guest.client.login(username="dora", password="new-tea-9-keys")


def test_an_unknown_address_is_answered_alike(guest):
    answer = guest.client.post("/account/password/reset/", {"email": "nobody@example.com"})
    assert answer["Location"] == "/account/password/reset/done/"
    assert not mail.outbox


def test_a_used_link_says_so(guest):
    assert "已经用过或过期" in guest.see("/account/password/reset/key/1-abc-def/")


def test_no_cache_keeps_what_an_account_page_shows(as_member, alice):
    browser = as_member(alice)
    pages = [one.path for one in ADDRESSES if one.path.startswith("/account/") and "(" not in one.path]
    assert len(pages) > 15
    kept = {path: browser.get(path).get("Cache-Control", "") for path in pages}
    assert {path: said for path, said in kept.items() if not {"no-store", "private"} <= set(said.split(", "))} == {}


def test_addresses_are_added_and_confirmed(as_member, alice):
    # Or nothing is mailed: the cache knows that an earlier run of the tests has just done so.
    cache.clear()
    browser = as_member(alice)
    assert "还没有邮箱" in browser.see("/account/email/")
    assert browser.client.post("/account/reauthenticate/", {"password": PASSWORD}).status_code == 302
    browser.client.post("/account/email/", {"action_add": "", "email": "alice@example.com"})
    assert "未验证" in browser.see("/account/email/")
    path = re.search(r"https?://[^/]+(/account/confirm-email/\S+)", mail.outbox[-1].body)[1]
    assert "alice@example.com" in browser.see(path)
    browser.client.post(path)
    assert "已验证" in browser.see("/account/email/")


@pytest.mark.parametrize(
    "path",
    [
        "/account/password/change/",
        "/account/reauthenticate/",
        "/account/inactive/",
        "/account/confirm-email/",
        "/account/confirm-email/nothing/",
        "/account/password/reset/key/done/",
    ],
)
def test_every_other_page_is_ours(as_member, alice, path):
    html = as_member(alice).see(path)
    assert 'class="site-header"' in html
    assert "Menu:" not in html
