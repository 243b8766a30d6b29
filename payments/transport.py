"""One HTTP exchange with a gateway, reduced to what may be told: a body, or that there was none."""

from collections.abc import Callable, Mapping

import httpx

from common import outgoing

# A callback's answer waits for this, and the gateway waits for the answer.
SECONDS = 3.0
MAX_REPLY = 64 * 1024

# (method, address, fields) → body. GET sends the fields as query, POST as form. Raises NoAnswer.
Call = Callable[[str, str, Mapping[str, str]], bytes]


class NoAnswer(Exception):
    """No usable answer. Holds a kind of failure only: addresses carry merchant keys and must not reach a log."""


def call(method: str, address: str, fields: Mapping[str, str]) -> bytes:
    """The body of a 200 answer within SECONDS altogether. Never inside a transaction. Raises NoAnswer."""
    sent = {"params": fields} if method == "GET" else {"data": fields}
    try:
        with outgoing.client(SECONDS, total=SECONDS) as client, client.stream(method, address, **sent) as response:
            body = outgoing.read_capped(response, MAX_REPLY)
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__) from None
    if status != httpx.codes.OK:
        raise NoAnswer(f"HTTP {status}")
    return body
