"""Alipay as a provider. Amounts are yuan with two decimals; times are Beijing's.

A precreated payment is no trade until its code was scanned: the query then says that there is none, which is "unpaid" as
far as we are concerned. Sources: Alipay's documents and SDKs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlencode

from common.clock import SHANGHAI
from payments import rsa
from payments.alipay.signing import SIGN_TYPE, is_notify_signed, sign_request, signed_part
from payments.providers import (
    Charge,
    Created,
    Device,
    Foreign,
    Notice,
    NotifyRefused,
    Outcome,
    PaymentState,
    Queried,
    RawNotify,
    Refunded,
    Show,
)
from payments.replies import Said, Unreadable, read_fields, read_money, read_notified_money, write_money
from payments.rsa_provider import RsaAccount, RsaProvider
from payments.transport import Ask, NoAnswer, origin_of

OK = "10000"
BUSINESS_FAILURE = "40004"
# Missing or invalid arguments, a business failure, no right to do it. Trouble on Alipay's own side has other codes, and its
# own sub_codes (isp, aop, SYSTEM_ERROR): after that it is open what became of the request.
FAILURES = frozenset({"40001", "40002", BUSINESS_FAILURE, "40006"})
REFUSALS = ("ACQ.", "isv.")
SYSTEM_ERROR = "SYSTEM_ERROR"
PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
STATES = {
    "WAIT_BUYER_PAY": PaymentState.UNPAID,
    "TRADE_SUCCESS": PaymentState.PAID,
    "TRADE_FINISHED": PaymentState.PAID,
    # Not paid in time, or refunded in full.
    "TRADE_CLOSED": PaymentState.CLOSED,
}
NO_TRADE = "ACQ.TRADE_NOT_EXIST"
SUBJECT_CHARACTERS = 128
# Characters that Alipay does not take in a subject.
_NOT_IN_SUBJECT = str.maketrans(dict.fromkeys("/=&", " "))


class AlipayProduct(StrEnum):
    """What the merchant has signed up for: codes are 当面付, pages 电脑网站支付, wap 手机网站支付."""

    CODE_AND_WAP = "code_wap"
    PAGE_AND_WAP = "page_wap"
    CODE = "code"


@dataclass(frozen=True, kw_only=True)
class AlipayAccount(RsaAccount):
    """An application. `gateway` is the whole address; `seller_id` is who gets the money, without which no notify is believed."""

    app_id: str
    seller_id: str
    product: AlipayProduct = AlipayProduct.CODE_AND_WAP


class AlipayProvider(RsaProvider):
    account: AlipayAccount

    def create(self, charge: Charge) -> Created:
        product = self.account.product
        if charge.device == Device.PC and product == AlipayProduct.PAGE_AND_WAP:
            content = self._content(charge) | {"product_code": "FAST_INSTANT_TRADE_PAY"}
            return self._page("alipay.trade.page.pay", content, charge)
        if charge.device == Device.PC or product == AlipayProduct.CODE:
            return self._precreated(charge)
        content = self._content(charge) | {"product_code": "QUICK_WAP_PAY", "quit_url": charge.return_url}
        return self._page("alipay.trade.wap.pay", content, charge)

    def _precreated(self, charge: Charge) -> Created:
        """A code on our page for whoever sits before a screen; on a phone it is a link that opens Alipay."""
        try:
            said = self._ask("alipay.trade.precreate", self._content(charge), notify_url=charge.notify_url)
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        reply = said.fields
        if reply.get("code") != OK:
            return Created(outcome=_no(said), reason=_reason(reply))
        code = reply.get("qr_code", "")
        if reply.get("out_trade_no") != charge.number or not code or len(code) > 1000 or not code.isprintable():
            return Created(outcome=Outcome.REFUSED, reason="no code in the reply")
        return Created(outcome=Outcome.DONE, show=Show.QR, payload=code)

    def _page(self, method: str, content: Mapping[str, str], charge: Charge) -> Created:
        """The signed address of Alipay's own page. Calls nobody."""
        fields = self._signed(method, content, notify_url=charge.notify_url, return_url=charge.return_url)
        return Created(outcome=Outcome.DONE, show=Show.PAGE, payload=f"{self.account.gateway}?{urlencode(fields)}")

    def _content(self, charge: Charge) -> dict[str, str]:
        subject = charge.subject.translate(_NOT_IN_SUBJECT).strip()[:SUBJECT_CHARACTERS] or charge.number
        return {
            "out_trade_no": charge.number,
            "total_amount": write_money(charge.amount),
            "subject": subject,
            "time_expire": _beijing(charge.expires_at),
        }

    def verify_notify(self, raw: RawNotify) -> Notice:
        if raw.method != "POST":
            raise NotifyRefused("method")
        fields = read_fields(raw)
        if not is_notify_signed(fields, self._gateway_key):
            raise NotifyRefused("signature")
        told, ours = (fields.get("app_id"), fields.get("seller_id")), (self.account.app_id, self.account.seller_id)
        if told != ours or not all(ours):
            raise NotifyRefused("merchant")
        number, provider_txn = fields.get("out_trade_no", ""), fields.get("trade_no", "")
        if not number or not provider_txn:
            raise NotifyRefused("form")
        amount = read_notified_money(fields.get("total_amount"))
        status = fields.get("trade_status", "")
        # A refund tells of itself with the status of the payment: it is no second payment.
        paid = status in PAID and not fields.get("refund_fee")
        return Notice(
            number=number, provider_txn=provider_txn[:64], amount=amount, paid=paid, status=_status(fields, status)
        )

    def query(self, number: str, *, ref: str = "") -> Queried:
        try:
            said = self._ask("alipay.trade.query", {"out_trade_no": number})
            return self._queried(said, number)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))

    def _queried(self, said: Said, number: str) -> Queried:
        reply = said.fields
        if reply.get("code") != OK:
            missing = _no(said) == Outcome.REFUSED and reply.get("sub_code") == NO_TRADE
            # Precreated and not scanned yet, or never precreated: nothing was paid either way.
            return Queried(state=PaymentState.UNPAID if missing else PaymentState.UNKNOWN, reason=_reason(reply))
        if reply.get("out_trade_no") != number:
            raise Unreadable("another order")
        state = STATES.get(reply.get("trade_status", ""), PaymentState.UNKNOWN)
        provider_txn = reply.get("trade_no", "")[:64]
        if state != PaymentState.PAID:
            return Queried(state=state, provider_txn=provider_txn)
        if not provider_txn:
            raise Unreadable("trade_no")
        return Queried(state=state, provider_txn=provider_txn, amount=read_money(reply.get("total_amount")))

    def close(self, number: str, *, ref: str = "") -> Outcome:
        try:
            said = self._ask("alipay.trade.close", {"out_trade_no": number})
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        # What was never scanned is no trade yet, and cannot be closed: its code ends by itself (time_expire).
        return Outcome.DONE if said.fields.get("code") == OK else _no(said)

    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        """A repeat under the same refund number gives nothing back a second time."""
        content = {
            "trade_no": provider_txn,
            "refund_amount": write_money(amount),
            "out_request_no": refund_number,
        }
        try:
            said = self._ask("alipay.trade.refund", content)
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        reply = said.fields
        if reply.get("code") != OK:
            return Refunded(outcome=_no(said), reason=_reason(reply))
        if reply.get("fund_change") == "Y":
            return Refunded(outcome=Outcome.DONE, provider_refund=reply.get("trade_no", "")[:64])
        # No money moved by this call: it was a repeat, or the refund is still under way.
        return Refunded(outcome=Outcome.UNKNOWN, reason="fund_change N")

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        content = {"out_trade_no": number, "out_request_no": refund_number}
        try:
            reply = self._ask("alipay.trade.fastpay.refund.query", content).fields
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if reply.get("code") != OK:
            return Refunded(outcome=Outcome.UNKNOWN, reason=_reason(reply))
        # An answer without the refund's number and status means that there is no such refund.
        if reply.get("refund_status") == "REFUND_SUCCESS" and reply.get("out_request_no") == refund_number:
            return Refunded(outcome=Outcome.DONE, provider_refund=reply.get("trade_no", "")[:64])
        status = reply.get("refund_status", "")
        return Refunded(outcome=Outcome.UNKNOWN, reason=status[:200] or "no such refund", missing=not status)

    def browser_hosts(self) -> list[str]:
        return [origin_of(self.account.gateway)]

    def _signed(self, method: str, content: Mapping[str, str], **more: str) -> dict[str, str]:
        fields = {
            "app_id": self.account.app_id,
            "method": method,
            "charset": "utf-8",
            "sign_type": SIGN_TYPE,
            "timestamp": _beijing(self._now()),
            "version": "1.0",
            "biz_content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
            **more,
        }
        return fields | {"sign": sign_request(fields, self._own_key)}

    def _ask(self, method: str, content: Mapping[str, str], **more: str) -> Said:
        """An answer, its fields as text. A yes is signed; what Alipay refuses for form it may leave unsigned.

        Raises NoAnswer, Unreadable.
        """
        body = urlencode(self._signed(method, content, **more)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"}
        answer = self._exchange(Ask("POST", self.account.gateway, body, headers))
        try:
            text = answer.body.decode("utf-8")
            part, sign = signed_part(text, f"{method.replace('.', '_')}_response")
        except (ValueError, RecursionError):
            raise Unreadable(f"HTTP {answer.status}") from None
        reply = json.loads(part, parse_float=str, parse_int=str)
        if not isinstance(reply, dict):
            raise Unreadable("json")
        signed = rsa.is_signed(part.encode(), sign, self._gateway_key)
        if not signed and (sign or reply.get("code") == OK):
            raise Unreadable("signature")
        fields = {name: value for name, value in reply.items() if isinstance(value, str)}
        return Said(answer.status, fields, signed)


def _no(said: Said) -> Outcome:
    code, sub_code = said.fields.get("code"), said.fields.get("sub_code", "")
    return said.no(documented=code in FAILURES and sub_code.startswith(REFUSALS) and SYSTEM_ERROR not in sub_code)


def _status(fields: Mapping[str, str], status: str) -> str:
    return ("REFUND " + status if fields.get("refund_fee") else status)[:40]


def _reason(reply: Mapping[str, str]) -> str:
    """Why Alipay said no, for staff."""
    words = [reply.get("sub_code", ""), reply.get("sub_msg", "") or reply.get("msg", "")]
    return " ".join(filter(None, words)).replace("\0", "")[:200] or f"code {reply.get('code', '')[:20]}"


def _beijing(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
