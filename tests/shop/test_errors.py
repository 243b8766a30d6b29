"""Error pages say what to do next, in the visitor's language, without the database."""

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.utils.translation import override

from shop.views import browse, errors


@pytest.fixture
def request_(rf: RequestFactory):
    return rf.get("/somewhere/")


@pytest.mark.django_db
def test_missing_page_offers_search(client):
    answer = client.get("/no/such/page/")
    assert answer.status_code == 404
    html = answer.content.decode()
    assert 'type="search"' in html
    assert 'href="/"' in html


@pytest.mark.parametrize(
    ("view", "status"),
    [
        (errors.bad_request, 400),
        (errors.forbidden, 403),
        (errors.stale_form, 403),
        (errors.not_found, 404),
        (errors.server_error, 500),
        (errors.maintenance, 503),
        (errors.offline, 200),
    ],
)
def test_each_says_what_to_do_next_without_the_database(request_, view, status):
    # No django_db mark: a query would fail here.
    answer = view(request_)
    html = answer.content.decode()
    assert answer.status_code == status
    assert "<h1>" in html
    assert 'class="btn' in html
    assert answer["Cache-Control"] == "no-store"


def test_they_follow_theme_and_language(rf):
    request = rf.get("/")
    request.COOKIES["theme"] = "dark"
    with override("en"):
        html = errors.not_found(request).content.decode()
    assert '<html lang="en" data-theme="dark">' in html


@pytest.mark.django_db
def test_an_unreachable_database_is_an_outage_not_a_defect(monkeypatch):
    def down(*args, **kwargs):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(browse, "render", down)
    client = Client(raise_request_exception=False)
    answer = client.get("/")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "60"


@pytest.mark.django_db
def test_a_defect_is_a_500_with_our_page(monkeypatch):
    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(browse, "render", broken)
    answer = Client(raise_request_exception=False).get("/")
    assert answer.status_code == 500
    assert "<h1>" in answer.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_token_is_told_that_nothing_was_charged():
    answer = Client(enforce_csrf_checks=True).post("/account/login/", {"login": "a", "password": "b"})
    assert answer.status_code == 403
    assert "没有扣款" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", "/orders/%00/", ""),
        ("GET", f"/orders/{'x' * 21}%00/", ""),
        ("GET", "/orders/%00/status/", ""),
        ("GET", "/p/%00/", ""),
        ("GET", "/search/?q=%00&label=%00&sort=%00&page=%00", ""),
        ("GET", "/checkout/?sku=%00&quantity=%00", ""),
        ("POST", "/cart/add/", "sku=%00&quantity=1"),
        ("POST", "/cart/", "item=%00&quantity=%00"),
        ("POST", "/orders/find/", "contact=%00&secret=%00"),
        ("POST", "/account/login/", "login=%00&password=%00"),
        ("POST", "/preferences/", "lang=%00&next=%00"),
    ],
)
def test_a_nul_is_the_callers_mistake(method, path, form):
    client = Client(raise_request_exception=False)
    answer = client.generic(method, path, form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code < 500
