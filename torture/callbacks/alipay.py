"""Alipay: a form that is posted, signed with RSA2 over every field, empty ones too."""

from sandbox.alipay.tongue import AlipayTongue, notify_text, request_text
from sandbox.faults import Faults
from sandbox.rsa import signature
from torture.callbacks.base import Call, Case, Keys
from torture.callbacks.forms import Fields, RsaForms


class Alipay(RsaForms):
    name, pays_by = "alipay", "alipay"
    money, sign_type = "total_amount", "RSA2"
    other_algorithms = ("RSA", "MD5", "SHA1", "none", "rsa2", "RSA2 ", "0", "SM2")
    signs_empty = True

    def __init__(self, keys: Keys) -> None:
        super().__init__(AlipayTongue(None, Faults(), dict(keys["alipay"])), keys)  # type: ignore[arg-type]

    def text(self, fields: Fields) -> str:
        return notify_text(fields)

    def forged_signed_as_a_request(self, case: Case) -> Call:
        """Requests leave empty fields out."""
        fields = self.fields(case.unpaid)
        return self.call(case, fields, signature(request_text(fields), self.platform))

    def forged_changed_charset(self, case: Case) -> Call:
        fields = self.told(case.paid) | {"charset": case.chance.choice(["gbk", "GBK", "utf-16", "", "utf-7"])}
        return self.call(case, fields)

    def stolen_for_another_application(self, case: Case) -> Call:
        app = case.chance.choice(["2021000000000002", "", "0", f"{self.keys[self.name]['app_id']} "])
        return self.signed(case, self.fields(case.unpaid, app_id=app))

    def stolen_for_another_seller(self, case: Case) -> Call:
        seller = case.chance.choice(["2088000000000002", "", "0"])
        return self.signed(case, self.fields(case.unpaid, seller_id=seller))
