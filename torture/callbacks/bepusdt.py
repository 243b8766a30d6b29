"""BEpusdt: JSON with an MD5 signature among its fields."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sandbox.bepusdt.tongue import WAITING, BepusdtTongue, signature
from sandbox.faults import Faults
from torture.callbacks.base import HUGE, ODD_BYTES, ODD_TEXT, Call, Case, Keys
from torture.callbacks.bodies import JSON, ODD_UNITS, BodyProtocol, as_json

FIELDS = ("trade_id", "order_id", "amount", "actual_amount", "token", "block_transaction_id", "status")
Fields = dict[str, Any]


class Bepusdt(BodyProtocol):
    name, pays_by = "bepusdt", "usdt"

    def __init__(self, keys: Keys) -> None:
        super().__init__(BepusdtTongue(None, Faults(), dict(keys["bepusdt"])), keys)  # type: ignore[arg-type]
        self.token = keys["bepusdt"]["token"]

    def accepts(self, status: int, text: str) -> bool:
        return status == 200

    def fields(self, order: dict, **other: Any) -> Fields:
        """What would be told, unsigned, if the order was paid."""
        told = json.loads(self.genuine(self.as_if_paid(order)).body)
        return {name: told[name] for name in told if name != "signature"} | other

    def call(self, fields: Fields, sign: object = None, *, ascii_only: bool = False) -> Call:
        """With this signature; None: with none."""
        signed = fields if sign is None else fields | {"signature": sign}
        body = json.dumps(signed).encode() if ascii_only else as_json(signed)
        return Call(method="POST", body=body, content_type=JSON)

    def signed(self, fields: Fields) -> Call:
        return self.call(fields, signature(fields, self.token))

    def events(self, order: dict) -> Sequence[Call]:
        """Whoever has broken the token signs another amount and another trade; the shop knows better."""
        fields = self.fields(order)
        return [
            self.genuine(order),
            self.signed(fields | {"status": WAITING}),
            self.call(fields),
            self.signed(fields | {"amount": 0.01}),
            self.signed(fields | {"trade_id": "2026000000000000000001"}),
        ]

    def means(self, call: Call) -> object:
        """Numbers count as their text, and what is empty is not signed."""
        try:
            pairs = json.loads(call.body, parse_int=str, parse_float=str, object_pairs_hook=list)
            fields = sorted((name, value) for name, value in pairs if value != "")
        except (ValueError, TypeError, RecursionError):
            return call.method, call.query, call.body
        return call.method, call.query, fields, len(call.body) > HUGE

    # Without the token

    def forged_unsigned(self, case: Case) -> Call:
        return self.call(self.fields(case.unpaid))

    def forged_odd_signature(self, case: Case) -> Call:
        chance = case.chance
        length = chance.choice([0, 1, 31, 32, 33, 64])
        odd = [None, True, 0, [], {}, "".join(chance.choices("0123456789abcdef", k=length)), "０" * 32, "\ud800" * 32]
        return self.call(self.fields(case.unpaid), chance.choice(odd[1:]), ascii_only=True)

    def forged_guessed_token(self, case: Case) -> Call:
        guesses = ["", "token", "123456", "null", self.token[:-1], self.token.upper(), self.token + " ", "epusdt"]
        fields = self.fields(case.unpaid)
        return self.call(fields, signature(fields, case.chance.choice([*guesses, case.chance.randbytes(16).hex()])))

    def forged_signature_of_another_case(self, case: Case) -> Call:
        fields = self.fields(case.unpaid)
        return self.call(
            fields, case.chance.choice(["{}", " {}", "{}\n"]).format(signature(fields, self.token).upper())
        )

    def forged_borrowed_signature(self, case: Case) -> Call:
        return self.call(self.fields(case.unpaid), json.loads(case.paid.body)["signature"])

    def forged_changed_field(self, case: Case) -> Call:
        fields, chance = json.loads(case.paid.body), case.chance
        name = chance.choice([*FIELDS, "signature"])
        odd = {"amount": ODD_UNITS, "status": (*ODD_UNITS, 1, 3, "paid")}.get(name, ODD_TEXT)
        fields[name] = chance.choice([*odd, f"{fields[name]}0", case.unpaid["out_trade_no"], None, [fields[name]]])
        return replace(case.paid, body=as_json(fields))

    def forged_missing_field(self, case: Case) -> Call:
        fields = json.loads(case.paid.body)
        # The hash of the payment on its chain is not known to every server.
        del fields[case.chance.choice([*FIELDS, "signature"])]
        return replace(case.paid, body=as_json(fields))

    def forged_added_field(self, case: Case) -> Call:
        name = case.chance.choice(["Amount", "amount ", "fiat", "money", "a", "", "__proto__"])
        value = case.chance.choice(["1.00", 1, True, None, {}, {"amount": 1}, case.unpaid["out_trade_no"]])
        return replace(case.paid, body=as_json({**json.loads(case.paid.body), name: value}))

    def forged_doubled_field(self, case: Case) -> Call:
        name = case.chance.choice([*FIELDS, "signature"])
        value = case.chance.choice([case.unpaid["out_trade_no"], json.loads(case.paid.body)[name]])
        more = as_json({name: value})[1:-1]
        body = case.paid.body
        return replace(
            case.paid, body=case.chance.choice([body[:-1] + b"," + more + b"}", b"{" + more + b"," + body[1:]])
        )

    def forged_as_a_form(self, case: Case) -> Call:
        told = json.loads(case.paid.body)
        content = "&".join(f"{name}={value}" for name, value in told.items())
        as_query = case.chance.random() < 0.5
        body, query = (case.paid.body, content) if as_query else (content.encode(), "")
        return replace(case.paid, body=body, query=query.replace(" ", "+"))

    def forged_wrapped(self, case: Case) -> Call:
        """In an envelope, in a list, in a text."""
        told = json.loads(case.paid.body)
        return replace(case.paid, body=as_json(case.chance.choice([{"data": told}, [told], case.paid.body.decode()])))

    def forged_other_encoding(self, case: Case) -> Call:
        odd = case.chance.choice(ODD_BYTES)
        body = case.paid.body
        return replace(
            case.paid, body=case.chance.choice([odd + body, body[:-1] + b',"x":"' + odd + b'"}', body + odd])
        )

    def forged_respelled(self, case: Case) -> Call:
        """Numbers are signed as the server writes them: another spelling of the same sum is another text."""
        fields = json.loads(case.paid.body)
        fields["amount"] = "@"
        spelled = case.chance.choice(
            [b"1.00", b"1.0", b"10e-1", b"1E0", b'"1.00"', b"01", b"+1", b"0x1", b"1.0000000001"]
        )
        return replace(case.paid, body=as_json(fields).replace(b'"@"', spelled))

    # With the token

    def stolen_odd_amount(self, case: Case) -> Call:
        amount = case.chance.choice([0, -100, 1e30, 10**30, "１００", "", "1e2", 0.001, " 1", "NaN"])
        return self.signed(self.fields(case.unpaid, amount=amount))

    def stolen_without_a_number(self, case: Case) -> Call:
        name = case.chance.choice(["order_id", "trade_id"])
        return self.signed(self.fields(case.unpaid, **{name: case.chance.choice(["", "P1\0", "\0"])}))

    # With the token, and right in form: the server is asked, and the shop knows what it asked for

    def signed_unpaid(self, case: Case) -> Call:
        return self.signed(self.fields(case.unpaid))

    def signed_for_nobody(self, case: Case) -> Call:
        fields = self.fields(case.unpaid, order_id=f"P{case.chance.randrange(10**18)}")
        return self.signed(
            fields | {"trade_id": case.chance.choice([fields["trade_id"], "no/such?trade", "../../x", "é"])}
        )

    def signed_trade_of_another(self, case: Case) -> Call:
        """What somebody else paid, told of an order that nobody paid."""
        number = case.chance.choice([case.unpaid["out_trade_no"], f"P{case.chance.randrange(10**18)}"])
        return self.signed(self.fields(case.unpaid, order_id=number, trade_id=json.loads(case.paid.body)["trade_id"]))

    def signed_other_amount(self, case: Case) -> Call:
        """About a trade that was paid, with more than was asked for it."""
        told = {name: value for name, value in json.loads(case.paid.body).items() if name != "signature"}
        return self.signed(told | {"amount": case.chance.choice([0.01, 1000, 99999.99])})
