"""Tokens, and guessing at passwords."""

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import ApiToken
from accounts.services import issue_token, live_token, revoke_token
from accounts.services.tokens import MOST
from audit.models import AuditEntry
from common import clock
from common.breaker import redis_breaker
from tests.api.conftest import Caller

PASSWORD = "tea-and-keys-9"


def wish(caller: Caller, **changes):
    return caller.post("/tokens/", {"username": "alice", "password": PASSWORD, **changes})


def test_name_and_password_make_a_token_that_works(nobody, alice):
    status, made = wish(nobody, name="script")
    assert status == 201
    assert made["name"] == "script"
    caller = Caller()
    caller.client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['token']}")
    status, me = caller.get("/me/")
    assert (status, me["username"]) == (200, "alice")
    status, listed = caller.get("/tokens/")
    assert (status, [one["id"] for one in listed["items"]]) == (200, [made["id"]])
    # Shown once: neither the list nor the database can give it again.
    assert "token" not in listed["items"][0]
    assert made["token"] not in str(ApiToken.objects.values().get())
    assert AuditEntry.objects.get(action="token.issue").actor_id == alice.pk


def test_an_email_does_too(nobody, make_member):
    make_member("dora", email="dora@example.com")
    assert wish(nobody, username="dora@example.com")[0] == 201


def test_the_name_may_be_typed_in_full_width(nobody, alice):
    assert wish(nobody, username="Ａｌｉｃｅ")[0] == 201


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"username": "nobody"}, {"username": "alice\u200b"}])
def test_wrong_ones_do_not_and_the_answer_does_not_say_which(nobody, alice, change):
    status, body = wish(nobody, **change)
    assert (status, body["error"]["code"]) == (401, "wrong_password")
    assert not ApiToken.objects.exists()


def test_a_blocked_account_gets_none(nobody, alice):
    alice.is_active = False
    alice.save()
    assert wish(nobody)[0] == 401


def test_a_revoked_token_is_no_good(as_alice):
    (token,) = as_alice.get("/tokens/")[1]["items"]
    assert as_alice("DELETE", f"/tokens/{token['id']}/") == (204, None)
    status, body = as_alice.get("/me/")
    assert (status, body["error"]["code"]) == (401, "authentication_failed")
    assert as_alice.raw("GET", "/me/")["WWW-Authenticate"] == 'Bearer realm="api"'


def test_nobody_revokes_anothers_token(as_alice, as_bob):
    (token,) = as_alice.get("/tokens/")[1]["items"]
    assert as_bob("DELETE", f"/tokens/{token['id']}/")[0] == 404
    assert as_alice.get("/me/")[0] == 200


def test_a_changed_password_ends_all_tokens(as_alice, alice):
    alice.set_password("another-good-one-7")
    alice.save()
    assert as_alice.get("/me/")[0] == 401
    fresh = Caller(alice)
    assert len(fresh.get("/tokens/")[1]["items"]) == 1


def test_a_blocked_members_token_is_no_good(as_alice, alice):
    alice.is_active = False
    alice.save()
    assert as_alice.get("/me/")[0] == 401


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer km_",
        "Bearer x y",
        "bearer \xff",
        "Bearer " + "a" * 5000,
        "Basic YTpi",
        "Token abc",
        "km_x",
    ],
)
def test_strange_headers(nobody, alice, header):
    nobody.client.credentials(HTTP_AUTHORIZATION=header)
    assert nobody.get("/me/")[0] == 401


def test_public_endpoints_refuse_a_bad_token_too(nobody):
    """A script whose token has ended should hear of it, not go on as a stranger."""
    nobody.client.credentials(HTTP_AUTHORIZATION="Bearer km_ended")
    assert nobody.get("/products/")[0] == 401


def test_there_is_an_end_to_tokens(alice, nobody):
    for number in range(MOST):
        issue_token(user=alice, name=str(number))
    status, body = wish(nobody)
    assert (status, body["error"]["code"], body["error"]["params"]) == (409, "too_many_tokens", {"most": MOST})
    revoke_token(user=alice, public_id=alice.api_tokens.first().public_id)
    assert wish(nobody)[0] == 201


