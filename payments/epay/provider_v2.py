"""易支付 V2 (RSA) as a provider: every request, answer and notify is signed and dated.

What the gateway refuses it does not sign, so that its no could be anybody's: it is asked what became of the request, and the
same is sent again under the same number. Source: EpayCore's SDK.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

from payments.epay.provider import MISSING, STATES, EpayMode, is_no, opens_a_payment, read_notice, short_number
from payments.epay.rsa_signing import SIGN_TYPE, sign, why_not_signed
from payments.epay.signing import safe_name
from payments.providers import (
    Charge,
    Created,
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
from payments.replies import Said, Unreadable, read_fields, read_money, read_reply, write_money
from payments.rsa_provider import RsaAccount, RsaProvider
from payments.transport import Ask, NoAnswer, origin_of

OK = "0"
MISSING_REFUND = re.compile(r"(退款|refund).{0,12}(不存在|未找到|not exist|not found)", re.IGNORECASE)
# What pay_info holds, by pay_type. HTML of a gateway does not get onto our pages.
WAYS = {"jump": Show.PAGE, "qrcode": Show.QR, "urlscheme": Show.APP}


@dataclass(frozen=True, kw_only=True)
class EpayV2Account(RsaAccount):
    pid: str
    mode: EpayMode = EpayMode.API

    def address(self, path: str) -> str:
        return f"{self.gateway.rstrip('/')}/api/pay/{path}"


class EpayV2Provider(RsaProvider):
    account: EpayV2Account

    def create(self, charge: Charge) -> Created:
        fields = {
            "type": charge.method,
            "out_trade_no": charge.number,
            "notify_url": charge.notify_url,
            "return_url": charge.return_url,
            "name": safe_name(charge.subject),
            "money": write_money(charge.amount),
        }
        if self.account.mode == EpayMode.PAGE:
            address = self.account.address("submit")
            return Created(outcome=Outcome.DONE, show=Show.FORM, payload=address, fields=self._signed(fields))
        try:
            said = self._ask(
                "create", {**fields, "method": "web", "device": charge.device, "clientip": charge.client_address}
            )
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.fields["code"] != OK:
            return Created(outcome=_no(said), reason=_reason(said.fields))
        return _presented(said.fields)

    def verify_notify(self, raw: RawNotify) -> Notice:
        fields = read_fields(raw)
        wrong = why_not_signed(fields, self._gateway_key, raw.received_at)
        if wrong:
            raise NotifyRefused(wrong)
        return read_notice(fields, self.account.pid)

    def query(self, number: str, *, ref: str = "") -> Queried:
        return self._query(number, {"out_trade_no": number})

    def confirm_second(self, notice: Notice) -> Queried:
        """Asked by the gateway's own number: by ours it could only tell of the first."""
        return self._query(notice.number, {"trade_no": notice.provider_txn})

    def _query(self, number: str, asked: Mapping[str, str]) -> Queried:
        try:
            said = self._ask("query", asked)
            return self._queried(said, number)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))

    def _queried(self, said: Said, number: str) -> Queried:
        reply = said.fields
        if reply["code"] != OK:
            reason = _reason(reply)
            missing = _no_of_anybody(said) == Outcome.REFUSED and MISSING.search(reason) is not None
            return Queried(state=PaymentState.MISSING if missing else PaymentState.UNKNOWN, reason=reason)
        if reply.get("out_trade_no") != number or reply.get("pid", self.account.pid) != self.account.pid:
            raise Unreadable("another order")
        state = STATES.get(reply.get("status", ""), PaymentState.UNKNOWN)
        provider_txn = short_number(reply.get("trade_no", ""))
        if state != PaymentState.PAID:
            return Queried(state=state, provider_txn=provider_txn)
        if not provider_txn:
            raise Unreadable("trade_no")
        return Queried(state=state, provider_txn=provider_txn, amount=read_money(reply.get("money")))

    def close(self, number: str, *, ref: str = "") -> Outcome:
        try:
            said = self._ask("close", {"out_trade_no": number})
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        # No money hangs on it: what is not closed is asked about further.
        return Outcome.DONE if said.fields["code"] == OK else _no_of_anybody(said)

    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        """Accepted is not yet refunded: `query_refund` tells. A repeat under the same number is the same refund."""
        asked = {"trade_no": provider_txn, "money": write_money(amount), "out_refund_no": refund_number}
        try:
            said = self._ask("refund", asked)
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.fields["code"] != OK:
            return Refunded(outcome=_no(said), reason=_reason(said.fields))
        provider_refund = short_number(said.fields.get("refund_no", ""))
        return Refunded(outcome=Outcome.UNKNOWN, provider_refund=provider_refund, reason="accepted")

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        """That there is none may be believed unsigned: the same is sent again under the same number, which is one refund."""
        try:
            said = self._ask("refundquery", {"out_refund_no": refund_number})
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        reply, reason = said.fields, _reason(said.fields)
        if reply["code"] != OK:
            missing = _no_of_anybody(said) == Outcome.REFUSED and MISSING_REFUND.search(reason) is not None
            return Refunded(outcome=Outcome.UNKNOWN, reason=reason, missing=missing)
        if reply.get("out_refund_no", refund_number) != refund_number:
            return Refunded(outcome=Outcome.UNKNOWN, reason="another refund")
        if reply.get("status") == "1":
            return Refunded(outcome=Outcome.DONE, provider_refund=short_number(reply.get("refund_no", "")))
        return Refunded(outcome=Outcome.UNKNOWN, reason=reason)

    def browser_hosts(self) -> list[str]:
        return [origin_of(self.account.gateway)]

    def _signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        dated = {**fields, "pid": self.account.pid, "timestamp": str(int(self._now().timestamp()))}
        return {**dated, "sign": sign(dated, self._own_key), "sign_type": SIGN_TYPE}

    def _ask(self, path: str, fields: Mapping[str, str]) -> Said:
        """An answer, whose `code` is there. A yes is signed.

        Raises NoAnswer, Unreadable.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._exchange(
            Ask("POST", self.account.address(path), urlencode(self._signed(fields)).encode(), headers)
        )
        reply = read_reply(answer.body)
        if reply.get("code") is None:
            raise Unreadable("code")
        wrong = why_not_signed(reply, self._gateway_key, self._now())
        if wrong and (reply["code"] == OK or "sign" in reply):
            raise Unreadable(wrong)
        return Said(answer.status, reply, signed=not wrong)


def _no(said: Said) -> Outcome:
    return said.no(documented=is_no(said.fields))


def _no_of_anybody(said: Said) -> Outcome:
    """Where nothing is lost by believing a no that is not signed."""
    return _no(replace(said, signed=True))


def _presented(reply: Mapping[str, str]) -> Created:
    show, payload = WAYS.get(reply.get("pay_type", "")), reply.get("pay_info", "")
    if show is None or not payload or len(payload) > 2000 or not payload.isprintable():
        return Created(outcome=Outcome.REFUSED, reason=f"no way to pay in the reply: {reply.get('pay_type', '')[:20]}")
    if not opens_a_payment(show, payload):
        return Created(outcome=Outcome.REFUSED, reason="an address of a strange kind in the reply")
    return Created(outcome=Outcome.DONE, show=show, payload=payload, ref=short_number(reply.get("trade_no", "")))


def _reason(reply: Mapping[str, str]) -> str:
    text = reply.get("msg", "").replace("\0", "").strip()
    return text[:200] or f"code {reply.get('code', '')[:20]}"
