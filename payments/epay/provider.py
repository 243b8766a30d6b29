"""易支付 V1 as a provider. V1 has no close and no refund number; see the methods for what follows from that."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus

from payments.epay.signing import SignMode, is_signed, safe_name, sign
from payments.providers import (
    Charge,
    Created,
    Foreign,
    Notice,
    NotifyRefused,
    Outcome,
    PaymentState,
    Provider,
    Queried,
    RawNotify,
    Refunded,
    Show,
)
from payments.replies import Said, Unreadable, read_fields, read_money, read_notified_money, read_reply, write_money
from payments.transport import Call, NoAnswer, call, origin_of

OK = "1"
# Every failure has a negative code; what else stands there is not this protocol's.
NO = re.compile(r"-[1-9][0-9]?", re.ASCII)
STATES = {"0": PaymentState.UNPAID, "1": PaymentState.PAID, "2": PaymentState.REFUNDED}
# An order that is missing, not a merchant: the protocol has one code for every failure.
MISSING = re.compile(r"(订单|order|trade).{0,12}(不存在|未找到|not exist|not found)", re.IGNORECASE)
# The reply's field, and what it holds; a reply has one of them.
WAYS = (("payurl", Show.PAGE), ("qrcode", Show.QR), ("urlscheme", Show.APP))
PAGE_SCHEMES = ("http", "https")
APP_SCHEMES = ("http", "https", "weixin", "alipays", "alipay", "mqqapi", "mqqwpa")


class EpayMode(StrEnum):
    """`API` asks mapi.php on our side; `PAGE` lets the buyer's browser post a signed form to submit.php."""

    API = "api"
    PAGE = "page"


@dataclass(frozen=True, kw_only=True)
class EpayAccount:
    """A merchant at one gateway. `gateway` is the address before submit.php, with or without the last slash."""

    gateway: str
    pid: str
    key: str = field(repr=False)
    mode: EpayMode = EpayMode.API
    sign_mode: SignMode = SignMode.PLAIN
    # Some clones have no act=order.
    can_query: bool = True

    def address(self, script: str) -> str:
        return f"{self.gateway.rstrip('/')}/{script}"


