"""Protocols whose callbacks are form fields with a signature among them: 易支付 V1 and V2, Alipay."""

import base64
import binascii
import random
import string
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5
from urllib.parse import parse_qsl, quote, quote_from_bytes, urlencode

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from sandbox import rsa
from sandbox.tongue import Kind, Tongue
from torture.callbacks.base import ODD_BYTES, ODD_MONEY, ODD_TEXT, Call, Case, Keys, Protocol

Fields = dict[str, str]


class FormProtocol(Protocol):
    """`money`: the field of the amount; `status`: what "paid" is called; `sign_type`: the algorithm's name."""

    money: str
    status: str = "TRADE_SUCCESS"
    sign_type: str
    other_algorithms: Sequence[str]
    # Whether an empty field is a part of what is signed.
    signs_empty = False

    @abstractmethod
    def signature(self, fields: Fields) -> str:
        """By the gateway's key."""

    def accepts(self, status: int, text: str) -> bool:
        return text == "success"

    # Fields and calls

    def fields(self, order: dict, **other: str) -> Fields:
        """What would be told, unsigned, if the order was paid."""
        return self.told(self.letter(self.as_if_paid(order), Kind.RESULT), signature=False) | other

    def told(self, call: Call, *, signature: bool = True) -> Fields:
        found = dict(parse_qsl(self.content(call).decode("utf-8"), keep_blank_values=True))
        return found if signature else {k: v for k, v in found.items() if k not in ("sign", "sign_type")}

    def call(self, case: Case | Call, fields: Fields, sign: str | None = None, sign_type: str = "") -> Call:
        """With this signature; None: with none."""
        like = case.paid if isinstance(case, Case) else case
        signed = {} if sign is None else {"sign": sign, "sign_type": sign_type or self.sign_type}
        return self.carrying(like, urlencode(fields | signed).encode())

    def signed(self, case: Case | Call, fields: Fields) -> Call:
        return self.call(case, fields, self.signature(fields))

    def events(self, order: dict) -> Sequence[Call]:
        genuine, fields = self.genuine(order), self.fields(order)
        borrowed = self.told(genuine)["sign"]
        return [
            genuine,
            self.signed(genuine, fields | {"trade_status": "TRADE_CLOSED"}),
            self.call(genuine, fields),
            self.call(genuine, fields | {self.money: "0.01"}, borrowed),
            self.call(genuine, fields | {"trade_no": "2026000000000000000001"}, borrowed),
        ]

    def means(self, call: Call) -> object:
        # The algorithm is not signed, and the right one is meant where none is named.
        content = self.content(call)
        pairs = parse_qsl(content.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        fields = sorted(
            (name, self._same(name, value))
            for name, value in pairs
            if (self.signs_empty or value.strip() or name == "sign") and (name, value) != ("sign_type", self.sign_type)
        )
        other_part = call.body if self.http == "GET" else call.query
        doubled = len(pairs) != len(dict(pairs))
        return call.method, call.content_type if self.http != "GET" else "", fields, doubled, other_part

    def _same(self, name: str, value: str) -> str:
        return value

    # About an unpaid order, by somebody who has no key

    def forged_unsigned(self, case: Case) -> Call:
        return self.call(case, self.fields(case.unpaid))

    def forged_empty_signature(self, case: Case) -> Call:
        return self.call(case, self.fields(case.unpaid), "")

    @abstractmethod
    def forged_guessed_key(self, case: Case) -> Call: ...

    @abstractmethod
    def forged_random_signature(self, case: Case) -> Call: ...

    def forged_other_algorithm(self, case: Case) -> Call:
        """The right signature, under the name of another one."""
        fields = self.fields(case.unpaid)
        return self.call(case, fields, self.signature(fields), case.chance.choice(self.other_algorithms))

    # With the signature of a genuine callback about something else

    def forged_borrowed_signature(self, case: Case) -> Call:
        return self.call(case, self.fields(case.unpaid), self.told(case.paid)["sign"])

    def forged_changed_field(self, case: Case) -> Call:
        fields, chance = self.told(case.paid), case.chance
        name = chance.choice(sorted(set(fields) - {"sign", "sign_type"}))
        odd = {self.money: ODD_MONEY, "out_trade_no": (case.unpaid["out_trade_no"], *ODD_TEXT)}.get(name, ODD_TEXT)
        fields[name] = chance.choice([*odd, fields[name] + chance.choice(string.ascii_letters), fields[name][:-1]])
        return self.call(case, fields)

    def forged_missing_field(self, case: Case) -> Call:
        fields = self.told(case.paid)
        del fields[case.chance.choice(sorted(set(fields) - {"sign_type"}))]
        return self.call(case, fields)

    def forged_added_field(self, case: Case) -> Call:
        names = [
            "param",
            "buyer",
            f"{self.money}[]",
            self.money.title(),
            "sign[]",
            "key",
            f"{self.money} ",
            "notify_url",
        ]
        value = case.chance.choice(["1.00", "x", case.unpaid["out_trade_no"]])
        return self._behind(case, f"{quote(case.chance.choice(names))}={quote(value)}")

    def forged_doubled_field(self, case: Case) -> Call:
        name = case.chance.choice(sorted(self.told(case.paid)))
        value = case.chance.choice([case.unpaid["out_trade_no"], self.told(case.paid)[name], ""])
        return self._behind(case, f"{name}={quote(value)}")

    def forged_many_fields(self, case: Case) -> Call:
        return self._behind(case, "&".join(f"x{number}=1" for number in range(60)))

    def forged_renamed_field(self, case: Case) -> Call:
        fields = self.told(case.paid)
        name = case.chance.choice(sorted(set(fields) - {"sign_type"}))
        value = fields.pop(name)
        return self.call(
            case, fields | {case.chance.choice([name.upper(), f"{name}[]", f" {name}", f"{name}\0"]): value}
        )

    def forged_field_that_moved(self, case: Case) -> Call:
        """Half of it in the query, half in the body."""
        content = self.content(case.paid).decode()
        front, _, back = content.partition("&")
        return replace(case.paid, method="POST", query=front, body=back.encode(), content_type=case.paid.content_type)

    def _behind(self, case: Case, more: str) -> Call:
        return self.carrying(case.paid, self.content(case.paid) + f"&{more}".encode())

    # Bytes that are no text of ours

    def forged_other_encoding(self, case: Case) -> Call:
        odd = quote_from_bytes(case.chance.choice(ODD_BYTES))
        content = self.content(self.call(case, self.fields(case.unpaid), case.chance.randbytes(16).hex()))
        return self.carrying(case.paid, content + f"&param={odd}".encode())

    def forged_gbk(self, case: Case) -> Call:
        """As a gateway that speaks GBK would write it, under a signature of the same text in UTF-8."""
        text = {"name" if "name" in self.told(case.paid) else "subject": "点卡"}
        fields = self.fields(case.unpaid, **text)
        encoded = urlencode({**fields, "sign": self.signature(fields), "sign_type": self.sign_type}, encoding="gbk")
        return self.carrying(case.paid, encoded.encode())

    # By a thief of the key

    def stolen_odd_amount(self, case: Case) -> Call:
        odd = case.chance.choice([one for one in ODD_MONEY if "\0" not in one])
        return self.signed(case, self.fields(case.unpaid, **{self.money: odd}))

    def stolen_without_a_number(self, case: Case) -> Call:
        return self.signed(case, self.fields(case.unpaid, **{case.chance.choice(["out_trade_no", "trade_no"]): ""}))


class RsaForms(FormProtocol):
    """Signed by the gateway's private key; `merchant` is the shop's own."""

    def __init__(self, tongue: Tongue, keys: Keys) -> None:
        super().__init__(tongue, keys)
        own = keys[self.name]
        self.platform, self.merchant = rsa.private(own["platform_private"]), rsa.private(own["merchant_private"])
        strange = next(name for name in ("alipay", "epay_v2") if name != self.name)
        self.strange = rsa.private(keys[strange]["platform_private"])

    @abstractmethod
    def text(self, fields: Fields) -> str:
        """What is signed."""

    def signature(self, fields: Fields) -> str:
        return rsa.signature(self.text(fields), self.platform)

    def _same(self, name: str, value: str) -> str:
        """Base64 has several spellings."""
        try:
            return base64.b64decode(value, validate=True).hex() if name == "sign" else value
        except (binascii.Error, ValueError):
            return value

    def forged_guessed_key(self, case: Case) -> Call:
        """Our own key, which the gateway has the public half of; another gateway's."""
        fields = self.fields(case.unpaid)
        return self.call(
            case, fields, rsa.signature(self.text(fields), case.chance.choice([self.merchant, self.strange]))
        )

    def forged_random_signature(self, case: Case) -> Call:
        return self.call(case, self.fields(case.unpaid), random_base64(case.chance))

    def forged_spoilt_signature(self, case: Case) -> Call:
        """One bit of a right one; its half; its double; other letters than base64's."""
        fields, chance = self.fields(case.unpaid), case.chance
        right = base64.b64decode(self.signature(fields))
        flipped = bytearray(right)
        flipped[chance.randrange(len(right))] ^= 1 << chance.randrange(8)
        made = chance.choice([bytes(flipped), right[:128], right + right, right[::-1], b"\0" + right, right + b"\0"])
        text = base64.b64encode(made).decode()
        return self.call(case, fields, chance.choice([text, text, f"{text}\n", text.replace("A", "-"), f"[{text}]"]))

    def forged_md5_with_the_public_key(self, case: Case) -> Call:
        """For who takes the algorithm from the callback: the public key is known to all."""
        fields = self.fields(case.unpaid)
        key = self.keys[self.name]["platform_public"]
        return self.call(case, fields, md5((self.text(fields) + key).encode()).hexdigest(), "MD5")  # noqa: S324

    def forged_weaker_digest(self, case: Case) -> Call:
        fields = self.fields(case.unpaid)
        sign = self.platform.sign(self.text(fields).encode(), padding.PKCS1v15(), SHA1())  # noqa: S303
        return self.call(case, fields, base64.b64encode(sign).decode(), case.chance.choice(["RSA", "RSA2"]))

    def forged_another_padding(self, case: Case) -> Call:
        fields = self.fields(case.unpaid)
        sign = self.platform.sign(self.text(fields).encode(), padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
        return self.call(case, fields, base64.b64encode(sign).decode())

    def forged_signed_with_its_algorithm(self, case: Case) -> Call:
        """The signature over one field too many."""
        fields = self.fields(case.unpaid)
        text = f"{self.text(fields)}&sign_type={self.sign_type}"
        return self.call(case, fields, rsa.signature(text, self.platform))

    def signed_used_transaction(self, case: Case) -> Call:
        """What somebody else paid, told of an order that nobody paid, or of none."""
        number = case.chance.choice([case.unpaid["out_trade_no"], f"P{case.chance.randrange(10**18)}"])
        txn = self.told(case.paid)["trade_no"]
        return self.signed(case, self.fields(case.unpaid, out_trade_no=number, trade_no=txn))


def random_base64(chance: random.Random) -> str:
    return base64.b64encode(chance.randbytes(chance.choice([1, 16, 255, 256, 257, 512]))).decode()
