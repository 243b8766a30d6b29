from django.http import HttpResponse
from django.test import RequestFactory

from common.device import COOKIE, DeviceMiddleware, device_of, ensure_device


def answer(view, **cookies):
    request = RequestFactory().get("/")
    request.COOKIES.update(cookies)
    return DeviceMiddleware(view)(request), request


def test_a_page_that_keeps_nothing_sets_no_cookie():
    response, _ = answer(lambda request: HttpResponse(device_of(request)))
    assert response.content == b""
    assert COOKIE not in response.cookies


def test_a_device_is_made_once_and_kept_out_of_scripts_reach():
    response, request = answer(lambda request: HttpResponse(ensure_device(request) + ensure_device(request)))
    name = response.cookies[COOKIE].value
    assert response.content.decode() == name * 2
    assert response.cookies[COOKIE]["httponly"]
    response, _ = answer(lambda request: HttpResponse(ensure_device(request)), **{COOKIE: name})
    assert response.content.decode() == name
    assert COOKIE not in response.cookies


def test_a_made_up_cookie_is_not_a_device():
    for value in ("", "short", "x" * 23, "' OR 1=1 --________xxx"):
        _, request = answer(lambda request: HttpResponse(), **{COOKIE: value})
        assert device_of(request) == ""