def test_use_is_noted_now_and_then(alice):
    issued = issue_token(user=alice, name="x")
    at = clock.now()

    def used(after: timedelta):
        with clock.travel(at + after):
            assert live_token(issued.text).user == alice
        issued.token.refresh_from_db()
        return issued.token.last_used_at - at

    assert used(timedelta(0)) == timedelta(0)
    assert used(timedelta(minutes=59)) == timedelta(0)
    assert used(timedelta(minutes=61)) == timedelta(minutes=61)


class TestGuessing:
    """Redis plays no part in it: its breaker is open all the time."""

    @pytest.fixture(autouse=True)
    def without_redis(self, monkeypatch, alice):
        monkeypatch.setattr(type(redis_breaker), "is_open", True)

    def guess_token(self, name: str = "alice", password: str = "wrong", address: str = "127.0.0.1") -> int:
        body = {"username": name, "password": password}
        return Client().post("/api/tokens/", body, content_type="application/json", REMOTE_ADDR=address).status_code

    def guess_page(self, path: str = "/account/login/", password: str = "wrong", address: str = "127.0.0.1") -> str:
        form = {"login": "alice", "password": password, "username": "alice"}
        return Client().post(path, form, REMOTE_ADDR=address, follow=True)

    def test_five_wrong_ones_then_wait(self):
        assert [self.guess_token() for _ in range(6)] == [401] * 5 + [429]
        # The right one too: else the limit would tell which one was right.
        assert self.guess_token(password=PASSWORD) == 429
        assert self.guess_token(name="ALICE ") == 429
        answer = Client().post("/api/tokens/", {"username": "alice", "password": "x"}, content_type="application/json")
        assert 0 < int(answer["Retry-After"]) <= 60
        assert answer.json()["error"]["code"] == "too_many_requests"

    def test_the_door_counts_with_the_token(self):
        """Guesses at one door use up those at the other."""
        for _ in range(5):
            assert "_auth_user_id" not in self.guess_page().wsgi_request.session
        page = self.guess_page(password=PASSWORD)
        assert "_auth_user_id" not in page.wsgi_request.session
        assert self.guess_token(password=PASSWORD) == 429

    def test_the_admins_door_counts_too(self, olga):
        def enter(password: str):
            return Client().post("/admin/login/", {"username": "olga", "password": password})

        assert enter(PASSWORD).status_code == 302
        assert [enter("wrong").status_code for _ in range(5)] == [200] * 5
        refused = enter(PASSWORD)
        assert refused.status_code == 429
        assert "操作太频繁" in refused.content.decode()
        assert self.guess_token(name="olga", password=PASSWORD) == 429

    def test_the_owner_elsewhere_is_not_kept_out(self):
        for _ in range(6):
            self.guess_token(address="203.0.113.9")
        assert self.guess_token(password=PASSWORD, address="198.51.100.1") == 201

    def test_right_ones_do_not_count(self):
        assert [self.guess_token(password=PASSWORD) for _ in range(12)] == [201] * 12

    def test_many_names_from_one_address(self):
        answers = [self.guess_token(name=f"member{n}", address="203.0.113.9") for n in range(31)]
        assert answers == [401] * 30 + [429]

    def test_forged_forwarding_headers_do_not_help(self):
        for number in range(5):
            Client().post(
                "/api/tokens/",
                {"username": "alice", "password": "x"},
                content_type="application/json",
                headers={"X-Forwarded-For": f"10.0.0.{number}"},
            )
        assert self.guess_token() == 429

    def test_an_address_of_the_same_household_does_not_help(self):
        answers = [self.guess_token(address=f"2001:db8:1:2::{n}") for n in range(1, 7)]
        assert answers == [401] * 5 + [429]

    def test_after_a_while_one_may_try_again(self):
        for _ in range(5):
            self.guess_token()
        assert self.guess_token() == 429
        with clock.travel(clock.now() + timedelta(seconds=61)):
            assert self.guess_token(password=PASSWORD) == 201
