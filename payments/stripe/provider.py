"""Stripe Checkout as a provider, in yuan. Amounts on the wire are whole fen.

Our number is `client_reference_id` and part of the session's metadata, and the idempotency key of the request that made it,
so that a repeat is the same session. A session is asked for by its own id (`ref`). Source: Stripe's API documents.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from common.money import CENT
from payments.providers import (
    Charge,
    Created,
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
from payments.replies import Unreadable, read_object
from payments.stripe.signing import HEADER, why_not_signed
from payments.transport import Ask, Exchange, NoAnswer, exchange

CURRENCY = "cny"
PAID_EVENTS = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
# Stripe takes no session that ends sooner; our own deadline ends the payment page before that.
SHORTEST, LONGEST = timedelta(minutes=31), timedelta(hours=23)
API_VERSION = "2025-09-30.clover"


@dataclass(frozen=True, kw_only=True)
class StripeAccount:
    """An account. `gateway` is https://api.stripe.com; `webhook_secret` belongs to our address there."""

    gateway: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self.account = account
        self._exchange = exchange
        self._now = now

    def create(self, charge: Charge) -> Created:
        ends = min(max(charge.expires_at, self._now() + SHORTEST), self._now() + LONGEST)
        fields = {
            "mode": "payment",
            "client_reference_id": charge.number,
            "metadata[number]": charge.number,
            "payment_intent_data[metadata][number]": charge.number,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": CURRENCY,
            "line_items[0][price_data][unit_amount]": str(int(charge.amount.quantize(CENT) * 100)),
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
        return Created(outcome=Outcome.DONE, show=Show.PAGE, payload=address, ref=session[:100])

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
        number, provider_txn, amount = _facts(session)
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
                return Queried(state=PaymentState.UNPAID)
            _number, provider_txn, amount = _facts(session)
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
        """The refund's number is the idempotency key, and kept in the metadata for `query_refund`."""
        fields = {
            "payment_intent": provider_txn,
            "amount": str(int(amount.quantize(CENT) * 100)),
            "metadata[number]": refund_number,
        }
        try:
            status, reply = self._ask("POST", "/v1/refunds", fields, key=f"refund:{refund_number}")
        except (NoAnswer, Unreadable) as error:
            return Refunded(outcome=Outcome.UNKNOWN, reason=str(error))
        if status != HTTPStatus.OK:
            return Refunded(outcome=_outcome(status), reason=_reason(status, reply))
        return _refunded(reply)

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


def _facts(session: Mapping[str, Any]) -> tuple[str, str, Decimal]:
    """Number, payment intent and total of a paid session. Raises Unreadable with the word for what is wrong."""
    number, intent = session.get("client_reference_id"), session.get("payment_intent")
    if not isinstance(number, str) or not isinstance(intent, str) or not number or not intent:
        raise Unreadable("form")
    if session.get("currency") != CURRENCY:
        raise Unreadable("currency")
    total = session.get("amount_total")
    if not isinstance(total, str) or not total.isascii() or not total.isdecimal() or len(total) > 11 or int(total) == 0:
        raise Unreadable("amount")
    return number, intent[:64], (Decimal(total) / 100).quantize(CENT)


def _refunded(reply: Mapping[str, Any]) -> Refunded:
    refund, status = str(reply.get("id", ""))[:64], str(reply.get("status", ""))
    if status == "succeeded":
        return Refunded(outcome=Outcome.DONE, provider_refund=refund)
    if status in ("failed", "canceled"):
        return Refunded(outcome=Outcome.REFUSED, provider_refund=refund, reason=status)
    return Refunded(outcome=Outcome.UNKNOWN, provider_refund=refund, reason=status[:200])


def _outcome(status: int) -> Outcome:
    """409: a request with this key is under way; 429: too many. Neither says no."""
    definite = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    open_ = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
    return Outcome.REFUSED if definite and status not in open_ else Outcome.UNKNOWN


def _reason(status: int, reply: Mapping[str, Any]) -> str:
    error = reply.get("error")
    words = str(error.get("message") or error.get("code") or "") if isinstance(error, dict) else ""
    return words.replace("\0", "")[:200] or f"HTTP {status}"
