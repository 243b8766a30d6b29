"""Whatever goes wrong, the answer has one shape, in the caller's language, and is never a 500."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from audit import throttles
from common import clock
from common.breaker import redis_breaker


def is_error(body: dict) -> bool:
    error = body["error"]
    return set(body) == {"error"} and {"code", "message"} <= set(error) <= {"code", "message", "fields", "params"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/nothing/", 404, "not_found"),
        ("GET", "/products", 404, "not_found"),
        ("POST", "/nothing/at/all", 404, "not_found"),
        ("PATCH", "/nothing/", 404, "not_found"),
        ("GET", "/products/short/", 404, "not_found"),
        ("GET", f"/products/{'x' * 22}/", 404, "not_found"),
        ("GET", f"/products/{'x' * 22}%00/", 404, "not_found"),
        ("GET", f"/products/{'x' * 22}%0A/", 404, "not_found"),
        ("GET", "/orders/", 401, "not_authenticated"),
        ("DELETE", "/products/", 405, "method_not_allowed"),
        ("TRACE", "/products/", 405, "method_not_allowed"),
        ("OPTIONS", "/products/", 405, "method_not_allowed"),
        ("BREW", "/products/", 405, "method_not_allowed"),
        ("GET", "/products/?limit=0", 400, "invalid"),
        ("GET", "/products/?limit=1e1", 400, "invalid"),
        ("GET", "/products/?limit=%EF%BC%91", 400, "invalid"),
        ("GET", "/products/?limit=1&limit=2", 400, "invalid"),
        ("GET", "/products/?in_stock=yes", 400, "invalid"),
        ("GET", "/products/?categroy=games", 400, "invalid"),
        ("GET", "/products/?q=%00", 400, "invalid"),
        ("GET", "/products/?category=%00", 400, "invalid"),
        ("GET", "/products/?sort=password", 400, "invalid"),
        ("GET", "/products/?price_min=NaN", 400, "invalid"),
        ("GET", "/products/?price_min=1E500000", 400, "invalid"),
        ("GET", "/products/?cursor=x", 404, "bad_cursor"),
        ("GET", "/products/?format=xml", 400, "invalid"),
    ],
)
def test_for_strangers(nobody, method, path, status, code):
    answer = nobody.raw(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert is_error(answer.json())


DEEP = b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"{", "parse_error"),
        (b"\xff\xfe", "parse_error"),
        (b"[]", "invalid"),
        (b'"text"', "invalid"),
        (b"null", "invalid"),
        (b'{"items": NaN}', "parse_error"),
        (b'{"items": [], "items": []}', "parse_error"),
        (b'{"items": [{"sku": "\\u0000"}]}', "parse_error"),
        (b'{"\\u0000": 1}', "parse_error"),
        (b'{"\\ud800": 1}', "parse_error"),
        (b'{"items": ["\\udfff"]}', "parse_error"),
        (b'{"items": 1' + b"0" * 5000 + b"}", "parse_error"),
        (b'{"items": []}', "invalid"),
        (b'{"items": {}}', "invalid"),
        (b'{"items": [[]]}', "invalid"),
        (b'{"items": [1, null, "x"]}', "invalid"),
        (b'{"items": [], "is_staff": true, "price": "0.01"}', "invalid"),
        (DEEP, "parse_error"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies_that_cannot_be_read(as_alice, body, code):
    answer = as_alice.raw("POST", "/orders/", body, idempotency_key="a-key-for-this-order")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert is_error(answer.json())


def test_null_is_refused_in_the_callers_language(as_alice):
    def complaint(**headers: str) -> dict:
        return as_alice.raw("POST", "/quotes/", b"null", **headers).json()["error"]["fields"]

    assert list(complaint().values()) == [["请求内容不能是 null"]]


def test_a_body_too_large(as_alice):
    answer = as_alice.raw("POST", "/quotes/", b'{"items": "' + b"x" * 300_000 + b'"}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "nonsense",
        "",
    ],
)
def test_other_media_types(as_alice, content_type):
    answer = as_alice.raw("POST", "/quotes/", b"items=1", content_type=content_type)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_an_answer_that_we_cannot_give(nobody):
    answer = nobody.raw("GET", "/products/", accept="text/html")
    assert (answer.status_code, answer.json()["error"]["code"]) == (406, "not_acceptable")


def test_complaints_name_the_place(as_alice):
    items = [{"sku": "x" * 22, "quantity": 1}, {"sku": "x", "quantity": 0, "price": "0.01"}, {"quantity": 1}]
    status, body = as_alice.post("/quotes/", {"items": items})
    assert status == 400
    assert set(body["error"]["fields"]) == {"items.1.price", "items.2.sku"}
    status, body = as_alice.post("/quotes/", {"items": [{"sku": "x", "quantity": 0}]})
    assert set(body["error"]["fields"]) == {"items.0.sku", "items.0.quantity"}


def test_the_callers_language(nobody, client):
    def message(**headers: str) -> str:
        return nobody.get("/nothing/", **headers)[1]["error"]["message"]

    assert (
        message(accept_language="zh-CN,zh;q=0.9")
        == message()
        == message(accept_language="xx")
        != message(accept_language="en")
    )
    assert nobody.raw("GET", "/nothing/", accept_language="en-GB")["Content-Language"] == "en"
    assert {"Accept-Language", "Cookie"} <= set(nobody.raw("GET", "/products/")["Vary"].replace(" ", "").split(","))
    client.cookies["lang"] = "en"
    assert client.get("/api/nothing/", headers={"accept-language": "zh"})["Content-Language"] == "en"
    # Pages go by the cookie alone.
    assert Client().get("/", headers={"accept-language": "en"})["Content-Language"] == "zh-hans"


def test_a_session_needs_the_form_token_and_a_token_does_not(alice, shelf):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    body = {"items": [{"sku": shelf.sku(keys=1).public_id, "quantity": 1}]}
    assert client.get("/api/me/").status_code == 200
    answer = client.post("/api/quotes/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf_failed")
    client.get("/account/login/")
    client.get("/checkout/")
    secret = "s" * 32
    client.cookies["csrftoken"] = secret
    answer = client.post("/api/quotes/", body, content_type="application/json", headers={"X-CSRFToken": secret})
    assert answer.status_code == 200


def test_too_many_calls(nobody, as_alice, settings, monkeypatch):
    settings.API_CALLS_PER_MINUTE = 3
    monkeypatch.setattr(throttles.time, "time", lambda: 1_000_000_040.0)
    throttles.cache.clear()
    assert [nobody.raw("GET", "/products/").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = nobody.raw("GET", "/products/")
    assert is_error(answer.json())
    assert answer.json()["error"]["code"] == "throttled"
    assert answer["Retry-After"] == "40"
    # Somebody else, and the next minute.
    assert as_alice.get("/me/")[0] == 200
    monkeypatch.setattr(throttles.time, "time", lambda: 1_000_000_080.0)
    assert nobody.get("/products/")[0] == 200


def test_too_many_calls_while_redis_is_down(nobody, as_alice, settings, monkeypatch):
    """The cache forgives and lets everybody pass; the database counts instead."""
    settings.API_CALLS_PER_MINUTE = 3
    monkeypatch.setattr(type(redis_breaker), "is_open", True)
    assert [nobody.raw("GET", "/products/").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = nobody.raw("GET", "/products/")
    assert answer.json()["error"]["code"] == "throttled" and 0 < int(answer["Retry-After"]) <= 20
    assert as_alice.get("/me/")[0] == 200
    with clock.travel(clock.now() + timedelta(seconds=20)):
        assert nobody.get("/products/")[0] == 200


class TestOutages:
    def test_without_the_database(self, monkeypatch, nobody):
        def down(*args, **kwargs):
            raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr("catalog.api.found", down)
        answer = nobody.raw("GET", "/products/")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert answer["Retry-After"]

    def test_a_defect(self, monkeypatch, nobody):
        monkeypatch.setattr("catalog.api.found", lambda *args, **kwargs: 1 / 0)
        answer = nobody.raw("GET", "/products/")
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")
        assert "division" not in answer.content.decode()

    def test_a_host_that_is_not_ours(self, settings, nobody):
        settings.ALLOWED_HOSTS = ["shop.example"]
        answer = nobody.raw("GET", "/products/", host="evil.example")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
