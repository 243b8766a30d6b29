"""/v1/checkout/sessions and /v1/refunds: forms in, JSON out, each POST once under its idempotency key.

Webhooks go to one address of the account, which a real one sets in Stripe's dashboard: `--stripe-webhook`, or POST
/control/stripe {webhook}. Amounts are in a currency's smallest unit; the till keeps them as two decimals.
"""

import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from http import HTTPStatus

from sandbox.faults import Faults
from sandbox.till import CLOSED, PAID, REFUNDED, UNPAID, Till
from sandbox.tongue import STALE, Kind, Letter, Refused, Tongue, as_address, money_text, spoilt
from sandbox.web import BadRequest, Request, Response, as_json

UNITS = re.compile(r"^[1-9][0-9]{0,7}$")
SHORTEST, LONGEST = 1800, 24 * 3600
CURRENCIES = ("cny", "usd", "hkd", "eur")


class Wrong(Exception):
    def __init__(self, status: HTTPStatus, text: str, kind: str = "invalid_request_error"):
        super().__init__(text)
        self.status = status
        self.kind = kind


class StripeTongue(Tongue):
    name, title = "stripe", "Stripe Checkout"
    addresses = ("/v1/checkout/sessions",)
    # For three days.
    schedule = (0, 300, 1800, 7200, 18000, 36000, 36000, 36000, 36000)

    def __init__(self, till: Till, faults: Faults, keys: dict[str, str], webhook: str = ""):
        self.till = till
        self.faults = faults
        self.secret_key, self.webhook_secret = keys["secret_key"], keys["webhook_secret"]
        self.webhook = webhook
        self._answers: dict[str, tuple[bytes, Response]] = {}
        self._lock = threading.RLock()

    def merchants(self) -> list[str]:
        return ["acct_sandbox"]

    def answer(self, request: Request) -> Response | None:
        if request.path == "/control/stripe":
            return self._control(request)
        found = self._call_for(request)
        if found is None:
            return None
        name, call = found
        return self.faults.spoil(f"{self.name}.{name}", lambda: self._answered(call, request), _busy)

    def _call_for(self, request: Request) -> tuple[str, Callable[[Request], dict]] | None:
        sessions, refunds = "/v1/checkout/sessions", "/v1/refunds"
        if request.path == sessions and request.method == "POST":
            return "create", self.create
        if request.path == refunds:
            return ("refund", self.refund) if request.method == "POST" else ("query_refund", self.refunds)
        intents = "/v1/payment_intents/"
        if request.path.startswith(intents) and request.method == "GET":
            intent = request.path.removeprefix(intents)
            return "intent", lambda _request: _intent(self._by_intent(intent))
        if not request.path.startswith(f"{sessions}/"):
            return None
        session, _, verb = request.path.removeprefix(f"{sessions}/").partition("/")
        if verb == "expire" and request.method == "POST":
            return "close", lambda _request: self.expire(session)
        if not verb and request.method == "GET":
            return "query", lambda _request: _session(self._order(session))
        return None

    def _answered(self, call: Callable[[Request], dict], request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {self.secret_key}":
                raise Wrong(HTTPStatus.UNAUTHORIZED, "Invalid API Key provided")
            return self._once(call, request)
        except Wrong as error:
            return as_json({"error": {"type": error.kind, "message": str(error)}}, error.status)
        except (Refused, BadRequest) as error:
            body = {"error": {"type": "invalid_request_error", "message": str(error)}}
            return as_json(body, HTTPStatus.BAD_REQUEST)

    def _once(self, call: Callable[[Request], dict], request: Request) -> Response:
        """A POST under a key that was used has the first answer, and is wrong with other parameters."""
        key = request.headers.get("idempotency-key", "")
        if request.method != "POST" or not key:
            return as_json(call(request))
        with self._lock:
            asked = f"{request.path}\n".encode() + request.body
            if key in self._answers:
                before, response = self._answers[key]
                if before != asked:
                    raise Wrong(HTTPStatus.BAD_REQUEST, "Keys for idempotent requests", "idempotency_error")
                return response
            response = as_json(call(request))
            self._answers[key] = asked, response
            return response

    def _control(self, request: Request) -> Response:
        if request.method != "POST" or request.content_type != "application/json":
            return as_json({"error": "POST application/json"}, HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            self.webhook = as_address(str(request.json().get("webhook", "")), "webhook")
        except (Refused, BadRequest) as error:
            return as_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return as_json({"webhook": self.webhook})

    # The protocol

    def _order(self, session: str) -> dict:
        order = self.till.get(session)
        if order is None or order["tongue"] != self.name:
            raise Wrong(HTTPStatus.NOT_FOUND, f"No such checkout.session: '{session[:80]}'")
        return order

    def create(self, request: Request) -> dict:
        fields = request.form()
        item = "line_items[0]"
        currency = fields.get(f"{item}[price_data][currency]", "")
        units = fields.get(f"{item}[price_data][unit_amount]", "")
        if fields.get("mode") != "payment" or fields.get(f"{item}[quantity]") != "1" or currency not in CURRENCIES:
            raise Wrong(HTTPStatus.BAD_REQUEST, "Missing or unknown parameter")
        if not UNITS.match(units):
            raise Wrong(HTTPStatus.BAD_REQUEST, "Invalid integer: unit_amount")
        ends = fields.get("expires_at", "")
        wait = int(ends) - self.till.clock() if ends.isdecimal() and len(ends) < 12 else LONGEST
        if not SHORTEST - 5 <= wait <= LONGEST:
            raise Wrong(HTTPStatus.BAD_REQUEST, "expires_at must be between 30 minutes and 24 hours from now")
        order = self.till.put(
            {
                "id": f"cs_test_{secrets.token_hex(24)}",
                "tongue": self.name,
                "pid": "acct_sandbox",
                "out_trade_no": fields.get("client_reference_id", ""),
                "type": "card",
                "name": fields.get(f"{item}[price_data][product_data][name]", ""),
                "money": money_text(Decimal(units) / 100),
                "return_url": as_address(fields.get("success_url", ""), "success_url"),
                "ends_at": self.till.clock() + wait,
                "extra": {
                    "intent": f"pi_{secrets.token_hex(12)}",
                    "currency": currency,
                    "metadata": _metadata(fields),
                    "intent_metadata": _metadata(fields, "payment_intent_data[metadata]"),
                    "cancel_url": fields.get("cancel_url", ""),
                },
            }
        )
        order = self.till.mark(order, url=self.till.cashier(request, order))
        return _session(order)

    def expire(self, session: str) -> dict:
        order = self._order(session)
        if order["status"] != UNPAID:
            raise Wrong(HTTPStatus.BAD_REQUEST, "Only Checkout Sessions with a status in ['open'] can be expired")
        return _session(self.till.close(order))

    def _by_intent(self, intent: str) -> dict:
        for order in self.till.orders.all(tongue=self.name):
            if intent and order["extra"]["intent"] == intent and order["status"] in (PAID, REFUNDED):
                return order
        raise Wrong(HTTPStatus.NOT_FOUND, f"No such payment_intent: '{intent[:80]}'")

    def refund(self, request: Request) -> dict:
        fields = request.form()
        order = self._by_intent(fields.get("payment_intent", ""))
        units = fields.get("amount", "")
        if not UNITS.match(units):
            raise Wrong(HTTPStatus.BAD_REQUEST, "Invalid integer: amount")
        refund, _new = self.till.refund(order, Decimal(units) / 100)
        self.till.mark(order, **{f"refund:{refund['id']}": _metadata(fields)})
        return _refund(self.till.orders.get(order["id"]), refund)

    def refunds(self, request: Request) -> dict:
        order = self._by_intent(request.form().get("payment_intent", ""))
        rows = [_refund(order, refund) for refund in reversed(order["refunds"])]
        return {"object": "list", "data": rows, "has_more": False, "url": "/v1/refunds"}

    # What the merchant hears

    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        if kind == Kind.REFUND or not self.webhook:
            return None
        claimed = order | {"status": PAID, "paid": order["money"]} if kind == Kind.FORGED else order
        done = claimed["status"] in (PAID, REFUNDED) or kind == Kind.UNPAID
        event = {
            "id": f"evt_{order['id'][-16:]}{kind}",
            "object": "event",
            "type": "checkout.session.completed" if done else "checkout.session.async_payment_failed",
            "created": int(at),
            "livemode": False,
            "data": {"object": _session(claimed)},
        }
        body = json.dumps(event, indent=2).encode()
        signed_at = int(at - STALE if kind == Kind.STALE else at)
        sign = hmac.new(self.webhook_secret.encode(), f"{signed_at}.".encode() + body, sha256).hexdigest()
        if kind == Kind.FORGED:
            sign = spoilt(sign)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": f"t={signed_at},v1={sign}"}
        return Letter("POST", self.webhook, body, headers)

    def return_address(self, order: dict) -> str:
        return order["return_url"]

    def heard(self, status: int, text: str) -> bool:
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _metadata(fields: dict[str, str], prefix: str = "metadata") -> dict[str, str]:
    start = f"{prefix}["
    return {name[len(start) : -1]: value for name, value in fields.items() if name.startswith(start)}


def _intent(order: dict) -> dict:
    return {
        "id": order["extra"]["intent"],
        "object": "payment_intent",
        "amount": int(Decimal(order["paid"]) * 100),
        "currency": order["extra"]["currency"],
        "metadata": order["extra"]["intent_metadata"],
        "status": "succeeded",
    }


def _session(order: dict) -> dict:
    paid = order["status"] in (PAID, REFUNDED)
    total = order["paid"] if paid else order["money"]
    status = "complete" if paid else "expired" if order["status"] == CLOSED else "open"
    return {
        "id": order["id"],
        "object": "checkout.session",
        "amount_total": int(Decimal(total) * 100),
        "client_reference_id": order["out_trade_no"],
        "currency": order["extra"]["currency"],
        "expires_at": int(order["ends_at"]),
        "metadata": order["extra"]["metadata"],
        "mode": "payment",
        "payment_intent": order["extra"]["intent"] if paid else None,
        "payment_status": "paid" if paid else "unpaid",
        "status": status,
        "url": None if paid or order["status"] == CLOSED else order["extra"].get("url"),
    }


def _refund(order: dict, refund: dict) -> dict:
    return {
        "id": f"re_{refund['id']}",
        "object": "refund",
        "amount": int(Decimal(refund["money"]) * 100),
        "currency": order["extra"]["currency"],
        "metadata": order["extra"].get(f"refund:{refund['id']}", {}),
        "payment_intent": order["extra"]["intent"],
        "status": "succeeded",
    }


def _busy() -> Response:
    return as_json({"error": {"type": "card_error", "message": "Try again"}}, HTTPStatus.PAYMENT_REQUIRED)
