"""What callbacks with a JSON body have in common: BEpusdt, WeChat Pay, Stripe."""

import json
from dataclasses import replace
from typing import Any

from torture.callbacks.base import ODD_BYTES, Call, Case, Protocol

JSON = "application/json"
# Texts that some reader takes for an object, or chokes on.
ODD_BODIES = (
    *(
        b"{",
        b"[]",
        b"null",
        b'""',
        b"0",
        b"1e999",
        b"NaN",
        b'{"a":1}',
        b"{}",
        b"\x00",
        b"[" * 20_000,
        b'{"a":' * 20_000,
    ),
    *(
        b'{"a":"\\ud800"}',
        b'{"a":"\\u0000"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"":{}}',
        b"\xff\xfe{\x00}\x00",
        b"{'a':1}",
    ),
)
# What stands where an amount, in whole units, should be.
ODD_UNITS = (0, -100, 1.5, 1e30, 10**30, "100", "１００", "", None, True, [], {}, [100], "1e2", 1.0)


class BodyProtocol(Protocol):
    """The signature is over the body as it is, byte for byte."""

    def forged_odd_body(self, case: Case) -> Call:
        return replace(case.paid, body=case.chance.choice(ODD_BODIES))

    def forged_other_encoding(self, case: Case) -> Call:
        body = case.paid.body
        odd = case.chance.choice(ODD_BYTES)
        text = body.decode()
        made = [
            odd + body,
            body + odd,
            body.replace(b'"id"', b'"' + odd + b'"'),
            text.encode("utf-16"),
            text.encode("utf-32"),
        ]
        return replace(case.paid, body=case.chance.choice([*made, b"\xef\xbb\xbf" + body]))

    def forged_respelled(self, case: Case) -> Call:
        """The same words in other white space and another order: another text, which nobody signed."""
        told = json.loads(case.paid.body)
        made = [
            json.dumps(told),
            json.dumps(told, indent=1),
            json.dumps(told, sort_keys=True, separators=(",", ":")),
            case.paid.body.decode() + "\n",
            " " + case.paid.body.decode(),
            json.dumps(told, separators=(", ", " :")),
        ]
        return replace(case.paid, body=case.chance.choice(made).encode())

    def forged_other_compression(self, case: Case) -> Call:
        encoding = case.chance.choice(["gzip", "br", "deflate", "identity, gzip"])
        broken = replace(case.paid, body=case.paid.body[1:])
        return broken.with_header("Content-Encoding", encoding)


def as_json(value: Any) -> bytes:
    """As gateways write it; also what no JSON knows, such as NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
