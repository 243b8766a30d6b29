"""易支付 V2 (RSA) as a provider: every request, answer and notify is signed and dated. Source: EpayCore's SDK."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from payments.epay.provider import MISSING, STATES, EpayMode, opens_a_payment, read_notice, short_number
from payments.epay.rsa_signing import SIGN_TYPE, sign, why_not_signed
from payments.epay.signing import safe_name
from payments.providers import (
    Charge,
    Created,
    Notice,
    NotifyRefused,
    Outcome,
    PaymentState,
    Queried,
    RawNotify,
    Refunded,
    Show,
)
from payments.replies import Unreadable, read_fields, read_money, read_reply, write_money
from payments.rsa_provider import RsaAccount, RsaProvider
from payments.transport import Ask, NoAnswer, origin_of

OK = "0"
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
            reply = self._ask(
                "create", {**fields, "method": "web", "device": charge.device, "clientip": charge.client_address}
            )
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        if reply.get("code") != OK:
            return Created(outcome=Outcome.REFUSED, reason=_reason(reply))
        return _presented(reply)

    def verify_notify(self, raw: RawNotify) -> Notice:
        fields = read_fields(raw)
        wrong = why_not_signed(fields, self._gateway_key, raw.received_at)
        if wrong:
            raise NotifyRefused(wrong)
        return read_notice(fields, self.account.pid)

    def query(self, number: str, *, ref: str = "") -> Queried:
        try:
            reply = self._ask("query", {"out_trade_no": number})
            return self._queried(reply, number)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))

    def _queried(self, reply: Mapping[str, str], number: str) -> Queried:
        if reply.get("code") != OK:
            reason = _reason(reply)
            missing = MISSING.search(reason) is not None
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
            reply = self._ask("close", {"out_trade_no": number})
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        return Outcome.DONE if reply.get("code") == OK else Outcome.REFUSED

    def refund(self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str) -> Refunded:
        """Accepted is not yet refunded: `query_refund` tells. A repeat under the same number is the same refund."""
        asked = {"trade_no": provider_txn, "money": write_money(amount), "out_refund_no": refund_number}
        try:
            reply = self._ask("refund", asked)
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if reply.get("code") != OK:
            return Refunded(outcome=Outcome.REFUSED, reason=_reason(reply))
        return Refunded(
            outcome=Outcome.UNKNOWN, provider_refund=short_number(reply.get("refund_no", "")), reason="accepted"
        )

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        try:
            reply = self._ask("refundquery", {"out_refund_no": refund_number})
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if reply.get("code") == OK and reply.get("status") == "1":
            return Refunded(outcome=Outcome.DONE, provider_refund=short_number(reply.get("refund_no", "")))
        return Refunded(outcome=Outcome.UNKNOWN, reason=_reason(reply))

    def browser_hosts(self) -> list[str]:
        return [origin_of(self.account.gateway)]

    def _signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        dated = {**fields, "pid": self.account.pid, "timestamp": str(int(self._now().timestamp()))}
        return {**dated, "sign": sign(dated, self._own_key), "sign_type": SIGN_TYPE}

    def _ask(self, path: str, fields: Mapping[str, str]) -> dict[str, str]:
        """The fields of a signed answer. A refusal may come unsigned; it is all that an unsigned one can say.

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
        return reply


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
