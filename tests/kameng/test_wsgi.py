"""The application as a server calls it."""

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory

from kameng.wsgi import application


@pytest.fixture(autouse=True)
def kept_connection(db):
    """A server closes old connections around a request; the test's own must stay."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def status(path: str, content_type: str, body: bytes | None = None) -> int:
    factory = RequestFactory()
    request = factory.get(path) if body is None else factory.generic("POST", path, body, content_type=content_type)
    told = []
    environ = {**request.environ, "CONTENT_TYPE": content_type}
    b"".join(application(environ, lambda line, headers, exc_info=None: told.append(line)))
    return int(told[0].split()[0])


@pytest.mark.parametrize(
    "charset", ["utf-8", "gbk", "utf-16", "hex", "base64", "zlib", "idna", "undefined", "rot13", "?", ""]
)
def test_a_charset_changes_nothing(charset):
    """Python takes some of these names for codecs that turn no bytes into text."""
    for mark in (f"; charset={charset}", f';CHARSET = "{charset}"', f"; x=y; charset={charset}; boundary=b"):
        assert status("/?q=%41", f"text/plain{mark}") == 200
        assert status("/api/products/?q=%41", f"application/json{mark}") == 200
        assert status("/api/tokens/", f"application/json{mark}", b"{}") == 400
        assert status("/api/tokens/", f"multipart/form-data{mark}", b"{}") == 415
