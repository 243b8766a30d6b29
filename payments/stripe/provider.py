"""Stripe Checkout as a provider. Amounts on the wire are whole hundredths of the account's currency.

Our number is `client_reference_id` and part of the session's metadata, and the idempotency key of the request that made it,
so that a repeat is the same session. A session is asked for by its own id (`ref`). Where the currency is no yuan, the
metadata also holds the yuan that were meant and the hundredths that were asked for: what was paid is worth those yuan when
it is that sum, whatever the rate is by then. Source: Stripe's API documents.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from common import clock
from common.money import CENT
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
from payments.replies import Unreadable, outcome_of, read_money, read_object, write_money
from payments.stripe.signing import HEADER, why_not_signed
from payments.transport import Ask, Exchange, NoAnswer, exchange

YUAN = "cny"
PAID_EVENTS = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
# Stripe takes no session that ends sooner; our own deadline ends the payment page before that.
SHORTEST, LONGEST = timedelta(minutes=31), timedelta(hours=23)
DIGITS = re.compile(r"[0-9]{1,11}", re.ASCII)
RATE = re.compile(r"[0-9]{1,5}(\.[0-9]{1,6})?", re.ASCII)
API_VERSION = "2025-09-30.clover"


@dataclass(frozen=True, kw_only=True)
class StripeAccount:
    """An account. `gateway` is https://api.stripe.com; `webhook_secret` belongs to our address there."""

    gateway: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    # What buyers are charged in, and how many yuan one unit of it is.
    currency: str = YUAN
    rate: Decimal = Decimal(1)

    def hundredths(self, amount: Decimal) -> int:
        """Yuan in the account's currency, rounded to the nearest."""
        return int((amount / self.rate * 100).quantize(Decimal(1), ROUND_HALF_UP))


