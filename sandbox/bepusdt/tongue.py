"""create-transaction, cancel-transaction, check-status. One yuan is a fixed part of a coin here.

Any answer with status 200 counts as heard. A notify is also sent while an order waits, and when it ends unpaid.
"""

import json
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from hashlib import md5
from hmac import compare_digest
from http import HTTPStatus

from sandbox.faults import Faults
from sandbox.till import CLOSED, PAID, REFUNDED, UNPAID, Till
from sandbox.tongue import Kind, Letter, Refused, Tongue, as_address, as_money, money_text, spoilt
from sandbox.web import BadRequest, Request, Response, as_json, redirect

# Yuan for one coin.
RATE = Decimal("7.20")
TRADE_TYPES = ("usdt.trc20", "usdt.bep20", "usdt.polygon", "usdt.erc20", "tron.trx")
WALLET = "TSandboxSandboxSandboxSandboxSand1"
LEAST_SECONDS = 120
WAITING, SUCCESS, EXPIRED, CANCELLED = 1, 2, 3, 4


def number_text(value: float | int | str) -> str:
    """As the server, which reads every number into a float, puts one into the signed text."""
    if isinstance(value, str):
        return value
    if abs(value) < 1e6:
        return repr(value)[:-2] if repr(value).endswith(".0") else repr(value)
    digits, _, exponent = f"{Decimal(repr(value)):e}".lower().partition("e")
    whole, _, rest = digits.partition(".")
    rest = rest.rstrip("0")
    return f"{whole}{'.' + rest if rest else ''}e+{int(exponent):02}"


def signature(fields: dict, token: str) -> str:
    texts = {name: number_text(value) for name, value in fields.items() if name != "signature"}
    text = "&".join(f"{name}={texts[name]}" for name in sorted(texts) if texts[name] != "")
    return md5((text + token).encode()).hexdigest()