class EpayProvider(Provider):
    weak_signature = True
    can_close = False

    def __init__(self, account: EpayAccount, call: Call = call):
        self.account = account
        self.can_query = account.can_query
        self._call = call

    def create(self, charge: Charge) -> Created:
        fields = self._signed(self._charge_fields(charge))
        if self.account.mode == EpayMode.PAGE:
            address = self.account.address("submit.php")
            return Created(outcome=Outcome.DONE, show=Show.FORM, payload=address, fields=fields)
        try:
            reply = self._ask("POST", "mapi.php", fields)
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        if reply.get("code") != OK:
            return Created(outcome=said_no(reply), reason=self._reason(reply))
        for name, show in WAYS:
            if reply.get(name):
                return self._presented(reply, show, reply[name])
        return Created(outcome=Outcome.REFUSED, reason="no way to pay in the reply")

    def _presented(self, reply: dict[str, str], show: Show, payload: str) -> Created:
        if not opens_a_payment(show, payload):
            return Created(outcome=Outcome.REFUSED, reason="an address of a strange kind in the reply")
        if len(payload) > 2000 or not payload.isprintable():
            return Created(outcome=Outcome.REFUSED, reason="an unusable address in the reply")
        return Created(outcome=Outcome.DONE, show=show, payload=payload, ref=short_number(reply.get("trade_no", "")))

    def _charge_fields(self, charge: Charge) -> dict[str, str]:
        fields = {
            "pid": self.account.pid,
            "type": charge.method,
            "out_trade_no": charge.number,
            "notify_url": charge.notify_url,
            "return_url": charge.return_url,
            "name": safe_name(charge.subject),
            "money": write_money(charge.amount),
        }
        if self.account.mode == EpayMode.API:
            fields |= {"clientip": charge.client_address, "device": charge.device}
        return fields

    def _signed(self, fields: dict[str, str]) -> dict[str, str]:
        return {**fields, "sign": sign(fields, self.account.key, self.account.sign_mode), "sign_type": "MD5"}

    def verify_notify(self, raw: RawNotify) -> Notice:
        fields = read_fields(raw)
        if not is_signed(fields, self.account.key, self.account.sign_mode):
            raise NotifyRefused("signature")
        return read_notice(fields, self.account.pid)

    def query(self, number: str, *, ref: str = "") -> Queried:
        if not self.can_query:
            return Queried(state=PaymentState.UNKNOWN, reason="the gateway cannot be asked")
        return self._query(number, {"out_trade_no": number})

    def confirm_second(self, notice: Notice) -> Queried:
        """Asked by the gateway's own number: by ours it could only tell of the first."""
        if not self.can_query:
            return self.query(notice.number)
        return self._query(notice.number, {"trade_no": notice.provider_txn})

    def _query(self, number: str, asked: dict[str, str]) -> Queried:
        try:
            reply = self._ask("GET", "api.php", self._with_key({"act": "order", **asked}))
            return self._queried(reply, number)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))

    def _queried(self, reply: dict[str, str], number: str) -> Queried:
        if reply.get("code") != OK:
            reason = self._reason(reply)
            missing = said_no(reply) == Outcome.REFUSED and MISSING.search(reason) is not None
            return Queried(state=PaymentState.MISSING if missing else PaymentState.UNKNOWN, reason=reason)
        # An answer about another order or merchant says nothing about this one.
        if reply.get("out_trade_no") != number or reply.get("pid", self.account.pid) != self.account.pid:
            raise Unreadable("another order")
        state = STATES.get(reply.get("status", ""), PaymentState.UNKNOWN)
        if state != PaymentState.PAID:
            return Queried(state=state, provider_txn=short_number(reply.get("trade_no", "")))
        provider_txn = short_number(reply.get("trade_no", ""))
        if not provider_txn:
            raise Unreadable("trade_no")
        return Queried(state=state, provider_txn=provider_txn, amount=read_money(reply.get("money")))

    def close(self, number: str, *, ref: str = "") -> Outcome:
        """V1 cannot close: what is paid late arrives as late money."""
        return Outcome.REFUSED

    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        """V1 takes no refund number, so a repeat could refund twice: the caller must not repeat an UNKNOWN."""
        fields = self._with_key({"trade_no": provider_txn, "money": write_money(amount)})
        try:
            reply = self._ask("POST", "api.php?act=refund", fields)
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if reply.get("code") != OK:
            return Refunded(outcome=said_no(reply), reason=self._reason(reply))
        return Refunded(outcome=Outcome.DONE)

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        """V1 only tells that an order was refunded in full; after a partial refund nobody but a person can tell."""
        queried = self.query(number)
        if queried.state == PaymentState.REFUNDED:
            return Refunded(outcome=Outcome.DONE)
        return Refunded(outcome=Outcome.UNKNOWN, reason=queried.reason)

    def browser_hosts(self) -> list[str]:
        return [origin_of(self.account.gateway)]

    def _with_key(self, fields: dict[str, str]) -> dict[str, str]:
        return {**fields, "pid": self.account.pid, "key": self.account.key}

    def _ask(self, method: str, script: str, fields: dict[str, str]) -> dict[str, str]:
        reply = read_reply(self._call(method, self.account.address(script), fields))
        if reply.get("code") is None:
            raise Unreadable("code")
        return reply

    def _reason(self, reply: dict[str, str]) -> str:
        """Why the gateway said no, for staff; without our key, should it echo what it was sent."""
        text = reply.get("msg", "").replace(self.account.key, "…").replace("\0", "").strip()
        return text[:200] or f"code {reply['code'][:20]}"


def said_no(reply: Mapping[str, str]) -> Outcome:
    """What a reply of status 200 means that is no yes; nothing signs it."""
    return Said(HTTPStatus.OK, reply).no(documented=is_no(reply))


def is_no(reply: Mapping[str, str]) -> bool:
    return NO.fullmatch(reply.get("code", "")) is not None


def read_notice(fields: Mapping[str, str], pid: str) -> Notice:
    """What correctly signed fields tell the merchant `pid`. Raises NotifyRefused."""
    if fields.get("pid") != pid:
        raise NotifyRefused("merchant")
    number, provider_txn = fields.get("out_trade_no", ""), short_number(fields.get("trade_no", ""))
    if not number or not provider_txn:
        raise NotifyRefused("form")
    amount, status = read_notified_money(fields.get("money")), fields.get("trade_status", "")
    return Notice(
        number=number, provider_txn=provider_txn, amount=amount, paid=status == "TRADE_SUCCESS", status=status[:40]
    )


def opens_a_payment(show: Show, payload: str) -> bool:
    """Whether a reply may go into links of our page: only schemes that open a payment get there. A code is no link."""
    schemes = PAGE_SCHEMES if show == Show.PAGE else APP_SCHEMES
    return show == Show.QR or payload.partition(":")[0].lower() in schemes


def short_number(text: str) -> str:
    """A gateway's number, or "" when it cannot be one: it is stored, compared and shown."""
    text = text.strip()
    return text if text.isascii() and text.isprintable() and len(text) <= 64 else ""
