"""What `torture.faults.callbacks` asks of a protocol, and the forgeries that every protocol has to stand.

What is genuine is what the sandbox's own code writes: forgeries are made of that. A kind of forgery is a method: `forged_…`
by somebody without the gateway's key; `stolen_…` by a thief of it, who signs what no gateway says; `signed_…` by a thief
too, and right in form: what it says is refused by what the shop and the gateway know of the payment.
"""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from sandbox.tongue import Kind, Letter, Tongue

Keys = Mapping[str, Mapping[str, str]]
FORM = "application/x-www-form-urlencoded"
# Bytes that are no text of ours: a mark of UTF-16, GBK, a half surrogate, an overlong slash, NUL, beyond Unicode, cut short.
ODD_BYTES = (b"\xff\xfe", b"\xc4\xe3\xba\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\x00", b"\xf5\x80\x80\x80", b"\xe4\xbd")
# Numbers that some reader somewhere takes for an amount.
ODD_MONEY = (
    *("0", "-1.00", "1e2", "１.00", " 1.00", "1.001", "0.001", "1_0", "NaN", "Infinity", "1,00", "", "00000001.000001"),
    *("+1.00", "0x1", "1.", ".5", "999999999.00", "null"),
)
ODD_TEXT = ("", " ", "\x00", "'", '"', "&amp;", "../", "<script>", "\u202e", "%00", "' OR 1=1 --", "[]", "null", "𝟙")
HUGE = 10 * 1024 * 1024
# So few are huge, and so few cost the shop a look at its books or a question to the gateway.
HUGE_SHARE, SIGNED_SHARE = 0.001, 0.08


@dataclass(frozen=True)
class Call:
    """One HTTP request to the notify address; `query` is raw, without the question mark."""

    method: str = "GET"
    query: str = ""
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """Two of one name are one, as WSGI has it."""
        return ",".join(text for known, text in self.headers if known.lower() == name.lower())

    def with_header(self, name: str, text: str | None) -> "Call":
        """The same with another value of a header; None leaves it out."""
        kept = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=kept if text is None else (*kept, (name, text)))


@dataclass(frozen=True)
class Case:
    """What a forgery is made of: an order that nobody paid, a genuine callback about another, and those of other gateways."""

    chance: random.Random
    unpaid: dict
    paid: Call
    others: Sequence[Call] = field(default=())


