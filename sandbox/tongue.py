"""What one protocol adds to the till. A package per protocol implements `Tongue`; `sandbox.__main__` gathers them.

A tongue reads signed requests, answers as the real gateway does, and writes the notifies. Orders, paying, refunds, repeats
and pages are the till's.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlencode, urlsplit

from sandbox.web import Request, Response

BEIJING = timezone(timedelta(hours=8))
MONEY = re.compile(r"^[0-9]{1,8}(\.[0-9]{1,2})?$")
# How old a notify is that is sent late on purpose.
STALE = 3600


class Refused(Exception):
    """The gateway's answer is no; `reason` is one word that each protocol has a code of its own for.

    failed, signature, key, merchant, missing, paid, closed, status, conflict, amount.
    """

    def __init__(self, text: str, reason: str = "failed"):
        super().__init__(text)
        self.reason = reason


class Kind(StrEnum):
    """What a notify is about, or what is wrong with it."""

    RESULT = "result"
    """What became of the order."""
    FORGED = "forged"
    """Says that it was paid, under a signature that is not the gateway's."""
    UNPAID = "unpaid"
    """Signed, about an order that nobody paid; gateways with weak signatures claim that it was."""
    STALE = "stale"
    """The result, signed an hour ago."""
    REFUND = "refund"
    """A refund, `about` is its number."""


@dataclass(frozen=True)
class Letter:
    """A notify, byte for byte. A GET has its fields in `url`, a POST in `body`."""

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Tongue(ABC):
    """One protocol. `schedule`: seconds before each try of a notify."""

    name: str
    title: str
    # For the home page: the addresses, and who may take money.
    addresses: tuple[str, ...] = ()
    schedule: tuple[float, ...] = (0, 15, 15, 30, 180, 1800)

    @abstractmethod
    def answer(self, request: Request) -> Response | None:
        """The answer to a call of this protocol; None for an address that is not its own."""

    @abstractmethod
    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        """A notify that is sent at `at`; written anew for each try, as its date may be signed. None: nobody wants it."""

    @abstractmethod
    def return_address(self, order: dict) -> str:
        """Where the payer's browser goes back to."""

    @abstractmethod
    def heard(self, status: int, text: str) -> bool:
        """Whether this answer ends the repeats."""

    @abstractmethod
    def merchants(self) -> list[str]:
        """The numbers of those who may take money here."""


def as_money(text: str) -> Decimal:
    """Raises Refused for anything but a positive amount of yuan with at most two decimals."""
    if not MONEY.match(text) or Decimal(text) <= 0:
        raise Refused("金额不合法", "amount")
    return Decimal(text)


def money_text(amount: Decimal) -> str:
    return f"{amount:.2f}"


def as_address(text: str, what: str) -> str:
    """Raises Refused."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and text.isascii() and text.isprintable()
    except ValueError:
        good = False
    if not good or " " in text or len(text) > 2000:
        raise Refused(f"{what} 不合法")
    return text


def clock_text(seconds: float | None) -> str:
    """As the gateways write times: Beijing, no zone."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def with_query(address: str, fields: Mapping[str, str]) -> str:
    return address + ("&" if "?" in address else "?") + urlencode(fields)


def spoilt(signature: str) -> str:
    """A signature of the same form that is another one."""
    return signature[::-1] if signature != signature[::-1] else "0" * len(signature)
