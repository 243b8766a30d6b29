"""Rights in the admin: nobody reaches past his own."""

import io
import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from accounts.exceptions import NotYours, NotYourself, RightsBeyondOwn
from accounts.models import User
from accounts.services import create_staff, set_rights
from audit.models import AuditEntry
from tests.desk import Act, at_desk, staff

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"
SUPPORT = ("accounts.view_user", "accounts.block_user", "accounts.reset_password")
MANAGER = ("accounts.view_user", "accounts.manage_staff", "accounts.block_user", "accounts.reset_password")


def page(user: User, act: str = "change") -> str:
    return f"{USERS}{user.pk}/{act}/"


@pytest.fixture
def support_group(db) -> Group:
    group = Group.objects.create(name="客服测试组")
    group.permissions.add(Permission.objects.get(codename="view_user"))
    return group


def test_a_blocked_member_is_out_at_once(alice):
    member = Client()
    member.force_login(alice)
    assert member.get("/account/email/").status_code == 200
    desk = at_desk(staff("sue", *SUPPORT))
    act = Act(desk, page(alice, "block"))
    assert "请填写" not in act.text
    act.fill(reason="盗号申诉")
    assert "立即退出登录" in act.text
    alice.refresh_from_db()
    assert alice.is_active
    assert "已停用 alice" in act.confirm().done()
    assert member.get("/account/email/").status_code == 302
    assert AuditEntry.objects.get(action="user.block").detail == {"reason": "盗号申诉"}
    text = desk.get(page(alice)).content.decode()
    assert "盗号申诉" in text and "sue" in text, "the page tells what happened and who did it"


def test_blocking_needs_a_reason(alice):
    act = Act(at_desk(staff("sue", *SUPPORT)), page(alice, "block")).fill(reason="  ")
    assert "将" not in act.text or '_step" value="run' not in act.text
    alice.refresh_from_db()
    assert alice.is_active


def test_a_temporary_password_is_shown_once_and_ends_sessions(alice):
    member = Client()
    member.force_login(alice)
    act = Act(at_desk(staff("sue", *SUPPORT)), page(alice, "reset_password")).confirm()
    password = re.search(r'<code class="desk-secret">([^<]+)</code>', act.text).group(1)
    assert "no-store" in act.page["Cache-Control"]
    alice.refresh_from_db()
    assert alice.check_password(password)
    assert member.get("/account/email/").status_code == 302
    assert password not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize("act", ["block", "reset_password", "rights"])
def test_support_cannot_touch_staff_nor_see_them(act, olga):
    boss = staff("boss", *MANAGER)
    desk = at_desk(staff("sue", *SUPPORT))
    for colleague in (olga, boss):
        assert desk.get(page(colleague, act)).status_code in {403, 404}
        posted = desk.post(page(colleague, act), {"_step": "run", "reason": "x", "is_staff": ""})
        assert posted.status_code in {403, 404}
        colleague.refresh_from_db()
        assert colleague.is_active and colleague.is_staff and colleague.check_password("tea-and-keys-9")
    text = desk.get(USERS).content.decode()
    assert "olga" not in text and "boss" not in text


def test_a_manager_cannot_touch_a_superuser(olga):
    desk = at_desk(staff("boss", *MANAGER))
    assert "boss" in desk.get(USERS).content.decode()
    for act, fields in (("block", {"reason": "x"}), ("rights", {"is_staff": ""}), ("reset_password", {})):
        desk.post(page(olga, act), {"_step": "run", **fields})
        olga.refresh_from_db()
        assert olga.is_active and olga.is_staff and olga.is_superuser and olga.check_password("tea-and-keys-9")


def test_nobody_changes_his_own_rights(olga):
    with pytest.raises(NotYourself):
        set_rights(user_id=olga.pk, is_staff=False, is_superuser=False, group_ids=[], actor=olga)


def test_a_manager_gives_away_no_more_than_he_has(alice, support_group):
    boss = staff("boss", *MANAGER)
    money = Group.objects.create(name="财务测试组")
    money.permissions.add(Permission.objects.get(codename="adjust_wallet"))
    set_rights(user_id=alice.pk, is_staff=True, is_superuser=False, group_ids=[support_group.pk], actor=boss)
    with pytest.raises(RightsBeyondOwn):
        set_rights(user_id=alice.pk, is_staff=True, is_superuser=False, group_ids=[money.pk], actor=boss)
    with pytest.raises(NotYours):
        set_rights(user_id=alice.pk, is_staff=True, is_superuser=True, group_ids=[], actor=boss)
    with pytest.raises(RightsBeyondOwn):
        create_staff(username="newcomer", password="tea-9-keys", display_name="", group_ids=[money.pk], actor=boss)
    assert not User.objects.filter(username="newcomer").exists()
    assert [group.name for group in alice.groups.all()] == ["客服测试组"]


