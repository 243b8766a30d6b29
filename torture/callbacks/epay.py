"""易支付: V1, a GET signed with MD5, and V2, a dated GET signed with RSA."""

import time
from collections.abc import Sequence
from urllib.parse import urlencode

from sandbox.epay.merchants import DEMO_KEY, Merchant
from sandbox.epay.signing import signature
from sandbox.epay.tongue import EpayTongue
from sandbox.epay_v2.tongue import EpayV2Tongue, signed_text
from sandbox.faults import Faults
from sandbox.tongue import Kind
from torture.callbacks.base import Call, Case, Keys
from torture.callbacks.forms import Fields, FormProtocol, RsaForms
from torture.stage import MERCHANT, MERCHANT_KEY


class EpayV1(FormProtocol):
    name, pays_by, http = "epay", "alipay", "GET"
    money, sign_type = "money", "MD5"
    other_algorithms = ("RSA", "RSA2", "SHA1", "none", "md5", "MD5 ", "0", "HMAC-SHA256")

    def __init__(self, keys: Keys) -> None:
        super().__init__(EpayTongue(None, Faults(), {MERCHANT: Merchant(MERCHANT, MERCHANT_KEY)}), keys)  # type: ignore[arg-type]

    def signature(self, fields: Fields) -> str:
        return signature(fields, MERCHANT_KEY)

    def events(self, order: dict) -> Sequence[Call]:
        """Whoever has broken the key signs another amount and another transaction; the gateway says otherwise."""
        genuine, fields = self.genuine(order), self.fields(order)
        return [
            *super().events(order)[:3],
            self.signed(genuine, fields | {"money": "0.01"}),
            self.signed(genuine, fields | {"trade_no": "2026000000000000000001"}),
        ]

    # Without the key

    def forged_guessed_key(self, case: Case) -> Call:
        guesses = ["key", "123456", MERCHANT, "undefined", "null", DEMO_KEY, MERCHANT_KEY[:-1], MERCHANT_KEY.upper()]
        fields = self.fields(case.unpaid)
        return self.call(
            case, fields, signature(fields, case.chance.choice([*guesses, case.chance.randbytes(16).hex()]))
        )

    def forged_empty_key(self, case: Case) -> Call:
        fields = self.fields(case.unpaid)
        return self.call(case, fields, signature(fields, "", case.chance.choice(["plain", "key"])))

    def forged_another_way_to_sign(self, case: Case) -> Call:
        """As clones do, with &key=; and in capitals."""
        fields = self.fields(case.unpaid)
        sign = case.chance.choice([signature(fields, MERCHANT_KEY, "key"), signature(fields, MERCHANT_KEY).upper()])
        return self.call(case, fields, sign)

    def forged_random_signature(self, case: Case) -> Call:
        length = case.chance.choice([1, 31, 32, 33, 64])
        sign = "".join(case.chance.choices(case.chance.choice(["0123456789abcdef", "ABCDEF", "０１２"]), k=length))
        return self.call(case, self.fields(case.unpaid), sign)

    # With the key: the gateway itself is asked, and knows better

    def signed_unpaid(self, case: Case) -> Call:
        return self.signed(case, self.fields(case.unpaid))

    def signed_for_nobody(self, case: Case) -> Call:
        return self.signed(case, self.fields(case.unpaid, out_trade_no=f"P{case.chance.randrange(10**18)}"))

    def stolen_for_another_merchant(self, case: Case) -> Call:
        return self.signed(case, self.fields(case.unpaid, pid=case.chance.choice(["1001", "", "0", f" {MERCHANT}"])))

    def signed_transaction_of_another(self, case: Case) -> Call:
        """What somebody else paid, told of an order that nobody paid."""
        return self.signed(case, self.fields(case.unpaid, trade_no=self.told(case.paid)["trade_no"]))


class EpayV2(RsaForms):
    name, pays_by, http = "epay_v2", "bank", "GET"
    money, sign_type = "money", "RSA"
    other_algorithms = ("RSA2", "MD5", "SHA1", "none", "rsa", "RSA ", "0", "HMAC")

    def __init__(self, keys: Keys) -> None:
        super().__init__(EpayV2Tongue(None, Faults(), dict(keys["epay_v2"])), keys)  # type: ignore[arg-type]

    def text(self, fields: Fields) -> str:
        return signed_text(fields)

    def forged_in_the_manner_of_v1(self, case: Case) -> Call:
        fields = self.fields(case.unpaid)
        key = case.chance.choice(["", MERCHANT_KEY, self.keys[self.name]["pid"], DEMO_KEY])
        return self.call(case, fields, signature(fields, key), case.chance.choice(["MD5", "RSA"]))

    def forged_new_date(self, case: Case) -> Call:
        """A callback of long ago under today's date: the date is signed."""
        old = self.letter(self.as_if_paid(case.unpaid), Kind.RESULT, at=time.time() - 86_400)
        content = urlencode(self.told(old) | {"timestamp": str(int(time.time()))})
        return self.carrying(case.paid, content.encode())

    def forged_kept_for_later(self, case: Case) -> Call:
        """Genuine once, too old by now; or of a gateway whose clock is far ahead."""
        at = time.time() + case.chance.choice([-86_400, -3600, -330, 330, 3600, 86_400 * 365])
        return self.letter(self.as_if_paid(case.unpaid), Kind.RESULT, at=at)

    def stolen_odd_date(self, case: Case) -> Call:
        odd = ["", " ", "0", "-1", "1e10", "９９９", "99999999999999", "now", "2026-11-30 12:00:00", "1.7e9"]
        return self.signed(case, self.fields(case.unpaid, timestamp=case.chance.choice(odd)))

    def stolen_for_another_merchant(self, case: Case) -> Call:
        pid = self.keys[self.name]["pid"]
        return self.signed(
            case, self.fields(case.unpaid, pid=case.chance.choice(["1000", "", "0", f"{pid}0", f" {pid}"]))
        )
