"""The door of the admin."""

import pytest
from django.test import Client

from accounts.services.signing_in import BY_NAME_AND_ADDRESS as NARROW
from audit.models import AuditEntry
from common import clock

pytestmark = pytest.mark.django_db
DOOR = "/admin/login/"
PASSWORD = "tea-and-keys-9"


def knock(name: str, password: str = PASSWORD, client: Client | None = None):
    return (client or Client()).post(DOOR, {"username": name, "password": password, "next": "/admin/"})


def test_the_door_is_chinese_and_ours():
    text = Client().get(DOOR).content.decode()
    for word in ("卡盟后台", "用户名", "密码", "登录"):
        assert word in text
    for english in ("Log in", "Password", "Welcome", "Username", "Return to site"):
        assert english not in text


def test_staff_come_in_and_it_is_noted(olga):
    client = Client()
    answer = knock("olga", client=client)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert client.get("/admin/").status_code == 200
    assert AuditEntry.objects.get(action="user.desk_sign_in").actor == "olga"


def test_members_and_strangers_hear_the_same(alice):
    answers = [knock("alice"), knock("alice", "wrong"), knock("nobody")]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all("用户名或密码不正确" in answer.content.decode() for answer in answers)


def test_guessing_ends_and_even_the_right_password_waits(olga):
    for _ in range(NARROW.burst):
        assert "用户名或密码不正确" in knock("olga", "guess").content.decode()
    for name in ("OLGA", "ｏｌｇａ"):
        shut = knock(name)
        assert shut.status_code == 429 and "操作太频繁" in shut.content.decode()
        assert 0 < int(shut["Retry-After"]) <= 60
    assert not AuditEntry.objects.filter(action="user.desk_sign_in").exists()


def test_the_old_password_is_not_guessed_where_it_is_changed(olga, client):
    client.force_login(olga)
    new = {"new_password1": "new-tea-9-keys", "new_password2": "new-tea-9-keys"}
    for _ in range(NARROW.burst):
        assert client.post("/admin/password_change/", {"old_password": "guess", **new}).status_code == 200
    assert client.post("/admin/password_change/", {"old_password": PASSWORD, **new}).status_code == 429
    assert knock("olga").status_code == 429, "counted with the door"
    with clock.travel(clock.now() + NARROW.every):
        assert client.post("/admin/password_change/", {"old_password": PASSWORD, **new}).status_code == 302
    assert client.get("/admin/password_change/done/").status_code == 200
    assert AuditEntry.objects.get(action="user.own_password").actor == "olga"


def test_coming_in_often_uses_up_nothing(olga):
    for _ in range(NARROW.burst + 2):
        assert knock("olga").status_code == 302


def test_the_admin_speaks_english_to_those_who_ask(olga):
    client = Client()
    client.force_login(olga)
    page = client.get("/admin/accounts/user/").content.decode()
    assert 'name="lang"' in page and 'action="/preferences/"' in page
    client.post("/preferences/", {"lang": "en", "next": "/admin/"}, HTTP_ORIGIN="http://testserver")
    assert 'lang="en"' in client.get("/admin/accounts/user/").content.decode()
