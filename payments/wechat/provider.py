"""WeChat Pay v3 as a provider. Amounts on the wire are whole fen.

In WeChat's own browser the page pays by JSAPI, which wants the payer's openid; another phone goes to an H5 page, a screen
shows a code (Native). Sources: pay.weixin.qq.com, minibear2021/wechatpayv3.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from common import clock
from common.clock import SHANGHAI
from common.money import CENT
from payments import rsa
from payments.providers import (
    Charge,
    Created,
    Device,
    Foreign,
    Notice,
    NotifyRefused,
    Outcome,
    PayerUnknown,
    PaymentState,
    PlatformKey,
    Provider,
    Queried,
    RawNotify,
    Refunded,
    Reply,
    Show,
)
from payments.replies import Said, Unreadable, read_object
from payments.transport import Exchange, NoAnswer, exchange
from payments.wechat.client import WechatAccount, WechatClient, reason_of
from payments.wechat.signing import HEADERS, BadSignature, bridge_signature, check_signed, unseal

__all__ = ["WechatAccount", "WechatProvider"]

PAID_EVENT = "TRANSACTION.SUCCESS"
STATES = {
    "SUCCESS": PaymentState.PAID,
    # Paid, and some of it was given back since.
    "REFUND": PaymentState.PAID,
    "NOTPAY": PaymentState.UNPAID,
    "CLOSED": PaymentState.CLOSED,
    "REVOKED": PaymentState.CLOSED,
    "USERPAYING": PaymentState.UNPAID,
    "PAYERROR": PaymentState.UNPAID,
}
NO_ORDER, NO_REFUND = ("ORDER_NOT_EXIST", "ORDERNOTEXIST"), "RESOURCE_NOT_EXISTS"
# The codes with which WeChat Pay does not do what it was asked. Others ask for another try, or say that it has trouble.
REFUSALS = frozenset(
    {
        *NO_ORDER,
        NO_REFUND,
        "ACCOUNT_ERROR",
        "APPID_MCHID_NOT_MATCH",
        "INVALID_REQUEST",
        "MCH_NOT_EXISTS",
        "NOT_ENOUGH",
        "NO_AUTH",
        "OPENID_MISMATCH",
        "ORDERPAID",
        "ORDER_CLOSED",
        "OUT_TRADE_NO_USED",
        "PARAM_ERROR",
        "REQUEST_BLOCKED",
        "RULE_LIMIT",
        "SIGN_ERROR",
        "TRADE_ERROR",
        "USER_ACCOUNT_ABNORMAL",
    }
)
DESCRIPTION_BYTES = 127
MAX_DIGITS = 10


class WechatProvider(Provider):
    weak_signature = False
    accepted = Reply(HTTPStatus.NO_CONTENT, "")
    # Only an error status makes WeChat send it again: a 200 counts as delivered whatever its body says.
    refused = Reply(HTTPStatus.BAD_REQUEST, '{"code":"FAIL","message":"refused"}', "application/json")
    signed_headers = HEADERS
    changes_keys = True

    def __init__(
        self,
        account: WechatAccount,
        exchange: Exchange = exchange,
        now: Callable[[], datetime] = clock.now,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16).upper(),
        min_bits: int = rsa.MIN_BITS,
    ):
        """Raises payments.rsa.BadKey."""
        self.account = account
        self._client = WechatClient(account, exchange=exchange, now=now, nonce=nonce, min_bits=min_bits)

    def fits(self, device: Device) -> bool:
        return device != Device.WECHAT or self.account.official is not None

    def wants_payer(self, device: Device) -> bool:
        return device == Device.WECHAT

    def payer_url(self, *, return_to: str, state: str) -> str:
        if self.account.official is None:
            raise PayerUnknown("no official account")
        return self.account.official.sign_in_url(return_to=return_to, state=state)

    def payer(self, code: str) -> str:
        if self.account.official is None:
            raise PayerUnknown("no official account")
        return self.account.official.openid(code, self._client.exchange)

    def create(self, charge: Charge) -> Created:
        body: dict[str, Any] = {
            "appid": self.account.app_id,
            "mchid": self.account.merchant_id,
            "description": _description(charge.subject) or charge.number,
            "out_trade_no": charge.number,
            "notify_url": charge.notify_url,
            "time_expire": charge.expires_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
            "amount": {"total": to_fen(charge.amount), "currency": "CNY"},
        }
        if charge.device == Device.WECHAT:
            if not charge.payer:
                return Created(outcome=Outcome.REFUSED, reason="no payer")
            return self._created("jsapi", body | {"payer": {"openid": charge.payer}}, self._bridge)
        if charge.device == Device.PC:
            return self._created("native", body, _code)
        scene = {"payer_client_ip": charge.client_address, "h5_info": {"type": "Wap"}}
        return self._created("h5", body | {"scene_info": scene}, _page(charge.return_url, self.account.gateway))

    def _created(self, kind: str, body: dict, show: Callable[[Mapping[str, Any]], Created]) -> Created:
        try:
            said = self._client.ask("POST", f"/v3/pay/transactions/{kind}", body)
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.status != HTTPStatus.OK:
            return Created(outcome=_no(said), reason=reason_of(said))
        return show(said.fields)

    def _bridge(self, reply: Mapping[str, Any]) -> Created:
        prepay = reply.get("prepay_id")
        if not isinstance(prepay, str) or not prepay:
            return Created(outcome=Outcome.REFUSED, reason="no prepay_id in the reply")
        client, package = self._client, f"prepay_id={prepay}"
        timestamp, nonce = int(client.now().timestamp()), client.nonce()
        sign = bridge_signature(
            app_id=self.account.app_id, timestamp=timestamp, nonce=nonce, package=package, key=client.key
        )
        asked = {
            "appId": self.account.app_id,
            "timeStamp": str(timestamp),
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": sign,
        }
        return Created(outcome=Outcome.DONE, show=Show.BRIDGE, payload=json.dumps(asked))

    def verify_notify(self, raw: RawNotify) -> Notice:
        if raw.method != "POST" or len(raw.body) > self.most_bytes:
            raise NotifyRefused("method" if raw.method != "POST" else "too_long")
        try:
            check_signed(raw.headers, raw.body, self._client.platform, raw.received_at)
            told = read_object(raw.body)
            resource = told.get("resource")
            if not isinstance(resource, dict):
                raise NotifyRefused("form")
            found = unseal(resource, self.account.api_key)
        except BadSignature as error:
            raise NotifyRefused(error.code) from None
        except Unreadable:
            raise NotifyRefused("form") from None
        if told.get("event_type") != PAID_EVENT:
            return self._other(found, str(told.get("event_type", "")))
        return self._paid(found)

    def _other(self, found: Mapping[str, Any], event: str) -> Notice:
        """A refund tells of itself through the same address."""
        number = found.get("out_trade_no")
        if found.get("mchid") != self.account.merchant_id or not isinstance(number, str):
            raise NotifyRefused("merchant")
        return Notice(number=number, provider_txn="", amount=Decimal(0), paid=False, status=event[:40])

    def _paid(self, found: Mapping[str, Any]) -> Notice:
        if (found.get("mchid"), found.get("appid")) != (self.account.merchant_id, self.account.app_id):
            raise NotifyRefused("merchant")
        if found.get("trade_state") != "SUCCESS":
            return self._other(found, str(found.get("trade_state", "")))
        try:
            number, provider_txn, amount = _facts(found)
        except Unreadable as error:
            raise NotifyRefused(str(error)) from None
        return Notice(number=number, provider_txn=provider_txn, amount=amount, paid=True, status="SUCCESS")

    def query(self, number: str, *, ref: str = "") -> Queried:
        path = f"/v3/pay/transactions/out-trade-no/{number}?{urlencode({'mchid': self.account.merchant_id})}"
        try:
            said = self._client.ask("GET", path)
            if said.status != HTTPStatus.OK:
                missing = _no(said) == Outcome.REFUSED and said.fields["code"] in NO_ORDER
                state = PaymentState.MISSING if missing else PaymentState.UNKNOWN
                return Queried(state=state, reason=reason_of(said))
            return self._queried(said.fields, number)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))

    def _queried(self, reply: Mapping[str, Any], number: str) -> Queried:
        if reply.get("out_trade_no") != number or reply.get("mchid") != self.account.merchant_id:
            raise Unreadable("another order")
        state = STATES.get(str(reply.get("trade_state")), PaymentState.UNKNOWN)
        if state != PaymentState.PAID:
            return Queried(state=state)
        _number, provider_txn, amount = _facts(reply)
        return Queried(state=state, provider_txn=provider_txn, amount=amount)

    def close(self, number: str, *, ref: str = "") -> Outcome:
        path = f"/v3/pay/transactions/out-trade-no/{number}/close"
        try:
            said = self._client.ask("POST", path, {"mchid": self.account.merchant_id})
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        return Outcome.DONE if said.status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT) else _no(said)

    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        """A repeat under the same refund number is the same refund. WeChat wants the payment's total: it is asked first."""
        paid = self.query(number)
        if paid.state != PaymentState.PAID or paid.amount is None:
            return Refunded(outcome=Outcome.UNKNOWN, reason=paid.reason or "the payment is not known as paid")
        body = {
            "transaction_id": provider_txn,
            "out_refund_no": refund_number,
            "amount": {"refund": to_fen(amount), "total": to_fen(paid.amount), "currency": "CNY"},
        }
        try:
            said = self._client.ask("POST", "/v3/refund/domestic/refunds", body)
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.status != HTTPStatus.OK:
            return Refunded(outcome=_no(said), reason=reason_of(said))
        return _refunded(said.fields)

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        try:
            said = self._client.ask("GET", f"/v3/refund/domestic/refunds/{refund_number}")
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.status != HTTPStatus.OK:
            # That a question was refused says nothing of the refund.
            missing = _no(said) == Outcome.REFUSED and said.fields["code"] == NO_REFUND
            return Refunded(outcome=Outcome.UNKNOWN, reason=reason_of(said), missing=missing)
        return _refunded(said.fields)

    def platform_keys(self) -> list[PlatformKey]:
        return self._client.platform_keys()

    def browser_hosts(self) -> list[str]:
        return ["https://wx.tenpay.com"]


