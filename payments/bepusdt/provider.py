"""BEpusdt as a provider. The buyer pays a sum of a stable coin that stands for an amount of yuan.

The server knows no refunds: coins go back by hand. It is asked by its own name of the trade (`ref`), and answers with the
state only; what a notify says of number and amount is signed, and that the trade was paid is asked. The trade has to be the
one that was put up for the number, over as many coins. Source: v03413/BEpusdt.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from common import clock
from payments.bepusdt.signing import is_signed, number_text, signed_json
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
    Reply,
    Show,
)
from payments.replies import Said, Unreadable, read_notified_money, read_object
from payments.transport import Ask, Exchange, NoAnswer, exchange, origin_of

# `status_code` in an answer; the server has but these.
OK, NO = "200", "400"
WAITING, PAID, EXPIRED, CANCELLED = "1", "2", "3", "4"
STATES = {
    WAITING: PaymentState.UNPAID,
    PAID: PaymentState.PAID,
    EXPIRED: PaymentState.CLOSED,
    CANCELLED: PaymentState.CLOSED,
}
LEAST_SECONDS = 120
COINS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,8})?", re.ASCII)
RATE_PLACES = Decimal("1E-8")


@dataclass(frozen=True, kw_only=True)
class BepusdtAccount:
    """A server. `trade_type` is coin and chain, such as usdt.trc20."""

    gateway: str
    token: str = field(repr=False)
    trade_type: str = "usdt.trc20"

    def address(self, path: str) -> str:
        return f"{self.gateway.rstrip('/')}{path}"


class BepusdtProvider(Provider):
    weak_signature = True
    has_merchant_number = False
    can_refund = False
    accepted = Reply(200, "ok")
    # Any 200 counts as delivered, whatever its body says.
    refused = Reply(400, "fail")

    def __init__(
        self,
        account: BepusdtAccount,
        exchange: Exchange = exchange,
        now: Callable[[], datetime] = clock.now,
    ):
        self.account = account
        self._exchange = exchange
        self._now = now

    def create(self, charge: Charge) -> Created:
        """Repeated while unpaid, the server makes the same trade anew."""
        seconds = max(int((charge.expires_at - self._now()).total_seconds()), LEAST_SECONDS)
        fields = {
            "order_id": charge.number,
            "fiat": "CNY",
            "trade_type": self.account.trade_type,
            "name": charge.number,
            "notify_url": charge.notify_url,
            "redirect_url": charge.return_url,
        }
        try:
            numbers = {"amount": number_text(charge.amount), "timeout": str(seconds)}
            said = self._post("/api/v1/order/create-transaction", fields, numbers)
        except ValueError as error:
            return Created(outcome=Outcome.REFUSED, reason=str(error))
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        data = said.fields.get("data")
        if not _is_yes(said) or not isinstance(data, dict):
            return Created(outcome=_no(said), reason=self._reason(said.fields))
        return self._presented(data, charge)

    def _presented(self, data: Mapping[str, Any], charge: Charge) -> Created:
        address, trade = str(data.get("payment_url", "")), str(data.get("trade_id", ""))
        strange = urlsplit(address).scheme not in ("http", "https") or not address.isprintable() or len(address) > 2000
        if data.get("order_id") != charge.number or not trade or strange:
            return Created(outcome=Outcome.UNKNOWN, reason="no way to pay in the reply")
        foreign = self._coins(str(data.get("actual_amount", "")), charge.amount)
        return Created(outcome=Outcome.DONE, show=Show.PAGE, payload=address, ref=trade[:100], foreign=foreign)

    def _coins(self, text: str, amount: Decimal) -> Foreign | None:
        """How many coins stand for the amount; None for what cannot be that many."""
        if not COINS.fullmatch(text) or not Decimal(text):
            return None
        coins, chain = Decimal(text), self.account.trade_type.split(".")
        coin = chain[1] if chain[0] == "tron" else chain[0]
        return Foreign(currency=coin.upper()[:10], amount=coins, rate=(amount / coins).quantize(RATE_PLACES))

    def verify_notify(self, raw: RawNotify) -> Notice:
        if raw.method != "POST" or raw.query:
            raise NotifyRefused("method")
        if len(raw.body) > self.most_bytes:
            raise NotifyRefused("too_long")
        try:
            told = read_object(raw.body)
        except Unreadable:
            raise NotifyRefused("form") from None
        fields = {name: value for name, value in told.items() if isinstance(value, str)}
        if len(fields) != len(told) or not is_signed(fields, self.account.token):
            raise NotifyRefused("signature")
        number, trade = fields.get("order_id", ""), fields.get("trade_id", "")
        if not number or not trade:
            raise NotifyRefused("form")
        amount, coins = read_notified_money(fields.get("amount")), fields.get("actual_amount", "")
        if not COINS.fullmatch(coins):
            raise NotifyRefused("amount")
        status = fields.get("status", "")
        return Notice(
            number=number,
            provider_txn=trade[:64],
            amount=amount,
            paid=status == PAID,
            status=status[:40],
            ref=trade[:100],
            foreign=Decimal(coins),
        )

    def confirm(self, notice: Notice) -> Queried:
        """The server says whether a trade was paid, not what for and how much: that is compared with what was put up."""
        answer = self._check(notice.provider_txn)
        if answer.state != PaymentState.PAID:
            return answer
        return Queried(state=answer.state, provider_txn=answer.provider_txn, amount=notice.amount)

    def query(self, number: str, *, ref: str = "") -> Queried:
        """The server does not say how much was asked for, so that its word alone books no money: that takes a notify."""
        if not ref:
            return Queried(state=PaymentState.UNKNOWN, reason="no trade_id")
        asked = self._check(ref)
        if asked.state == PaymentState.PAID:
            return Queried(state=PaymentState.UNKNOWN, provider_txn=ref[:64], reason="paid, and its notify is awaited")
        return asked

    def _check(self, trade: str) -> Queried:
        try:
            answer = self._exchange(Ask("GET", self.account.address(f"/pay/check-status/{quote(trade, safe='')}")))
            reply = read_object(answer.body)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))
        if answer.status != HTTPStatus.OK or reply.get("trade_id") != trade:
            return Queried(state=PaymentState.UNKNOWN, reason=self._reason(reply))
        return Queried(state=STATES.get(str(reply.get("status")), PaymentState.UNKNOWN), provider_txn=trade[:64])

    def close(self, number: str, *, ref: str = "") -> Outcome:
        if not ref:
            return Outcome.REFUSED
        try:
            said = self._post("/api/v1/order/cancel-transaction", {"trade_id": ref}, {})
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        return Outcome.DONE if _is_yes(said) else _no(said)

    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        return Refunded(outcome=Outcome.REFUSED, reason="coins are sent back by hand")

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        return Refunded(outcome=Outcome.REFUSED, reason="coins are sent back by hand")

    def browser_hosts(self) -> list[str]:
        return [origin_of(self.account.gateway)]

    def _post(self, path: str, fields: Mapping[str, str], numbers: Mapping[str, str]) -> Said:
        body = signed_json(fields, numbers, self.account.token)
        answer = self._exchange(Ask("POST", self.account.address(path), body, {"Content-Type": "application/json"}))
        return Said(answer.status, read_object(answer.body))

    def _reason(self, reply: Mapping[str, Any]) -> str:
        text = str(reply.get("message", "")).replace(self.account.token, "…").replace("\0", "").strip()
        return text[:200] or f"status {json.dumps(reply.get('status_code'))[:20]}"


def _is_yes(said: Said) -> bool:
    return said.status == HTTPStatus.OK and said.fields.get("status_code") == OK


def _no(said: Said) -> Outcome:
    return said.no(documented=said.fields.get("status_code") == NO)