class BepusdtTongue(Tongue):
    name, title = "bepusdt", "BEpusdt"
    addresses = ("/api/v1/order/create-transaction",)
    # Seconds doubling from two minutes on.
    schedule = (0, *(120 * 2**number for number in range(10)))

    def __init__(self, till: Till, faults: Faults, keys: dict[str, str]):
        self.till = till
        self.faults = faults
        self.token = keys["token"]

    def merchants(self) -> list[str]:
        return ["bepusdt"]

    def answer(self, request: Request) -> Response | None:
        calls = {
            "/api/v1/order/create-transaction": ("create", self.create),
            "/api/v1/order/cancel-transaction": ("cancel", self.cancel),
        }
        if request.path in calls:
            name, call = calls[request.path]
            return self.faults.spoil(f"{self.name}.{name}", lambda: self._answered(call, request), _busy)
        if request.path.startswith("/pay/check-status/"):
            trade = request.path.rpartition("/")[2]
            return self.faults.spoil(f"{self.name}.query", lambda: self.check(trade), _busy)
        if request.path.startswith("/pay/checkout-counter/"):
            return redirect(f"/cashier/{request.path.rpartition('/')[2]}")
        return None

    def _answered(self, call: Callable[[Request, dict], dict], request: Request) -> Response:
        try:
            if request.method != "POST" or request.content_type != "application/json":
                raise Refused("参数错误")
            fields = request.json()
            given = fields.get("signature")
            if any(not isinstance(value, str | int | float) or isinstance(value, bool) for value in fields.values()):
                raise Refused("参数错误")
            if not isinstance(given, str) or not compare_digest(signature(fields, self.token), given):
                raise Refused("签名错误", "signature")
            data = call(request, fields)
        except (Refused, BadRequest) as error:
            return _failed(str(error))
        return as_json({"status_code": 200, "message": "success", "data": data, "request_id": ""})

    def create(self, request: Request, fields: dict) -> dict:
        amount, kind = number_text(fields.get("amount", "")), str(fields.get("trade_type", ""))
        if kind not in TRADE_TYPES or fields.get("fiat", "CNY") != "CNY":
            raise Refused("不支持的交易类型")
        seconds = fields.get("timeout", 1200)
        if not isinstance(seconds, int) or seconds < LEAST_SECONDS:
            raise Refused("timeout 不能少于 120")
        money = as_money(amount)
        number = str(fields.get("order_id", ""))
        if not number or len(number) > 128:
            raise Refused("order_id 不合法")
        wanted = {
            "tongue": self.name,
            "pid": "bepusdt",
            "out_trade_no": number,
            "type": "usdt",
            "name": str(fields.get("name") or number),
            "money": money_text(money),
            "notify_url": as_address(str(fields.get("notify_url", "")), "notify_url"),
            "return_url": as_address(str(fields.get("redirect_url", "")), "redirect_url"),
            "ends_at": self.till.clock() + seconds,
            "extra": {"trade_type": kind, "actual_amount": self._coins(money), "ended": 0},
        }
        order = self.till.take(wanted)
        return {
            "fiat": "CNY",
            "trade_id": order["id"],
            "order_id": order["out_trade_no"],
            "amount": order["money"],
            "actual_amount": order["extra"]["actual_amount"],
            "status": WAITING,
            "token": WALLET,
            "expiration_time": int(order["ends_at"] - self.till.clock()),
            "payment_url": self.till.cashier(request, order).replace("/cashier/", "/pay/checkout-counter/"),
        }

    def _coins(self, money: Decimal) -> str:
        """No two open orders wait for the same sum: it is all that tells the payments apart."""
        open_ = {o["extra"]["actual_amount"] for o in self.till.orders.all(tongue=self.name, status=UNPAID)}
        coins = (money / RATE).quantize(Decimal("0.01"), ROUND_HALF_UP)
        while coins <= 0 or str(coins) in open_:
            coins += Decimal("0.01")
        return str(coins)

    def _own(self, trade: str) -> dict:
        order = self.till.get(trade)
        if order is None or order["tongue"] != self.name:
            raise Refused("订单不存在", "missing")
        return order

    def cancel(self, request: Request, fields: dict) -> dict:
        order = self._own(str(fields.get("trade_id", "")))
        if order["status"] != UNPAID:
            raise Refused("当前订单状态不能取消")
        self.till.close(self.till.mark(order, ended=CANCELLED))
        return {"trade_id": order["id"]}

    def check(self, trade: str) -> Response:
        try:
            order = self._own(trade)
        except Refused as error:
            return _failed(str(error))
        paid = order["status"] in (PAID, REFUNDED)
        return as_json(
            {
                "trade_id": order["id"],
                "trade_hash": f"0x{order['id']}" if paid else "",
                "status": self._status(order),
                "return_url": self.return_address(order),
            }
        )

    def _status(self, order: dict) -> int:
        if order["status"] == CLOSED:
            return order["extra"].get("ended") or EXPIRED
        return WAITING if order["status"] == UNPAID else SUCCESS

    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        if kind == Kind.REFUND:
            return None
        paid = order["status"] in (PAID, REFUNDED)
        status = SUCCESS if kind in (Kind.FORGED, Kind.UNPAID) else self._status(order)
        if order["failed"] and status == WAITING:
            status = EXPIRED
        amount = float(order["paid"] if paid else order["money"])
        fields = {
            "trade_id": order["id"],
            "order_id": order["out_trade_no"],
            "amount": int(amount) if amount.is_integer() else amount,
            "actual_amount": order["extra"]["actual_amount"],
            "token": WALLET,
            "block_transaction_id": f"0x{order['id']}" if paid else "",
            "status": status,
        }
        sign = signature(fields, self.token)
        body = json.dumps({**fields, "signature": spoilt(sign) if kind == Kind.FORGED else sign}).encode()
        return Letter("POST", order["notify_url"], body, {"Content-Type": "application/json"})

    def return_address(self, order: dict) -> str:
        return order["return_url"]

    def heard(self, status: int, text: str) -> bool:
        return status == HTTPStatus.OK


def _failed(text: str) -> Response:
    return as_json({"status_code": 400, "message": text, "data": None, "request_id": ""})


def _busy() -> Response:
    return _failed("钱包维护")
