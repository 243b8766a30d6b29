"""Authenticator apps, recovery codes and passkeys: added, asked for at every door, and not to be used twice."""

import json
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.template.loader import render_to_string
from django.test import Client, TestCase, override_settings

from accounts.models import User
from accounts.services import issue_token
from accounts.services.codes import BY_USER, SPENT
from audit.models import AuditEntry
from common import clock
from tests.desk import Act, at_desk, staff
from tests.passkeys import SoftKey
from wallet.models import PayGuard
from wallet.services import set_guard

pytestmark = pytest.mark.django_db
PASSWORD = "tea-and-keys-9"
SECURITY = "/account/security/"


@pytest.fixture(autouse=True)
def nobody_waits():
    # allauth counts how often a page is asked for in the cache, which outlives a test.
    cache.clear()


def signed_in(name: str, **extra) -> Client:
    client = Client(**extra)
    answer = client.post("/account/login/", {"login": name, "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def sure(client: Client) -> Client:
    """Said again who they are, as changes of this kind ask for."""
    assert client.post("/account/reauthenticate/", {"password": PASSWORD}).status_code == 302
    return client


def code_of(secret: str, at=None, step: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int((at or clock.now()).timestamp()) // 30 + step))


class App:
    """An authenticator app that has been added to somebody's account."""

    def __init__(self, client: Client) -> None:
        self.client = sure(client)
        page = client.get(f"{SECURITY}totp/activate/")
        self.secret = page.context["form"].secret
        with TestCase.captureOnCommitCallbacks(execute=True):
            answer = client.post(f"{SECURITY}totp/activate/", {"code": code_of(self.secret)})
        assert answer.status_code == 302, answer.content.decode()
        self.told = " ".join(str(message) for message in answer.wsgi_request._messages)
        self.recovery = re.findall(r"\b[0-9]{8}\b", client.get(answer["Location"]).content.decode())

    def code(self, step: int = 1) -> str:
        # The code of now was used up when the app was added.
        return code_of(self.secret, step=step)


def knock(client: Client, name: str, door: str = "/account/login/"):
    field = "login" if door == "/account/login/" else "username"
    return client.post(door, {field: name, "password": PASSWORD, "next": "/admin/" if "admin" in door else ""})


def test_with_an_app_the_password_alone_signs_nobody_in(alice):
    app = App(signed_in("alice"))
    client = Client()
    assert knock(client, "alice")["Location"] == f"{SECURITY}authenticate/"
    assert client.get("/wallet/").status_code == 302
    assert client.post(f"{SECURITY}authenticate/", {"code": "000000"}).status_code == 200
    assert client.post(f"{SECURITY}authenticate/", {"code": app.code()}).status_code == 302
    assert client.get("/wallet/").status_code == 200


def test_a_code_is_used_up_by_one_sign_in(alice):
    app = App(signed_in("alice"))
    code = app.code()
    for wanted in (302, 200):
        client = Client()
        knock(client, "alice")
        cache.clear()
        answer = client.post(f"{SECURITY}authenticate/", {"code": code})
        assert answer.status_code == wanted
    assert "已用过" in answer.content.decode()


def test_the_code_that_added_an_app_is_used_up(alice):
    app = App(signed_in("alice"))
    client = Client()
    knock(client, "alice")
    assert client.post(f"{SECURITY}authenticate/", {"code": app.code(step=0)}).status_code == 200


def test_a_recovery_code_works_once_and_ten_are_shown_once(alice):
    app = App(signed_in("alice"))
    assert len(app.recovery) == 10
    assert app.recovery[0] not in app.client.get(f"{SECURITY}recovery-codes/").content.decode()
    for wanted in (302, 200):
        client = Client()
        knock(client, "alice")
        assert client.post(f"{SECURITY}authenticate/", {"code": app.recovery[0]}).status_code == wanted


def test_guessing_codes_ends_without_the_cache(alice):
    App(signed_in("alice"))
    client = Client()
    knock(client, "alice")
    with override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}):
        answers = [client.post(f"{SECURITY}authenticate/", {"code": f"{n:06}"}) for n in range(BY_USER.burst + 1)]
    assert [answer.status_code for answer in answers] == [200] * BY_USER.burst + [429]
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_a_code_stays_used_for_as_long_as_it_is_good():
    assert SPENT.burst == 1 and SPENT.every > timedelta(seconds=30 * 3)


def test_secrets_are_sealed_in_the_database(alice):
    app = App(signed_in("alice"))
    kept = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert app.secret not in kept
    assert not any(code in kept for code in app.recovery)


def test_a_found_session_changes_no_door(alice):
    """Neither mail nor second factors, without the password once more."""
    client = Client()
    client.force_login(alice)
    for path in ("totp/activate/", "webauthn/add/", "recovery-codes/generate/"):
        answer = client.post(SECURITY + path, {"code": "1"})
        assert answer.status_code == 302 and "reauthenticate" in answer["Location"], path
    answer = client.post("/account/email/", {"action_add": "", "email": "thief@example.com"})
    assert "reauthenticate" in answer["Location"]


def thief(name: str, **extra) -> Client:
    """A session that was found open, and the password to it."""
    client = Client(**extra)
    client.force_login(User.objects.get(username=name))
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    return client


def test_session_and_password_undo_no_second_factor(alice):
    """With the app's code the very same acts go through."""
    app = App(signed_in("alice"))
    client = thief("alice")
    assert client.get("/account/reauthenticate/")["Location"] == f"{SECURITY}reauthenticate/"
    new = {"oldpassword": PASSWORD, "password1": "new-tea-9-keys", "password2": "new-tea-9-keys"}
    before = set(Authenticator.objects.values_list("pk", flat=True))
    acts = [
        (f"{SECURITY}totp/deactivate/", {}),
        (f"{SECURITY}recovery-codes/generate/", {}),
        ("/account/email/", {"action_add": "", "email": "thief@example.com"}),
        ("/account/pay-guard/", {"wanted": "on"}),
        ("/account/password/change/", new),
        ("/account/privacy/erase/", {}),
    ]
    for path, sent in acts:
        assert client.post(path, sent)["Location"].startswith(f"{SECURITY}reauthenticate/"), path
    assert set(Authenticator.objects.values_list("pk", flat=True)) == before
    assert not EmailAddress.objects.exists() and not PayGuard.objects.exists()
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
    assert client.post(f"{SECURITY}reauthenticate/", {"code": app.code(), "next": SECURITY})["Location"] == SECURITY
    client.post("/account/pay-guard/", {"wanted": "on"})
    assert PayGuard.objects.exists()
    client.post(f"{SECURITY}totp/deactivate/")
    assert not Authenticator.objects.exists()


def test_session_and_password_do_not_pass_for_a_passkey(alice):
    _client, key = with_passkey("alice")
    set_guard(user=alice, above=0)
    client = thief("alice", **SAFE)
    to = client.post("/account/pay-guard/", {})["Location"]
    assert to.startswith(f"{SECURITY}webauthn/reauthenticate/"), "not for a code, which nobody with a passkey types"
    assert PayGuard.objects.exists()
    page = client.get(to)
    client.post(to, {"credential": key.get(page.context["js_data"]["request_options"])})
    client.post("/account/pay-guard/", {})
    assert not PayGuard.objects.exists()


def test_what_is_added_and_removed_is_in_the_audit_log(alice):
    app = App(signed_in("alice"))
    app.client.post(f"{SECURITY}totp/deactivate/")
    assert not Authenticator.objects.exists()
    told = AuditEntry.objects.filter(action__startswith="factor.").values_list("action", "detail__kind")
    assert set(told) >= {("factor.added", "totp"), ("factor.removed", "totp")}


def test_tokens_ask_for_the_code_too(alice, client):
    app = App(signed_in("alice"))

    def ask(**more):
        wish = {"username": "alice", "password": PASSWORD, **more}
        return client.post("/api/tokens/", wish, content_type="application/json")

    assert (ask().status_code, ask().json()["error"]["code"]) == (401, "second_factor_needed")
    assert ask(code="123456").json()["error"]["code"] == "wrong_code"
    code = app.code()
    assert ask(code=code).status_code == 201
    assert ask(code=code).status_code == 401


def works(token: str) -> bool:
    return Client(headers={"authorization": f"Bearer {token}"}).get("/api/me/").status_code == 200


def test_tokens_of_the_password_alone_end_with_the_first_factor(alice, bob):
    tokens = [issue_token(user=user, name="x").text for user in (alice, bob)]
    assert all(works(token) for token in tokens)
    assert "1 个 API 令牌已停用" in App(signed_in("alice")).told
    assert [works(token) for token in tokens] == [False, True]
    with_passkey("bob")
    assert not works(tokens[1])
    for kind in ("totp_activated", "webauthn_added"):
        assert "API 令牌不能再用" in render_to_string(f"mfa/email/{kind}_message.txt")
    ended = AuditEntry.objects.filter(action="token.end").values_list("actor_id", "detail__count")
    assert set(ended) == {(alice.pk, 1), (bob.pk, 1)}


def test_tokens_made_with_a_code_outlive_another_factor(alice):
    client, _key = with_passkey("alice")
    token = issue_token(user=alice, name="x").text
    App(client)
    assert works(token)


class Desk:
    DOOR = "/admin/login/"

    def enter(self, name: str) -> tuple[Client, str]:
        client = Client()
        answer = knock(client, name, self.DOOR)
        assert answer.status_code == 302
        return client, answer["Location"]


def test_the_desk_asks_whoever_has_one_and_notes_only_who_came_in(olga):
    app = App(signed_in("olga"))
    client, to = Desk().enter("olga")
    assert to == f"{SECURITY}authenticate/"
    assert client.get("/admin/").status_code == 302
    assert not AuditEntry.objects.filter(action="user.desk_sign_in").exists()
    answer = client.post(to, {"code": app.code()})
    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200
    assert AuditEntry.objects.filter(action="user.desk_sign_in").count() == 1


@pytest.mark.django_db(transaction=True)
@override_settings(STAFF_SECOND_FACTOR=True)
def test_new_staff_add_one_before_they_come_in():
    staff("newcomer", "orders.view_order")
    client, to = Desk().enter("newcomer")
    assert to == "/admin/"
    assert client.get("/admin/orders/order/")["Location"] == SECURITY
    App(client)
    assert client.get("/admin/orders/order/").status_code == 200


@override_settings(STAFF_SECOND_FACTOR=True)
def test_an_old_session_of_staff_shows_a_code_once(olga):
    app = App(signed_in("olga"))
    client = Client()
    client.force_login(olga)
    to = client.get("/admin/orders/order/")["Location"]
    assert to == f"{SECURITY}reauthenticate/?next=%2Fadmin%2Forders%2Forder%2F"
    assert client.post(to, {"code": app.code(), "next": "/admin/orders/order/"})["Location"] == "/admin/orders/order/"
    assert client.get("/admin/orders/order/").status_code == 200


@override_settings(STAFF_SECOND_FACTOR=True)
def test_staff_keep_their_last_one(olga):
    app = App(signed_in("olga"))
    assert "必须保留" in app.client.post(f"{SECURITY}totp/deactivate/").content.decode()
    assert Authenticator.objects.filter(type="totp").exists()


def test_staff_lift_what_its_owner_lost(alice):
    App(signed_in("alice"))
    helper = at_desk(staff("helper", "accounts.view_user", "accounts.reset_factors"))
    act = Act(helper, f"/admin/accounts/user/{alice.pk}/reset_factors/").fill(reason="手机丢失，已核实").confirm()
    assert "已移除" in act.done()
    assert knock(Client(), "alice")["Location"] == "/"
    assert AuditEntry.objects.get(action="factor.lifted").detail["reason"] == "手机丢失，已核实"


def test_nobody_lifts_the_factors_of_whoever_holds_more(olga):
    App(signed_in("olga"))
    helper = at_desk(staff("helper", "accounts.view_user", "accounts.reset_factors"))
    helper.post(f"/admin/accounts/user/{olga.pk}/reset_factors/", {"_step": "run", "reason": "x"})
    assert Authenticator.objects.filter(user=olga, type="totp").exists()


SAFE = {"HTTP_HOST": "testserver", "wsgi.url_scheme": "https"}


def with_passkey(name: str) -> tuple[Client, SoftKey]:
    client = sure(signed_in(name, **SAFE))
    return client, add_passkey(client)


def add_passkey(client: Client) -> SoftKey:
    key = SoftKey()
    page = client.get(f"{SECURITY}webauthn/add/")
    made = key.create(page.context["js_data"]["creation_options"])
    answer = client.post(f"{SECURITY}webauthn/add/", {"name": "", "credential": made, "passwordless": "on"})
    assert answer.status_code == 302, answer.content.decode()
    return key


def come_in(key: SoftKey, **changes: str) -> Client:
    client = Client(**SAFE)
    page = client.get(f"{SECURITY}webauthn/login/", HTTP_ACCEPT="application/json")
    client.post(f"{SECURITY}webauthn/login/", {"credential": key.get(page.json()["request_options"], **changes)})
    return client


def is_in(client: Client) -> bool:
    return client.get("/wallet/").status_code == 200


def test_a_passkey_signs_in_by_itself(alice):
    _client, key = with_passkey("alice")
    assert is_in(come_in(key))


def test_a_passkey_of_another_site_signs_nobody_in(alice):
    _client, key = with_passkey("alice")
    for origin, site in [
        ("https://testserver.evil.example", "testserver"),
        ("http://testserver", "testserver"),
        ("https://testserver", "evil.example"),
    ]:
        key.origin, key.site = origin, site
        assert not is_in(come_in(key)), origin


def test_a_signature_serves_once_and_for_its_owner(alice, bob):
    _client, key = with_passkey("alice")
    client = Client(**SAFE)
    options = client.get(f"{SECURITY}webauthn/login/", HTTP_ACCEPT="application/json").json()["request_options"]
    answer = key.get(options)
    other = Client(**SAFE)
    other.get(f"{SECURITY}webauthn/login/", HTTP_ACCEPT="application/json")
    other.post(f"{SECURITY}webauthn/login/", {"credential": answer})
    assert not is_in(other), "replayed in another session"
    client.post(f"{SECURITY}webauthn/login/", {"credential": answer})
    assert is_in(client)
    client.logout()
    client.post(f"{SECURITY}webauthn/login/", {"credential": answer})
    assert not is_in(client), "replayed in the same browser"
    assert not is_in(come_in(SoftKey())), "unknown key"


def test_a_passkey_without_pin_or_finger_is_not_enough_by_itself(alice):
    _client, key = with_passkey("alice")
    key.verified = False
    assert not is_in(come_in(key))


def test_a_blocked_owner_stays_out(alice):
    _client, key = with_passkey("alice")
    alice.is_active = False
    alice.save()
    assert not is_in(come_in(key))


ODD = [
    "",
    "null",
    "[]",
    "{}",
    '"x"',
    "1",
    "NaN",
    "[" * 3000,
    '{"id": 1}',
    '{"id": "x", "rawId": "x", "response": []}',
    '{"id": "x", "rawId": "x", "response": {}}',
    '{"id": "x", "rawId": "\u00e9", "response": {}}',
    '{"id": "x", "rawId": "x", "response": {"clientDataJSON": "e30", "userHandle": "MQ"}}',
    '{"id": "x", "rawId": "x", "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA",'
    ' "userHandle": "eA"}}',
    '{"id": "x", "rawId": "x", "response": {"clientDataJSON": "e30", "attestationObject": "AA"}}',
    '{"id": "x", "rawId": "x", "type": {}, "clientExtensionResults": [], "response": {"clientDataJSON": "AAA",'
    ' "authenticatorData": "____", "signature": "", "userHandle": "AAAA"}}',
]


@pytest.mark.parametrize("sent", ODD, ids=range(len(ODD)))
def test_what_no_browser_sends_is_refused(alice, sent):
    client, _key = with_passkey("alice")
    for path in ("webauthn/add/", "webauthn/reauthenticate/"):
        client.get(SECURITY + path)
        answer = client.post(SECURITY + path, {"credential": sent})
        assert answer.status_code in {200, 302}
    stranger = Client(**SAFE)
    stranger.get(f"{SECURITY}webauthn/login/", HTTP_ACCEPT="application/json")
    assert stranger.post(f"{SECURITY}webauthn/login/", {"credential": sent}).status_code == 302
    knock(stranger, "alice")
    stranger.get(f"{SECURITY}authenticate/")
    assert stranger.post(f"{SECURITY}authenticate/", {"credential": sent}).status_code == 200
    assert Authenticator.objects.filter(type="webauthn").count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "",
        "totp/deactivate/",
        "recovery-codes/",
        "recovery-codes/generate/",
        "webauthn/",
        "webauthn/add/",
        "webauthn/reauthenticate/",
        "reauthenticate/",
    ],
)
def test_every_page_is_ours(alice, path):
    client, _key = with_passkey("alice")
    App(client)
    html = client.get(SECURITY + path).content.decode()
    assert 'class="site-header"' in html and "Menu:" not in html