class Protocol(ABC):
    """One gateway's protocol. Orders are the sandbox's records."""

    # The protocol, which is the code of its channel too, and what a buyer pays by.
    name: str
    pays_by: str
    http: str = "POST"

    def __init__(self, tongue: Tongue, keys: Keys) -> None:
        self.tongue, self.keys = tongue, keys

    # What is genuine

    def genuine(self, order: dict) -> Call:
        """What the gateway sends now about a paid order."""
        return self.letter(order, Kind.RESULT)

    def letter(self, order: dict, kind: Kind, at: float | None = None) -> Call:
        written = self.tongue.letter(order, kind, about="", at=time.time() if at is None else at)
        assert written is not None, f"{self.name} says nothing of {kind}"
        return call_of(written)

    def as_if_paid(self, order: dict) -> dict:
        """The order as it would be if somebody had paid it."""
        return order if order["status"] else order | {"status": 1, "paid": order["money"], "endtime": time.time()}

    @abstractmethod
    def accepts(self, status: int, text: str) -> bool:
        """Whether this answer tells the gateway that the shop has it."""

    @abstractmethod
    def events(self, order: dict) -> Sequence[Call]:
        """Five callbacks about one paid order that may come in any order: genuine, signed about something else than its
        being paid, and three that must be refused."""

    @abstractmethod
    def means(self, call: Call) -> object:
        """What a callback says however it is spelled: a changed spelling is no forgery."""

    # What is not

    @classmethod
    def kinds(cls) -> list[str]:
        return sorted(name for name in dir(cls) if name.startswith(("forged_", "stolen_", "signed_")))

    def forge(self, case: Case) -> tuple[str, Call]:
        """(kind, a callback that must not be believed)."""
        while True:
            made = self.make(self._draw(case.chance), case)
            if made is not None:
                return made

    def make(self, kind: str, case: Case) -> tuple[str, Call] | None:
        """One of this kind; None where chance has made the genuine one again."""
        call = getattr(self, kind)(case)
        return None if self.means(call) == self.means(case.paid) else (label(kind), call)

    def _draw(self, chance: random.Random) -> str:
        if chance.random() < HUGE_SHARE:
            return "forged_huge"
        signed = chance.random() < SIGNED_SHARE
        return chance.choice(
            [name for name in self.kinds() if name.startswith("signed_") == signed and name != "forged_huge"]
        )

    # What every protocol has to stand

    def content(self, call: Call) -> bytes:
        """The part of a call that holds what it says."""
        return call.query.encode("latin-1") if self.http == "GET" else call.body

    def carrying(self, call: Call, content: bytes) -> Call:
        return replace(call, query=content.decode("latin-1")) if self.http == "GET" else replace(call, body=content)

    def forged_nothing(self, case: Case) -> Call:
        return self.carrying(case.paid, b"")

    def forged_cut_off(self, case: Case) -> Call:
        content = self.content(case.paid)
        return self.carrying(case.paid, content[: case.chance.randrange(len(content))])

    def forged_flipped_byte(self, case: Case) -> Call:
        content = bytearray(self.content(case.paid))
        place = case.chance.randrange(len(content))
        content[place] = case.chance.choice(b"abcdefghijklmnopqrstuvwxyzABCXYZ0123456789")
        return self.carrying(case.paid, bytes(content))

    def forged_flipped_bit_of_another(self, case: Case) -> Call:
        """Also bits that make no ASCII of it."""
        content = bytearray(self.content(case.paid))
        place = case.chance.randrange(len(content))
        content[place] ^= 1 << case.chance.randrange(5 if self.http == "GET" else 8)
        if self.http == "GET" and not 0x21 <= content[place] <= 0x7E:
            content[place] = 0x7E
        return self.carrying(case.paid, bytes(content))

    def forged_another_method(self, case: Case) -> Call:
        methods = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - {self.http}
        return replace(case.paid, method=case.chance.choice(sorted(methods)))

    def forged_of_another_gateway(self, case: Case) -> Call:
        return case.chance.choice(case.others) if case.others else Call(method=self.http)

    def forged_another_kind_of_body(self, case: Case) -> Call:
        kind = case.chance.choice([FORM, "application/json", "multipart/form-data; boundary=x", "text/xml", ""])
        body = case.chance.choice(
            [b"{}", b"[]", b"--x\r\n", b"<xml><a>1</a></xml>", b"\x80\x81", b"null", b"=", b"&&&"]
        )
        return replace(case.paid, method="POST", query="", body=body, content_type=kind)

    def forged_too_much(self, case: Case) -> Call:
        body = b"a=" + b"b" * case.chance.choice([17_000, 70_000, 200_000])
        return replace(case.paid, method="POST", query="", body=body, content_type=case.paid.content_type or FORM)

    def forged_huge(self, case: Case) -> Call:
        """What is genuine, behind ten megabytes of nothing."""
        return replace(
            case.paid,
            method="POST",
            query="",
            body=b" " * HUGE + case.paid.body,
            content_type=case.paid.content_type or FORM,
        )


def label(kind: str) -> str:
    """Such as "stolen: other merchant"."""
    whose, _, what = kind.partition("_")
    return (f"{whose}: " if whose != "forged" else "") + what.replace("_", " ")


def call_of(letter: Letter) -> Call:
    headers = {name: text for name, text in letter.headers.items() if name != "Content-Type"}
    return Call(
        method=letter.method,
        query=urlsplit(letter.url).query,
        body=letter.body if letter.method != "GET" else b"",
        content_type=letter.headers.get("Content-Type", ""),
        headers=tuple(headers.items()),
    )
