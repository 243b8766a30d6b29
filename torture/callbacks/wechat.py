"""WeChat Pay v3: headers that sign the body, and in the body a resource that the APIv3 key has sealed."""

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from sandbox import rsa
from sandbox.faults import Faults
from sandbox.wechat.keys import serial_of
from sandbox.wechat.signing import SCHEME, as_body, response_headers, sealed, signed_text, unsealed
from sandbox.wechat.tongue import WechatTongue
from torture.callbacks.base import ODD_TEXT, Call, Case, Keys
from torture.callbacks.bodies import JSON, ODD_UNITS, BodyProtocol
from torture.callbacks.forms import random_base64

SIGNATURE, SERIAL = "Wechatpay-Signature", "Wechatpay-Serial"
TIMESTAMP, NONCE, TYPE = "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature-Type"
HEADERS = (SIGNATURE, SERIAL, TIMESTAMP, NONCE, TYPE)


class Wechat(BodyProtocol):
    name, pays_by = "wechat", "wxpay"

    def __init__(self, keys: Keys) -> None:
        own = keys["wechat"]
        tongue = WechatTongue(None, Faults(), dict(own))  # type: ignore[arg-type]
        # By turns with the public key and the certificate: a shop may know both.
        tongue.callbacks = "mixed"
        super().__init__(tongue, keys)
        self.own = own
        self.platform, self.serial = rsa.private(own["platform_private"]), own["public_key_id"]
        self.unknown = rsa.private(own["certificate_2_private"])
        self.unknown_serial = serial_of(own["certificate_2"])
        self.merchant = rsa.private(own["merchant_private"])
        self.strange = rsa.private(keys["alipay"]["platform_private"])

    def accepts(self, status: int, text: str) -> bool:
        return 200 <= status < 300

    def told(self, order: dict, **other: Any) -> dict:
        """What the resource of a paid order holds."""
        found = self.tongue._payment(self.as_if_paid(order))  # type: ignore[attr-defined]
        return found | {"trade_state": "SUCCESS"} | other

    def body(self, told: Any, *, event: str = "TRANSACTION.SUCCESS", api_key: str = "", **resource: Any) -> str:
        """The body that tells `told`; `resource` are other values of the sealed resource."""
        about = resource.pop("about", "transaction")
        found = sealed(as_body(told), api_key=api_key or self.own["api_key"], about=about)
        envelope = {
            "id": f"torture-{time.time_ns()}",
            "create_time": "2026-11-30T12:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": {"original_type": "transaction", **found, **resource},
        }
        return as_body(envelope)

    def signed(
        self, body: str, *, key: RSAPrivateKey | None = None, serial: str = "", ago: float = 0.0, **headers: str | None
    ) -> Call:
        """Under a signature of `key` made so many seconds ago; `headers` are changed afterwards, None left out."""
        made = response_headers(body, at=time.time() - ago, serial=serial or self.serial, key=key or self.platform)
        call = Call(method="POST", body=body.encode(), content_type=JSON, headers=tuple(made.items()))
        for name, text in headers.items():
            call = call.with_header(name.replace("_", "-"), text)
        return call

    def events(self, order: dict) -> Sequence[Call]:
        genuine = self.genuine(order)
        failed = self.body(self.told(order, trade_state="PAYERROR"))
        cheaper = self.told(order, amount={"total": 1, "currency": "CNY"})
        return [
            genuine,
            self.signed(failed),
            replace(genuine, headers=()),
            replace(genuine, body=self.body(cheaper).encode()),
            self.signed(self.body(self.told(order)), ago=3600),
        ]

    def means(self, call: Call) -> object:
        headers = {name: call.header(name).strip() for name in HEADERS}
        try:
            signature: object = base64.b64decode(headers.pop(SIGNATURE), validate=True)
        except ValueError:
            signature = call.header(SIGNATURE)
        headers[TYPE] = headers[TYPE] or SCHEME
        return call.method, call.body, signature, sorted(headers.items())

    # Headers

    def forged_without_headers(self, case: Case) -> Call:
        return replace(self.signed(self.body(self.told(case.unpaid))), headers=())

    def forged_missing_header(self, case: Case) -> Call:
        return case.paid.with_header(case.chance.choice(HEADERS[:4]), None)

    def forged_changed_header(self, case: Case) -> Call:
        chance = case.chance
        name = chance.choice(HEADERS)
        odd = {
            SERIAL: ("", self.unknown_serial, self.own["merchant_serial"], self.serial.lower(), f"{self.serial}0", "*"),
            TIMESTAMP: (str(int(time.time()) - chance.choice([1, 60, 301])), "", "0", "-1", "1e9", "now", "9" * 30),
            NONCE: ("", "0" * 32, case.paid.header(NONCE).lower()[::-1], "x" * 4000, "'; --"),
            TYPE: ("WECHATPAY2-SHA1-RSA2048", "WECHATPAY2-SM2-WITH-SM3", "none", SCHEME.lower(), f"{SCHEME} "[::-1]),
            SIGNATURE: (random_base64(chance), "", "AAAA", case.paid.header(SIGNATURE)[:-8], "é", "====", "[]"),
        }
        return case.paid.with_header(name, chance.choice(odd[name]))

    def forged_doubled_header(self, case: Case) -> Call:
        name = case.chance.choice(HEADERS[:4])
        other = {SIGNATURE: random_base64(case.chance), TIMESTAMP: "0"}.get(name, case.paid.header(name)[::-1])
        pair = (name, other or "x")
        return replace(case.paid, headers=case.chance.choice([(pair, *case.paid.headers), (*case.paid.headers, pair)]))

    def forged_probe(self, case: Case) -> Call:
        """As WeChat's own, which look whether signatures are checked at all."""
        call = self.signed(self.body(self.told(case.unpaid)))
        tail = case.chance.choice([call.header(SIGNATURE), random_base64(case.chance), ""])
        return call.with_header(SIGNATURE, f"WECHATPAY/SIGNTEST/{tail}")

    def forged_borrowed_headers(self, case: Case) -> Call:
        return replace(case.paid, body=self.body(self.told(case.unpaid)).encode())

    def forged_kept_for_later(self, case: Case) -> Call:
        """Genuine once, too old by now; or of a clock that is far ahead."""
        ago = case.chance.choice([330, 3600, 86_400, -330, -3600, -86_400 * 365])
        return self.signed(self.body(self.told(case.unpaid)), ago=ago)

    def forged_new_date(self, case: Case) -> Call:
        old = self.signed(self.body(self.told(case.unpaid)), ago=86_400)
        return old.with_header(TIMESTAMP, str(int(time.time())))

    # Keys

    def forged_by_another_key(self, case: Case) -> Call:
        """Our own key, another gateway's, a certificate that was never offered: under its own serial number or ours."""
        key = case.chance.choice([self.merchant, self.strange, self.unknown])
        serial = case.chance.choice([self.serial, self.unknown_serial, self.own["merchant_serial"]])
        return self.signed(self.body(self.told(case.unpaid)), key=key, serial=serial)

    def forged_weaker_signature(self, case: Case) -> Call:
        body = self.body(self.told(case.unpaid))
        call = self.signed(body)
        text = signed_text(call.header(TIMESTAMP), call.header(NONCE), body).encode()
        weak = [
            self.platform.sign(text, padding.PKCS1v15(), SHA1()),  # noqa: S303
            self.platform.sign(text, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
        ]
        return call.with_header(SIGNATURE, base64.b64encode(case.chance.choice(weak)).decode())

    def forged_signature_of_other_lines(self, case: Case) -> Call:
        """Without the last line feed, without the nonce, of the body alone."""
        body = self.body(self.told(case.unpaid))
        call = self.signed(body)
        at, nonce = call.header(TIMESTAMP), call.header(NONCE)
        text = case.chance.choice([f"{at}\n{nonce}\n{body}", f"{at}\n{body}\n", body, f"{nonce}\n{at}\n{body}\n"])
        return call.with_header(SIGNATURE, rsa.signature(text, self.platform))

    # The gateway's signature over what no gateway says

    def stolen_wrongly_sealed(self, case: Case) -> Call:
        chance, told = case.chance, self.told(case.unpaid)
        right = sealed(as_body(told), api_key=self.own["api_key"], about="transaction")
        cipher = bytearray(base64.b64decode(right["ciphertext"]))
        cipher[chance.choice([0, len(cipher) // 2, -16, -1])] ^= 1 << chance.randrange(8)
        bent = base64.b64encode(cipher).decode()
        odd: dict[str, Sequence[Any]] = {
            "ciphertext": (
                bent,
                right["ciphertext"][:-24],
                "",
                "====",
                None,
                1,
                [right["ciphertext"]],
                random_base64(chance),
            ),
            "nonce": ("", "0" * 12, right["nonce"][:-1], right["nonce"] * 2, None, 12, "é" * 12),
            "associated_data": ("", "refund", "transaction ", None, ["transaction"]),
            "algorithm": ("AEAD_AES_128_GCM", "AES-256-CBC", "none", "", None, "AEAD_SM4_GCM"),
        }
        name = chance.choice(sorted(odd))
        return self.signed(self.body(told, **{**right, name: chance.choice(odd[name])}))

    def stolen_sealed_with_another_key(self, case: Case) -> Call:
        wrong = [self.own["api_key"][::-1], "0" * 32, self.own["api_key"].upper().swapcase()[::-1]]
        return self.signed(self.body(self.told(case.unpaid), api_key=case.chance.choice(wrong)))

    def stolen_not_sealed(self, case: Case) -> Call:
        told = self.told(case.unpaid)
        resource = case.chance.choice([told, as_body(told), [told], None, 1, {"ciphertext": as_body(told)}])
        envelope = {"id": "x", "event_type": "TRANSACTION.SUCCESS", "resource": resource, **told}
        return self.signed(as_body(envelope))

    def stolen_for_another_merchant(self, case: Case) -> Call:
        name = case.chance.choice(["mchid", "appid"])
        return self.signed(self.body(self.told(case.unpaid, **{name: case.chance.choice(["1900000002", "", None, 1])})))

    def stolen_odd_amount(self, case: Case) -> Call:
        odd = [one for one in ODD_UNITS if one != "100"]
        amount = case.chance.choice(
            [*({"total": one, "currency": "CNY"} for one in odd), None, [], 100, {"currency": "CNY"}]
        )
        return self.signed(self.body(self.told(case.unpaid, amount=amount)))

    def stolen_other_currency(self, case: Case) -> Call:
        currency = case.chance.choice(["USD", "cny", "HKD", "", None, 156])
        return self.signed(self.body(self.told(case.unpaid, amount={"total": 100, "currency": currency})))

    def stolen_without_a_number(self, case: Case) -> Call:
        name = case.chance.choice(["out_trade_no", "transaction_id"])
        return self.signed(self.body(self.told(case.unpaid, **{name: case.chance.choice(["", None, [], {}, "P1\0"])})))

    def stolen_doubled_field(self, case: Case) -> Call:
        body = self.body(self.told(case.unpaid))
        more = case.chance.choice([',"resource":{}}', ',"event_type":"TRANSACTION.SUCCESS"}'])
        return self.signed(body[:-1] + more)

    def stolen_odd_resource(self, case: Case) -> Call:
        told = case.chance.choice([[], "x", 1, None, [self.told(case.unpaid)], {}, *ODD_TEXT])
        return self.signed(self.body(told))

    def signed_used_transaction(self, case: Case) -> Call:
        """What somebody else paid, told of an order that nobody paid, or of none."""
        number = case.chance.choice([case.unpaid["out_trade_no"], f"P{case.chance.randrange(10**18)}"])
        told = unsealed(json.loads(case.paid.body)["resource"], self.own["api_key"])
        return self.signed(self.body(told | {"out_trade_no": number}))
