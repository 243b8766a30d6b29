import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_language_is_remembered_and_the_page_follows(client):
    answer = client.post("/preferences/", {"lang": "en", "next": "/account/"})
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert '<html lang="en"' in client.get("/").content.decode()


def test_theme_is_on_the_first_byte_of_html_so_nothing_flashes(client):
    client.post("/preferences/", {"theme": "dark"})
    assert 'data-theme="dark"' in client.get("/").content.decode()


def test_the_system_decides_again(client):
    client.post("/preferences/", {"theme": "dark"})
    client.post("/preferences/", {"theme": "system"})
    assert "data-theme" not in client.get("/").content.decode()


def test_unknown_values_change_nothing(client):
    answer = client.post("/preferences/", {"lang": "xx", "theme": '"><script>', "next": "/"})
    assert not answer.cookies


def test_a_forged_theme_cookie_is_not_printed(client):
    client.cookies["theme"] = '"><script>alert(1)</script>'
    html = client.get("/").content.decode()
    assert "alert(1)" not in html
    assert "data-theme" not in html


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_never_leads_to_another_site(client, there):
    assert client.post("/preferences/", {"theme": "dark", "next": there})["Location"] == "/"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_other_sites_cannot_post(headers):
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/preferences/", {"theme": "dark"}, headers=headers)
    assert answer.status_code == 403
    assert not answer.cookies


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}, {}])
def test_our_own_pages_need_no_form_token(headers):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/preferences/", {"theme": "dark"}, headers=headers).status_code == 302


def test_looking_does_not_change(client):
    assert client.get("/preferences/").status_code == 405