def to_fen(amount: Decimal) -> int:
    return int(amount.quantize(CENT) * 100)


def _code(reply: Mapping[str, Any]) -> Created:
    code = reply.get("code_url")
    if not isinstance(code, str) or not code or len(code) > 1000:
        return Created(outcome=Outcome.REFUSED, reason="no code in the reply")
    return Created(outcome=Outcome.DONE, show=Show.QR, payload=code)


def _page(return_url: str, gateway: str) -> Callable[[Mapping[str, Any]], Created]:
    def show(reply: Mapping[str, Any]) -> Created:
        address = reply.get("h5_url")
        own = isinstance(address, str) and urlsplit(address)[:2] == urlsplit(gateway)[:2]
        if not isinstance(address, str) or not (own or address.startswith("https://")):
            return Created(outcome=Outcome.REFUSED, reason="no page in the reply")
        joint = "&" if "?" in address else "?"
        payload = f"{address}{joint}{urlencode({'redirect_url': return_url})}"
        return Created(outcome=Outcome.DONE, show=Show.PAGE, payload=payload)

    return show


def _facts(found: Mapping[str, Any]) -> tuple[str, str, Decimal]:
    """Number, transaction and total of a payment. Raises Unreadable with the word for what is wrong."""
    number, provider_txn, amount = found.get("out_trade_no"), found.get("transaction_id"), found.get("amount")
    if not isinstance(number, str) or not isinstance(provider_txn, str) or not number or not provider_txn:
        raise Unreadable("form")
    if not isinstance(amount, dict) or amount.get("currency", "CNY") != "CNY":
        raise Unreadable("currency")
    total = amount.get("total")
    if not isinstance(total, str) or not total.isascii() or not total.isdecimal() or not 0 < len(total) <= MAX_DIGITS:
        raise Unreadable("amount")
    if int(total) == 0:
        raise Unreadable("amount")
    return number, provider_txn[:64], (Decimal(total) / 100).quantize(CENT)


def _no(said: Said) -> Outcome:
    return said.no(documented=str(said.fields.get("code")) in REFUSALS)


def _refunded(reply: Mapping[str, Any]) -> Refunded:
    refund = str(reply.get("refund_id", ""))[:64]
    match reply.get("status"):
        case "SUCCESS":
            return Refunded(outcome=Outcome.DONE, provider_refund=refund)
        case "CLOSED":
            return Refunded(outcome=Outcome.REFUSED, provider_refund=refund, reason="closed")
        case other:
            return Refunded(outcome=Outcome.UNKNOWN, provider_refund=refund, reason=str(other)[:200])


def _description(subject: str) -> str:
    """At most 127 bytes, no control characters."""
    words = " ".join("".join(one if one.isprintable() else " " for one in subject).split())
    return words.encode()[:DESCRIPTION_BYTES].decode("utf-8", "ignore").strip()
