"""One HTTP exchange with a gateway, reduced to what may be told: an answer, or that there was none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

import httpx

from common import outgoing

# A callback's answer waits for this, and the gateway waits for the answer.
SECONDS = 3.0
MAX_REPLY = 64 * 1024


class NoAnswer(Exception):
    """No usable answer. Holds a kind of failure only: addresses carry merchant keys and must not reach a log."""


@dataclass(frozen=True)
class Ask:
    """A request, byte for byte as it was signed. `body` None sends none."""

    method: str
    address: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """`headers` by lowercase name."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


# Raises NoAnswer.
Exchange = Callable[[Ask], Answer]
# (method, address, fields) → body of a 200 answer. GET sends the fields as query, POST as form. Raises NoAnswer.
Call = Callable[[str, str, Mapping[str, str]], bytes]


def exchange(ask: Ask) -> Answer:
    """The answer, of whatever status, within SECONDS altogether. Never inside a transaction. Raises NoAnswer."""
    try:
        with (
            outgoing.client(SECONDS, total=SECONDS) as client,
            client.stream(ask.method, ask.address, content=ask.body, headers=dict(ask.headers)) as response,
        ):
            body = outgoing.read_capped(response, MAX_REPLY)
            return Answer(response.status_code, body, {name.lower(): value for name, value in response.headers.items()})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__) from None


def call(method: str, address: str, fields: Mapping[str, str]) -> bytes:
    """The body of a 200 answer to fields, within SECONDS altogether. Never inside a transaction. Raises NoAnswer."""
    encoded = urlencode(fields)
    if method == "GET":
        ask = Ask("GET", f"{address}?{encoded}")
    else:
        ask = Ask(method, address, encoded.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    answer = exchange(ask)
    if answer.status != HTTPStatus.OK:
        raise NoAnswer(f"HTTP {answer.status}")
    return answer.body


def origin_of(address: str) -> str:
    """Scheme and host, as a content security policy names them."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
