"""易支付 V1: a signed GET. Signed here with the sandbox's code, not with the shop's."""

import random
import string
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlencode

from sandbox.epay.signing import signed
from torture.callbacks.base import Call, Protocol
from torture.gateway import Gateway
from torture.stage import MERCHANT, MERCHANT_KEY

FIELDS = ("pid", "trade_no", "out_trade_no", "type", "name", "money", "trade_status")
# Numbers that some reader somewhere takes for an amount.
ODD_MONEY = (
    "0",
    "-1.00",
    "1e2",
    "１.00",
    " 1.00",
    "1.001",
    "0.001",
    "1_0",
    "NaN",
    "Infinity",
    "1,00",
    "",
    "00000001.000001",
)
ODD_TEXT = ("", " ", "\x00", "'", '"', "&amp;", "../", "<script>", "\u202e", "%00", "' OR 1=1 --", "[]", "null", "𝟙")
FORM = "application/x-www-form-urlencoded"


class EpayV1(Protocol):
    channel = "epay"
    accepted = "success"

    def genuine(self, order: dict) -> Call:
        return Call(query=urlencode(signed(self._fields(order), MERCHANT_KEY)))

    def _fields(self, order: dict, **other: str) -> dict[str, str]:
        return {
            "pid": MERCHANT,
            "trade_no": order["id"],
            "out_trade_no": order["out_trade_no"],
            "type": order["type"],
            "name": order["name"],
            "money": order["money"],
            "trade_status": "TRADE_SUCCESS",
            **other,
        }

    def events(self, order: dict) -> Sequence[Call]:
        def with_key(**other: str) -> Call:
            return Call(query=urlencode(signed(self._fields(order, **other), MERCHANT_KEY)))

        unsigned = Call(query=urlencode(self._fields(order)))
        return [
            self.genuine(order),
            with_key(trade_status="TRADE_CLOSED"),
            unsigned,
            with_key(money="0.01"),
            with_key(trade_no="2026000000000000000001"),
        ]

    def pay(self, gateway: Gateway, number: str) -> dict:
        paid = gateway.act(number, "pay_silently")
        assert paid is not None, f"the sandbox does not take the payment of {number}"
        return paid

    def forge(self, chance: random.Random, unpaid: dict, paid: Call) -> tuple[str, Call]:
        while True:
            kind = chance.choice(KINDS)
            made = getattr(self, f"_{kind}")(chance, unpaid, paid)
            if _means(made) != _means(paid):
                return kind.replace("_", " "), made

    # About an unpaid order, by somebody who has no key

    def _unsigned(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        return Call(query=urlencode(self._fields(unpaid)))

    def _empty_signature(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        return Call(query=urlencode({**self._fields(unpaid), "sign": "", "sign_type": "MD5"}))

    def _empty_key(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        return Call(query=urlencode(signed(self._fields(unpaid), "")))

    def _guessed_key(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        key = chance.choice(["key", "123456", MERCHANT, "undefined", "null", chance.randbytes(16).hex()])
        return Call(query=urlencode(signed(self._fields(unpaid), key)))

    def _random_signature(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        sign = "".join(chance.choices("0123456789abcdef", k=chance.choice([1, 31, 32, 33, 64])))
        return Call(query=urlencode({**self._fields(unpaid), "sign": sign, "sign_type": "MD5"}))

    def _other_algorithm(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        fields = signed(self._fields(unpaid), MERCHANT_KEY)
        fields["sign_type"] = chance.choice(["RSA", "SHA1", "none", "md5", "MD5 ", "0"])
        return Call(query=urlencode(fields))

    # With the signature of a genuine callback about something else

    def _borrowed_signature(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        sign = dict(parse_qsl(paid.query))["sign"]
        return Call(query=urlencode({**self._fields(unpaid), "sign": sign, "sign_type": "MD5"}))

    def _changed_field(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        fields = dict(parse_qsl(paid.query))
        name = chance.choice(FIELDS)
        odd = {"money": ODD_MONEY, "out_trade_no": (unpaid["out_trade_no"], *ODD_TEXT)}.get(name, ODD_TEXT)
        fields[name] = chance.choice([*odd, fields[name] + chance.choice(string.ascii_letters), fields[name][:-1]])
        return Call(query=urlencode(fields))

    def _missing_field(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        fields = dict(parse_qsl(paid.query))
        del fields[chance.choice(FIELDS)]
        return Call(query=urlencode(fields))

    def _added_field(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        name = chance.choice(["param", "buyer", "money[]", "Money", "sign[]", "key", "money ", "notify_url"])
        return Call(query=f"{paid.query}&{quote(name)}={quote(chance.choice(['1.00', 'x', unpaid['out_trade_no']]))}")

    def _doubled_field(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        name = chance.choice([*FIELDS, "sign", "sign_type"])
        return Call(query=f"{paid.query}&{name}={quote(unpaid['out_trade_no'])}")

    def _flipped_byte(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        place = chance.randrange(len(paid.query))
        return Call(
            query=paid.query[:place] + chance.choice(string.ascii_letters + string.digits) + paid.query[place + 1 :]
        )

    def _cut_off(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        return Call(query=paid.query[: chance.randrange(len(paid.query))])

    def _signature_of_another_case(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        fields = self._fields(unpaid)
        sign = signed(self._fields(unpaid), chance.randbytes(8).hex())["sign"].upper()
        return Call(query=urlencode({**fields, "sign": sign, "sign_type": "MD5"}))

    # Bytes that are no text of ours

    def _other_encoding(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        raw = chance.choice(
            [b"\xff\xfe", b"\xc4\xe3\xba\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\x00", b"\xf5\x80\x80\x80"]
        )
        return Call(query=f"{urlencode(self._fields(unpaid))}&param={quote(raw)}&sign={chance.randbytes(16).hex()}")

    def _too_much(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        if chance.random() < 0.5:
            return Call(query=paid.query + "".join(f"&x{number}=1" for number in range(60)))
        return Call(method="POST", body=b"a=" + b"b" * chance.choice([17_000, 60_000]), content_type=FORM)

    def _another_method(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        method = chance.choice(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
        kind = chance.choice([FORM, "application/json", "multipart/form-data; boundary=x", "text/plain", ""])
        body = chance.choice([b"{}", b"[]", b"--x\r\n", urlencode(self._fields(unpaid)).encode(), b"\x80\x81"])
        return Call(
            method=method,
            query=chance.choice(["", paid.query]) if method == "POST" else "",
            body=body,
            content_type=kind,
        )

    # By somebody who has the key, such as a thief of it: the gateway itself is asked, and knows better

    def _signed_but_unpaid(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        return Call(query=urlencode(signed(self._fields(unpaid), MERCHANT_KEY)))

    def _signed_for_nobody(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        number = f"P{chance.randrange(10**18)}"
        return Call(query=urlencode(signed(self._fields(unpaid, out_trade_no=number), MERCHANT_KEY)))

    def _signed_for_another_merchant(self, chance: random.Random, unpaid: dict, paid: Call) -> Call:
        return Call(query=urlencode(signed(self._fields(unpaid, pid="1001"), MERCHANT_KEY)))


def _means(call: Call) -> object:
    """What a callback says however it is spelled: a changed spelling is no forgery."""
    # The algorithm is not signed, and MD5 is meant where none is named.
    pairs = parse_qsl(call.query, errors="replace")
    fields = sorted(pair for pair in pairs if pair[1] and pair != ("sign_type", "MD5"))
    return call.method, fields, len(fields) != len(dict(fields)), call.body


_KEYLESS = (
    "unsigned",
    "empty_signature",
    "empty_key",
    "guessed_key",
    "random_signature",
    "other_algorithm",
    "borrowed_signature",
    "changed_field",
    "missing_field",
    "added_field",
    "doubled_field",
    "flipped_byte",
    "cut_off",
    "signature_of_another_case",
    "other_encoding",
    "too_much",
    "another_method",
)
_WITH_KEY = ("signed_but_unpaid", "signed_for_nobody", "signed_for_another_merchant")
# Those with the key cost a question to the gateway each, so they are one in ten.
KINDS: tuple[str, ...] = _KEYLESS * 2 + _WITH_KEY