def test_rights_are_given_with_a_preview_and_logged(alice, olga, support_group):
    desk = at_desk(olga)
    act = Act(desk, page(alice, "rights")).fill(is_staff="on", groups=[support_group.pk])
    assert "客服测试组" in act.text
    alice.refresh_from_db()
    assert not alice.is_staff
    act.confirm()
    alice.refresh_from_db()
    assert alice.is_staff and not alice.is_superuser
    logged = AuditEntry.objects.get(action="user.rights").detail
    assert logged["after"] == {"staff": True, "superuser": False, "groups": ["客服测试组"]}
    # Taking it back takes the groups too.
    Act(desk, page(alice, "rights")).fill(groups=[support_group.pk]).confirm()
    alice.refresh_from_db()
    assert not alice.is_staff and not alice.groups.exists()


def test_a_newcomer_can_sign_in(olga, support_group):
    fields = {"username": "nina", "display_name": "妮娜", "password": "long-enough-9", "groups": [support_group.pk]}
    assert "已新建员工 nina" in Act(at_desk(olga), f"{USERS}add-staff/").fill(**fields).confirm().done()
    newcomer = Client()
    answer = newcomer.post("/admin/login/", {"username": "nina", "password": "long-enough-9"})
    assert answer.status_code == 302
    assert newcomer.get(USERS).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [{"username": "OLGA"}, {"username": "ｏｌｇａ"}, {"username": "оlga"}, {"password": "12345"}, {"username": "a b"}],
)
def test_a_newcomer_needs_a_free_name_and_a_real_password(olga, support_group, fields):
    good = {"username": "nina", "password": "long-enough-9", "groups": [support_group.pk]}
    act = Act(at_desk(olga), f"{USERS}add-staff/").fill(**{**good, **fields})
    assert act.page.status_code == 200 and 'name="_step" value="preview"' in act.text
    assert not User.objects.filter(username="nina").exists()


def test_only_superusers_change_groups(olga, support_group):
    boss = staff("boss", *MANAGER, "auth.view_group", "auth.change_group", "auth.add_group")
    address = f"/admin/auth/group/{support_group.pk}/change/"
    text = at_desk(boss).get(address).content.decode()
    assert "用户：查看" in text, "readable for others"
    assert at_desk(boss).post(address, {"name": "mine"}).status_code == 403
    permission = Permission.objects.get(codename="adjust_wallet")
    page = at_desk(olga).get(address).content.decode()
    assert "人工调整会员余额" in page and "Can " not in page
    at_desk(olga).post(address, {"name": support_group.name, "permissions": [permission.pk]})
    assert list(support_group.permissions.all()) == [permission]
    assert AuditEntry.objects.get(action="group.permissions").detail == {
        "name": "客服测试组",
        "added": ["wallet.adjust_wallet"],
        "removed": ["accounts.view_user"],
    }


def test_search_finds_by_the_beginning_in_any_case(make_member, olga):
    make_member("Xiaoming", email="ming@example.com", display_name="小明")
    make_member("other")
    desk = at_desk(olga)
    for term in ("xiao", "XIAOMING", "ming@", "小明"):
        found = desk.get(USERS, {"q": term}).context["cl"].result_list
        assert [user.username for user in found] == ["Xiaoming"], term


def test_sessions_and_tokens_are_not_in_the_admin(olga):
    for address in ("/admin/sessions/session/", "/admin/authtoken/tokenproxy/", "/admin/account/emailaddress/"):
        assert at_desk(olga).get(address).status_code == 404


def test_whoever_may_look_at_members_takes_no_list_of_them_along(alice):
    looker = staff("looker", "accounts.view_user")
    assert at_desk(looker).get("/admin/accounts/user/export-csv/").status_code == 403
    assert "export-csv" not in at_desk(looker).get("/admin/accounts/user/").content.decode()
    exporter = staff("exporter", "accounts.view_user", "accounts.export_people")
    answer = at_desk(exporter).get("/admin/accounts/user/export-csv/")
    assert "alice" in b"".join(answer.streaming_content).decode()


def test_the_first_of_the_staff_stands_in_the_log_too(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "tea-and-keys-9")
    call_command("createsuperuser", "--noinput", "--username", "first", stdout=io.StringIO())
    entry = AuditEntry.objects.get(action="user.superuser")
    assert (entry.actor, entry.target_id) == ("", str(User.objects.get(username="first").pk))
