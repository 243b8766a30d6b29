"""Requests and answers of the sandbox: what a gateway module gets, and what it gives back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

MAX_FIELDS = 64


class BadRequest(Exception):
    """The request cannot be read. The text goes to the caller."""


@dataclass(frozen=True)
class Request:
    """One HTTP request; `host` is the Host header, already checked, or the address that the server listens on; `headers`
    by lowercase name."""

    method: str
    path: str
    query: str
    host: str
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def form(self) -> dict[str, str]:
        """Query and form fields together, as PHP's $_REQUEST would, but refusing what PHP would silently drop.

        Raises BadRequest on bytes that are not UTF-8, on a field that comes twice and on too many fields.
        """
        pairs = _pairs(self.query.encode("latin-1", "replace"))
        if self.method == "POST" and self.body and self.content_type == "application/x-www-form-urlencoded":
            pairs += _pairs(self.body)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise BadRequest("参数重复")
        return fields

    def json(self) -> dict:
        """The body as a JSON object. Raises BadRequest when it is anything else."""
        try:
            value = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            raise BadRequest("not JSON") from None
        if not isinstance(value, dict):
            raise BadRequest("not a JSON object")
        return value


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise BadRequest("编码不是 UTF-8") from None
    except ValueError:
        raise BadRequest("参数过多") from None


@dataclass(frozen=True)
class Response:
    body: bytes = b""
    status: int = HTTPStatus.OK
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


def page(text: str, status: int = HTTPStatus.OK) -> Response:
    return Response(text.encode(), status)


def redirect(address: str) -> Response:
    """303: the browser goes on with GET, so a reload does not press the button again."""
    return Response(b"", HTTPStatus.SEE_OTHER, headers={"Location": address})


def as_json(value: object, status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode(), status, "application/json; charset=utf-8")
