"""Reading what gateways answer and send: strict where money hangs on it, patient with their JSON."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from common.money import CENT
from payments.providers import NotifyRefused, Outcome, RawNotify

MAX_NOTIFY = 16 * 1024
MAX_FIELDS = 40
# Some gateways write four decimals; ASCII digits only, no sign, no exponent.
_MONEY = re.compile(r"[0-9]{1,8}(\.[0-9]{1,4})?", re.ASCII)

# The request may have been done, may be under way, or may have been somebody else's.
_OPEN = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class Unreadable(Exception):
    """The answer is not what the protocol describes."""


@dataclass(frozen=True)
class Said:
    """An answer that could be read. `signed`: by the gateway, and rightly; True where the protocol signs no answers."""

    status: int
    fields: Mapping[str, Any]
    signed: bool = True

    def no(self, *, documented: bool) -> Outcome:
        """What an answer means that is no yes. The one place where it becomes a definite no: REFUSED, when nothing was done.

        That takes the gateway's own word: a code of its documents for "no" (`documented`), its signature, and a status that
        no proxy and no overrun server gives. Anything else leaves open what became of the request: UNKNOWN.
        """
        answered = self.status == HTTPStatus.OK or (
            HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self.status not in _OPEN
        )
        return Outcome.REFUSED if answered and self.signed and documented else Outcome.UNKNOWN


def read_money(text: Any) -> Decimal:
    """A positive amount in yuan, two places. Raises Unreadable, also for parts of a cent."""
    if not isinstance(text, str) or not _MONEY.fullmatch(text):
        raise Unreadable("money")
    amount = Decimal(text)
    if amount <= 0 or amount != amount.quantize(CENT):
        raise Unreadable("money")
    return amount.quantize(CENT)


def read_notified_money(text: Any) -> Decimal:
    """The same of a notify. Raises NotifyRefused."""
    try:
        return read_money(text)
    except Unreadable:
        raise NotifyRefused("amount") from None


def write_money(amount: Decimal) -> str:
    """The one text that is signed, sent and shown: two decimals."""
    return f"{amount.quantize(CENT):f}"


def read_reply(body: bytes) -> dict[str, str]:
    """The fields of a JSON object as text; numbers as written, so 10.50 stays 10.50. Some gateways put JSON in a JSON string.

    Raises Unreadable.
    """
    text: Any = body.decode("utf-8-sig", "replace")
    try:
        for _ in range(2):
            if isinstance(text, str):
                text = json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError):
        raise Unreadable("json") from None
    if not isinstance(text, dict):
        raise Unreadable("json")
    _only_text(text)
    return {name: value for name, value in text.items() if isinstance(value, str)}


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object, its numbers as the text that stands there, at every depth. Raises Unreadable, also for a double field."""
    try:
        found = json.loads(body, parse_float=str, parse_int=str, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError):
        raise Unreadable("json") from None
    if not isinstance(found, dict):
        raise Unreadable("json")
    _only_text(found)
    return found


def _only_text(found: Any) -> None:
    """JSON can spell what is no text: half a surrogate pair, which nobody can sign or send, and NUL, which no row can hold.

    Raises Unreadable.
    """
    try:
        written = json.dumps(found, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise Unreadable("encoding") from None
    if b"\\u0000" in written and "\0" in _texts(found):
        raise Unreadable("encoding")


def _texts(found: Any) -> str:
    """All the texts in a value, at every depth, one behind the other."""
    if isinstance(found, dict):
        return "".join(_texts(one) for pair in found.items() for one in pair)
    if isinstance(found, list):
        return "".join(map(_texts, found))
    return found if isinstance(found, str) else ""


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Unreadable("double field")
    return fields


def read_fields(raw: RawNotify) -> dict[str, str]:
    """All the fields that came, decoded, of a query or of a form. Raises NotifyRefused for what a gateway never sends.

    Both at once would leave open which of them was signed.
    """
    if raw.method == "GET":
        data = raw.query
    elif raw.method == "POST" and not raw.query and raw.content_type == "application/x-www-form-urlencoded":
        data = raw.body
    else:
        raise NotifyRefused("method")
    if len(data) > MAX_NOTIFY:
        raise NotifyRefused("too_long")
    try:
        pairs = parse_qsl(
            data.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except UnicodeDecodeError:
        raise NotifyRefused("encoding") from None
    except ValueError:
        raise NotifyRefused("too_many_fields") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotifyRefused("duplicate_field")
    if not fields or any("\0" in name or "\0" in value for name, value in pairs):
        raise NotifyRefused("form")
    return fields
