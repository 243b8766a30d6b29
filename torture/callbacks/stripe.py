"""Stripe: events whose body a header signs, `t=<seconds>,v1=<hex>`."""

import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5, sha1, sha256, sha512
from typing import Any

from sandbox.faults import Faults
from sandbox.stripe.tongue import StripeTongue
from torture.callbacks.base import Call, Case, Keys
from torture.callbacks.bodies import JSON, ODD_UNITS, BodyProtocol, as_json

HEADER = "Stripe-Signature"


class Stripe(BodyProtocol):
    name, pays_by = "stripe", "card"

    def __init__(self, keys: Keys) -> None:
        # The address is the account's; what is written does not depend on it.
        tongue = StripeTongue(None, Faults(), dict(keys["stripe"]), "http://shop.invalid/")  # type: ignore[arg-type]
        super().__init__(tongue, keys)
        self.secret, self.secret_key = keys["stripe"]["webhook_secret"], keys["stripe"]["secret_key"]

    def accepts(self, status: int, text: str) -> bool:
        return 200 <= status < 300

    def event(self, order: dict, **session: Any) -> dict:
        """That the order's session was paid; `session` are other values of it."""
        told = json.loads(self.genuine(self.as_if_paid(order)).body)
        told["data"]["object"] |= session
        return told

    def v1(self, body: bytes, at: object, secret: str | None = None, by: Any = sha256) -> str:
        key = self.secret if secret is None else secret
        return hmac.new(key.encode(), f"{at}.".encode() + body, by).hexdigest()

    def call(self, told: Any, header: str | None = None, *, ago: int = 0) -> Call:
        """Under this header; None: rightly signed so many seconds ago."""
        body = told if isinstance(told, bytes) else as_json(told)
        at = int(time.time()) - ago
        signed = f"t={at},v1={self.v1(body, at)}" if header is None else header
        return Call(method="POST", body=body, content_type=JSON, headers=((HEADER, signed),))

    def events(self, order: dict) -> Sequence[Call]:
        genuine = self.genuine(order)
        failed = self.event(order, payment_status="unpaid") | {"type": "checkout.session.async_payment_failed"}
        return [
            genuine,
            self.call(failed),
            replace(genuine, headers=()),
            replace(genuine, body=as_json(self.event(order, amount_total=1))),
            self.call(self.event(order), ago=3600),
        ]

    def means(self, call: Call) -> object:
        pairs = [part.strip().partition("=")[::2] for part in call.header(HEADER).split(",")]
        return call.method, call.body, sorted(pair for pair in pairs if pair[0] in ("t", "v1"))

    # The header

    def forged_without_a_header(self, case: Case) -> Call:
        return replace(self.call(self.event(case.unpaid)), headers=())

    def forged_odd_header(self, case: Case) -> Call:
        body, now = as_json(self.event(case.unpaid)), int(time.time())
        right = self.v1(body, now)
        odd = [
            "",
            ",",
            "t",
            "=",
            f"t={now}",
            f"v1={right}",
            f"t=,v1={right}",
            f"t={now},v1=",
            f"t={now};v1={right}",
            f"v1={right},t={now},t={now - 1}",
            f"T={now},V1={right}",
            f"t={now},v1={right.upper()}",
            f"t={now},v1={right[:-1]}",
            f"t={now},v1={right}0",
            f"t={now},v1=sha256={right}",
            f"t={now}, v1 ={right}",
            f"t={now}.0,v1={self.v1(body, f'{now}.0')}",
            f"t=+{now},v1={self.v1(body, f'+{now}')}",
            f"t={'9' * 40},v1={right}",
            f"t=-1,v1={self.v1(body, -1)}",
            f"t={now},v1={'é' * 64}",
            ",".join(f"v1={number:064x}" for number in range(500)) + f",t={now}",
        ]
        return self.call(body, case.chance.choice(odd))

    def forged_older_scheme(self, case: Case) -> Call:
        """v0 is for tests; nobody may choose the scheme."""
        body, now = as_json(self.event(case.unpaid)), int(time.time())
        scheme = case.chance.choice(["v0", "v2", "v", "v10", "none"])
        return self.call(body, f"t={now},{scheme}={self.v1(body, now)}")

    def forged_weaker_digest(self, case: Case) -> Call:
        body, now = as_json(self.event(case.unpaid)), int(time.time())
        by = case.chance.choice([sha1, md5, sha512])
        made = case.chance.choice([self.v1(body, now, by=by), sha256(body).hexdigest(), sha256(b"").hexdigest()])
        return self.call(body, f"t={now},v1={made}")

    def forged_guessed_secret(self, case: Case) -> Call:
        """None, the name without its beginning, the account's other key, somebody else's."""
        secret, chance = self.secret, case.chance
        guesses = [
            "",
            secret.removeprefix("whsec_"),
            self.secret_key,
            "whsec_test",
            "whsec_",
            secret.upper(),
            secret[:-1],
        ]
        body, now = as_json(self.event(case.unpaid)), int(time.time())
        made = self.v1(body, now, chance.choice([*guesses, f"whsec_{chance.randbytes(16).hex()}"]))
        return self.call(body, f"t={now},v1={made}")

    def forged_borrowed_signature(self, case: Case) -> Call:
        return self.call(self.event(case.unpaid), case.paid.header(HEADER))

    def forged_new_date(self, case: Case) -> Call:
        body, now = as_json(self.event(case.unpaid)), int(time.time())
        return self.call(body, f"t={now},v1={self.v1(body, now - 86_400)}")

    def forged_kept_for_later(self, case: Case) -> Call:
        """Genuine once, too old by now; or of a clock that is far ahead."""
        ago = case.chance.choice([330, 3600, 86_400, -330, -3600, -86_400 * 365])
        return self.call(self.event(case.unpaid), ago=ago)

    def forged_without_its_date(self, case: Case) -> Call:
        """Signed over the body alone, and over another joint."""
        body, now = as_json(self.event(case.unpaid)), int(time.time())
        texts = [body, f"{now}".encode() + body, f"{now}:".encode() + body, body + f".{now}".encode()]
        made = hmac.new(self.secret.encode(), case.chance.choice(texts), sha256).hexdigest()
        return self.call(body, f"t={now},v1={made}")

    def forged_changed_field(self, case: Case) -> Call:
        told = json.loads(case.paid.body)
        name = case.chance.choice(
            ["amount_total", "client_reference_id", "currency", "payment_intent", "metadata", "id"]
        )
        odd = {"amount_total": ODD_UNITS, "client_reference_id": (case.unpaid["out_trade_no"],)}.get(
            name, ("x", None, {})
        )
        told["data"]["object"][name] = case.chance.choice(odd)
        return replace(case.paid, body=json.dumps(told, indent=2).encode())

    # The account's signature over what it does not say

    def stolen_odd_amount(self, case: Case) -> Call:
        return self.call(
            self.event(case.unpaid, amount_total=case.chance.choice([one for one in ODD_UNITS if one != "100"]))
        )

    def stolen_other_amount(self, case: Case) -> Call:
        """Another sum than was asked for in a foreign currency: it stands for no yuan that we know."""
        return self.call(self.event(case.unpaid, amount_total=case.chance.choice([1, 999, 10_000])))

    def stolen_other_currency(self, case: Case) -> Call:
        currency = case.chance.choice(["cny", "USD", "jpy", "", None, 1, []])
        return self.call(self.event(case.unpaid, currency=currency))

    def stolen_odd_metadata(self, case: Case) -> Call:
        odd = [None, [], "x", {}, {"asked": "14"}, {"asked": "1", "yuan": "1.00"}]
        return self.call(self.event(case.unpaid, metadata=case.chance.choice(odd)))

    def stolen_without_a_number(self, case: Case) -> Call:
        name = case.chance.choice(["client_reference_id", "payment_intent"])
        return self.call(self.event(case.unpaid, **{name: case.chance.choice(["", None, [], {}, "P1\0"])}))

    def stolen_doubled_field(self, case: Case) -> Call:
        body = as_json(self.event(case.unpaid))
        return self.call(body[:-1] + case.chance.choice([b',"data":{}}', b',"type":"checkout.session.completed"}']))

    def signed_used_transaction(self, case: Case) -> Call:
        """What somebody else paid, told of an order that nobody paid, or of none."""
        number = case.chance.choice([case.unpaid["out_trade_no"], f"P{case.chance.randrange(10**18)}"])
        intent = json.loads(case.paid.body)["data"]["object"]["payment_intent"]
        return self.call(self.event(case.unpaid, client_reference_id=number, payment_intent=intent))