class StripeProvider(Provider):
    weak_signature = False
    accepted = Reply(200, "ok")
    refused = Reply(400, "fail")
    signed_headers = (HEADER,)
    most_bytes = 64 * 1024

    def __init__(
        self,
        account: StripeAccount,
        exchange: Exchange = exchange,
        now: Callable[[], datetime] = clock.now,
    ):
        self.account = account
        self._exchange = exchange
        self._now = now

    def create(self, charge: Charge) -> Created:
        asked = self.account.hundredths(charge.amount)
        ends = min(max(charge.expires_at, self._now() + SHORTEST), self._now() + LONGEST)
        fields = {
            "mode": "payment",
            "client_reference_id": charge.number,
            "metadata[number]": charge.number,
            "metadata[yuan]": write_money(charge.amount),
            "metadata[asked]": str(asked),
            "payment_intent_data[metadata][number]": charge.number,
            "payment_intent_data[metadata][yuan]": write_money(charge.amount),
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": self.account.currency,
            "line_items[0][price_data][unit_amount]": str(asked),
            "line_items[0][price_data][product_data][name]": charge.subject[:250] or charge.number,
            "success_url": charge.return_url,
            "cancel_url": charge.return_url,
            "expires_at": str(int(ends.timestamp())),
        }
        try:
            status, reply = self._ask("POST", "/v1/checkout/sessions", fields, key=f"create:{charge.number}")
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        if status != HTTPStatus.OK:
            return Created(outcome=_outcome(status), reason=_reason(status, reply))
        address, session = reply.get("url"), reply.get("id")
        if (
            not isinstance(address, str)
            or not address.startswith(("https://", "http://"))
            or not isinstance(session, str)
        ):
            return Created(outcome=Outcome.REFUSED, reason="no page in the reply")
        return Created(
            outcome=Outcome.DONE, show=Show.PAGE, payload=address, ref=session[:100], foreign=self._foreign(asked)
        )

    def _foreign(self, asked: int) -> Foreign | None:
        if self.account.currency == YUAN:
            return None
        amount = (Decimal(asked) / 100).quantize(CENT)
        return Foreign(currency=self.account.currency.upper(), amount=amount, rate=self.account.rate)

    def verify_notify(self, raw: RawNotify) -> Notice:
        if raw.method != "POST":
            raise NotifyRefused("method")
        if len(raw.body) > self.most_bytes:
            raise NotifyRefused("too_long")
        wrong = why_not_signed(raw.headers.get(HEADER, ""), raw.body, self.account.webhook_secret, raw.received_at)
        if wrong:
            raise NotifyRefused(wrong)
        try:
            told = read_object(raw.body)
            data = told.get("data")
            session = data.get("object") if isinstance(data, dict) else None
            if not isinstance(session, dict):
                raise Unreadable("form")
            return self._notice(str(told.get("type", "")), session)
        except Unreadable as error:
            raise NotifyRefused(str(error)) from None

    def _notice(self, event: str, session: Mapping[str, Any]) -> Notice:
        number = session.get("client_reference_id")
        paid = event in PAID_EVENTS and session.get("payment_status") == "paid"
        if not paid:
            # Events about other things than sessions come here too; they name no number of ours.
            return Notice(number=str(number or ""), provider_txn="", amount=Decimal(0), paid=False, status=event[:40])
        number, provider_txn, amount = _facts(session, self.account.currency)
        return Notice(number=number, provider_txn=provider_txn, amount=amount, paid=True, status=event[:40])

    def query(self, number: str, *, ref: str = "") -> Queried:
        if not ref:
            return Queried(state=PaymentState.UNKNOWN, reason="no session")
        try:
            status, session = self._ask("GET", f"/v1/checkout/sessions/{quote(ref, safe='')}")
            if status == HTTPStatus.NOT_FOUND:
                return Queried(state=PaymentState.MISSING, reason=_reason(status, session))
            if status != HTTPStatus.OK:
                return Queried(state=PaymentState.UNKNOWN, reason=_reason(status, session))
            if session.get("client_reference_id") != number:
                raise Unreadable("another order")
            if session.get("payment_status") != "paid":
                over = session.get("status") == "expired"
                return Queried(state=PaymentState.CLOSED if over else PaymentState.UNPAID)
            _number, provider_txn, amount = _facts(session, self.account.currency)
            return Queried(state=PaymentState.PAID, provider_txn=provider_txn, amount=amount)
        except (NoAnswer, Unreadable) as error:
            return Queried(state=PaymentState.UNKNOWN, reason=str(error))

    def close(self, number: str, *, ref: str = "") -> Outcome:
        if not ref:
            return Outcome.REFUSED
        try:
            path = f"/v1/checkout/sessions/{quote(ref, safe='')}/expire"
            status, _reply = self._ask("POST", path, {}, key=f"close:{number}")
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        return Outcome.DONE if status == HTTPStatus.OK else _outcome(status)

    def refund(self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str) -> Refunded:
        """The refund's number is the idempotency key, and kept in the metadata for `query_refund`.

        In a foreign currency it is the same part of what was paid as `amount` is of the yuan that it stood for.
        """
        try:
            back = self._part(provider_txn, amount)
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        fields = {"payment_intent": provider_txn, "amount": str(back), "metadata[number]": refund_number}
        try:
            status, reply = self._ask("POST", "/v1/refunds", fields, key=f"refund:{refund_number}")
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if status != HTTPStatus.OK:
            return Refunded(outcome=_outcome(status), reason=_reason(status, reply))
        return _refunded(reply)

    def _part(self, intent: str, amount: Decimal) -> int:
        """The hundredths that `amount` yuan of a payment were charged as. Raises NoAnswer, Unreadable."""
        if self.account.currency == YUAN:
            return self.account.hundredths(amount)
        status, reply = self._ask("GET", f"/v1/payment_intents/{quote(intent, safe='')}")
        metadata, charged = reply.get("metadata"), str(reply.get("amount", ""))
        if status != HTTPStatus.OK or not isinstance(metadata, dict) or not DIGITS.fullmatch(charged):
            raise Unreadable(_reason(status, reply))
        part = Decimal(charged) * amount / read_money(metadata.get("yuan"))
        return int(part.quantize(Decimal(1), ROUND_HALF_UP))

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        asked = urlencode({"payment_intent": provider_txn, "limit": 100})
        try:
            status, reply = self._ask("GET", f"/v1/refunds?{asked}")
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        rows = reply.get("data") if status == HTTPStatus.OK else None
        for one in rows if isinstance(rows, list) else []:
            metadata = one.get("metadata") if isinstance(one, dict) else None
            if isinstance(metadata, dict) and metadata.get("number") == refund_number:
                return _refunded(one)
        if not isinstance(rows, list) or reply.get("has_more") is not False:
            return Refunded(outcome=Outcome.UNKNOWN, reason=_reason(status, reply))
        return Refunded(outcome=Outcome.UNKNOWN, reason="no such refund", missing=True)

    def _ask(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, *, key: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """Raises NoAnswer, Unreadable."""
        headers = {"Authorization": f"Bearer {self.account.secret_key}", "Stripe-Version": API_VERSION}
        body = None
        if fields is not None:
            body, headers["Content-Type"] = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        if key:
            headers["Idempotency-Key"] = key
        answer = self._exchange(Ask(method, f"{self.account.gateway.rstrip('/')}{path}", body, headers))
        return answer.status, read_object(answer.body)


def read_rate(text: str) -> Decimal:
    """How many yuan one unit of a currency is. Raises ValueError."""
    if not RATE.fullmatch(text) or not Decimal(text):
        raise ValueError("not a rate")
    return Decimal(text)


def _facts(session: Mapping[str, Any], currency: str) -> tuple[str, str, Decimal]:
    """Number, payment intent and yuan of a paid session. Raises Unreadable with the word for what is wrong."""
    number, intent = session.get("client_reference_id"), session.get("payment_intent")
    if not isinstance(number, str) or not isinstance(intent, str) or not number or not intent:
        raise Unreadable("form")
    if session.get("currency") != currency:
        raise Unreadable("currency")
    total = session.get("amount_total")
    if not isinstance(total, str) or not DIGITS.fullmatch(total) or not int(total):
        raise Unreadable("amount")
    if currency == YUAN:
        return number, intent[:64], (Decimal(total) / 100).quantize(CENT)
    metadata = session.get("metadata")
    # Ours alone: who writes metadata has the account's key.
    if not isinstance(metadata, dict) or metadata.get("asked") != total:
        raise Unreadable("amount")
    return number, intent[:64], read_money(metadata.get("yuan"))


def _refunded(reply: Mapping[str, Any]) -> Refunded:
    refund, status = str(reply.get("id", ""))[:64], str(reply.get("status", ""))
    if status == "succeeded":
        return Refunded(outcome=Outcome.DONE, provider_refund=refund)
    if status in ("failed", "canceled"):
        return Refunded(outcome=Outcome.REFUSED, provider_refund=refund, reason=status)
    return Refunded(outcome=Outcome.UNKNOWN, provider_refund=refund, reason=status[:200])


def _outcome(status: int) -> Outcome:
    """409: a request with this key is under way."""
    return outcome_of(status, HTTPStatus.CONFLICT)


def _reason(status: int, reply: Mapping[str, Any]) -> str:
    error = reply.get("error")
    words = str(error.get("message") or error.get("code") or "") if isinstance(error, dict) else ""
    return words.replace("\0", "")[:200] or f"HTTP {status}"
