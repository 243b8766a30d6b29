"""Stripe Checkout as a provider. Amounts on the wire are whole hundredths of the account's currency.

Our number is `client_reference_id` and part of the session's metadata, and the idempotency key of the request that made it,
so that a repeat is the same session; a repeat with another body is an error, so that nothing in it may hang on the clock or
on what an operator may change. A session is asked for by its own id (`ref`). Where the currency is no yuan, the metadata also
holds the yuan that were meant and the hundredths that were asked for: what was paid is worth those yuan when it is that sum,
whatever the rate is by then. Source: Stripe's API documents.
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
from payments.replies import Said, Unreadable, read_money, read_object, write_money
from payments.stripe.signing import HEADER, why_not_signed
from payments.transport import Ask, Exchange, NoAnswer, exchange

YUAN = "cny"
PAID_EVENTS = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
# Stripe takes no session that ends sooner after a call, and calls are made until our own deadline; that ends the payment page,
# and closes the session, before Stripe does. Nor one that is open for longer.
SHORTEST, LONGEST = timedelta(minutes=31), timedelta(hours=23)
# The kinds of error with which Stripe does not do what it was asked.
REFUSALS = ("invalid_request_error", "card_error")
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


class StripeProvider(Provider):
    weak_signature = False
    has_merchant_number = False
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

    def price(self, amount: Decimal) -> Foreign | None:
        if self.account.currency == YUAN:
            return None
        rate = self.account.rate
        units = (amount / rate).quantize(CENT, ROUND_HALF_UP)
        return Foreign(currency=self.account.currency.upper(), amount=units, rate=rate)

    def create(self, charge: Charge) -> Created:
        foreign = charge.foreign
        asked = int((foreign.amount if foreign else charge.amount) * 100)
        ends = min(charge.expires_at + SHORTEST, charge.created_at + LONGEST)
        fields = {
            "mode": "payment",
            "client_reference_id": charge.number,
            "metadata[number]": charge.number,
            "metadata[yuan]": write_money(charge.amount),
            "metadata[asked]": str(asked),
            "payment_intent_data[metadata][number]": charge.number,
            "payment_intent_data[metadata][yuan]": write_money(charge.amount),
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": foreign.currency.lower() if foreign else YUAN,
            "line_items[0][price_data][unit_amount]": str(asked),
            "line_items[0][price_data][product_data][name]": charge.subject[:250] or charge.number,
            "success_url": charge.return_url,
            "cancel_url": charge.return_url,
            "expires_at": str(int(ends.timestamp())),
        }
        try:
            said = self._ask("POST", "/v1/checkout/sessions", fields, key=f"create:{charge.number}")
        except (NoAnswer, Unreadable) as error:
            return Created(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.status != HTTPStatus.OK:
            return Created(outcome=_no(said), reason=_reason(said))
        address, session = said.fields.get("url"), said.fields.get("id")
        if (
            not isinstance(address, str)
            or not address.startswith(("https://", "http://"))
            or not isinstance(session, str)
        ):
            return Created(outcome=Outcome.UNKNOWN, reason="no page in the reply")
        return Created(outcome=Outcome.DONE, show=Show.PAGE, payload=address, ref=session[:100], foreign=foreign)

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
            said = self._ask("GET", f"/v1/checkout/sessions/{quote(ref, safe='')}")
            if said.status != HTTPStatus.OK:
                missing = said.status == HTTPStatus.NOT_FOUND and _no(said) == Outcome.REFUSED
                state = PaymentState.MISSING if missing else PaymentState.UNKNOWN
                return Queried(state=state, reason=_reason(said))
            session = said.fields
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
            said = self._ask("POST", path, {}, key=f"close:{number}")
        except (NoAnswer, Unreadable):
            return Outcome.UNKNOWN
        closed = said.status == HTTPStatus.OK and said.fields.get("status") == "expired"
        return Outcome.DONE if closed else _no(said)

    def refund(
        self, *, number: str, provider_txn: str, amount: Decimal, refund_number: str, foreign: Foreign | None = None
    ) -> Refunded:
        """The refund's number is the idempotency key, and kept in the metadata for `query_refund`.

        In a foreign currency it is what `amount` yuan were charged as, by the rate of the payment's own day.
        """
        back = int((amount / foreign.rate if foreign else amount).quantize(CENT, ROUND_HALF_UP) * 100)
        fields = {"payment_intent": provider_txn, "amount": str(back), "metadata[number]": refund_number}
        try:
            said = self._ask("POST", "/v1/refunds", fields, key=f"refund:{refund_number}")
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if said.status != HTTPStatus.OK:
            return Refunded(outcome=_no(said), reason=_reason(said))
        return _refunded(said.fields)

    def query_refund(self, *, number: str, provider_txn: str, refund_number: str) -> Refunded:
        asked = urlencode({"payment_intent": provider_txn, "limit": 100})
        try:
            said = self._ask("GET", f"/v1/refunds?{asked}")
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        rows = said.fields.get("data") if said.status == HTTPStatus.OK else None
        for one in rows if isinstance(rows, list) else []:
            metadata = one.get("metadata") if isinstance(one, dict) else None
            if isinstance(metadata, dict) and metadata.get("number") == refund_number:
                return _refunded(one)
        if not isinstance(rows, list) or said.fields.get("has_more") is not False:
            return Refunded(outcome=Outcome.UNKNOWN, reason=_reason(said))
        return Refunded(outcome=Outcome.UNKNOWN, reason="no such refund", missing=True)

    def _ask(self, method: str, path: str, fields: Mapping[str, str] | None = None, *, key: str = "") -> Said:
        """Raises NoAnswer, Unreadable."""
        headers = {"Authorization": f"Bearer {self.account.secret_key}", "Stripe-Version": API_VERSION}
        body = None
        if fields is not None:
            body, headers["Content-Type"] = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        if key:
            headers["Idempotency-Key"] = key
        answer = self._exchange(Ask(method, f"{self.account.gateway.rstrip('/')}{path}", body, headers))
        return Said(answer.status, read_object(answer.body))


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


def _no(said: Said) -> Outcome:
    """Stripe's word for "this key was used for something else" (idempotency_error) is none for "nothing was done"."""
    return said.no(documented=_error(said).get("type") in REFUSALS)


def _error(said: Said) -> Mapping[str, Any]:
    error = said.fields.get("error")
    return error if isinstance(error, dict) else {}


def _reason(said: Said) -> str:
    words = str(_error(said).get("message") or _error(said).get("code") or "")
    return words.replace("\0", "")[:200] or f"HTTP {said.status}"
