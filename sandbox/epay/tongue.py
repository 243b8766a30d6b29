"""submit.php, mapi.php and api.php as real gateways have them, and the signed GET notify."""

import re
import secrets
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus

from sandbox import pages
from sandbox.epay.merchants import Merchant
from sandbox.epay.signing import is_signed, signed
from sandbox.faults import Faults
from sandbox.till import PAID, REFUNDED, UNPAID, Till
from sandbox.tongue import (
    Kind,
    Letter,
    Refused,
    Tongue,
    as_address,
    as_money,
    clock_text,
    money_text,
    spoilt,
    with_query,
)
from sandbox.web import BadRequest, Request, Response, as_json, page, redirect

NUMBER = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
NAME_BYTES = 127
TYPES = ("alipay", "wxpay", "qqpay", "bank", "jdpay", "tenpay")
CODES = {"key": -2, "merchant": -3}


def order_from(fields: dict[str, str], pid: str, tongue: str) -> dict:
    """What both versions ask of an order. Raises Refused."""
    number, name = fields.get("out_trade_no", ""), fields.get("name", "")
    if not NUMBER.match(number):
        raise Refused("商户订单号不合法")
    if fields.get("type") not in TYPES:
        raise Refused("支付方式不存在")
    if not name or len(name.encode()) > NAME_BYTES or re.search(r"[&'\"\r\n]", name):
        raise Refused("商品名称不合法")
    return {
        "tongue": tongue,
        "pid": pid,
        "out_trade_no": number,
        "type": fields["type"],
        "name": name,
        "money": money_text(as_money(fields.get("money", ""))),
        "notify_url": as_address(fields.get("notify_url", ""), "notify_url"),
        "return_url": as_address(fields.get("return_url", ""), "return_url"),
        "extra": {"param": fields.get("param", ""), "device": fields.get("device", "")},
    }


def result_fields(order: dict, kind: Kind) -> dict[str, str]:
    """Unsigned fields of notify and return. V1 gateways name only success; TRADE_CLOSED stands for the rest."""
    paid = order["status"] in (PAID, REFUNDED)
    fields = {
        "pid": order["pid"],
        "trade_no": order["id"],
        "out_trade_no": order["out_trade_no"],
        "type": order["type"],
        "name": order["name"],
        "money": order["paid"] if paid else order["money"],
        "trade_status": "TRADE_SUCCESS" if paid or kind in (Kind.FORGED, Kind.UNPAID) else "TRADE_CLOSED",
    }
    if order["extra"].get("param"):
        fields["param"] = order["extra"]["param"]
    return fields


def public(order: dict) -> dict:
    """An order as queries answer it."""
    return {
        "trade_no": order["id"],
        "out_trade_no": order["out_trade_no"],
        "type": order["type"],
        "pid": order["pid"],
        "addtime": clock_text(order["addtime"]),
        "endtime": clock_text(order["endtime"]),
        "name": order["name"],
        "money": order["money"] if order["status"] not in (PAID, REFUNDED) else order["paid"],
        "status": order["status"] if order["status"] in (PAID, REFUNDED) else UNPAID,
        "param": order["extra"].get("param", ""),
        "buyer": "",
    }


class EpayTongue(Tongue):
    name, title = "epay", "易支付 V1"
    addresses = ("/submit.php", "/mapi.php", "/api.php")

    def __init__(self, till: Till, faults: Faults, known: dict[str, Merchant]):
        self.till = till
        self.faults = faults
        self.known = known

    def merchants(self) -> list[str]:
        return list(self.known)

    def answer(self, request: Request) -> Response | None:
        match request.path:
            case "/submit.php":
                return self.submit(request)
            case "/mapi.php":
                return self._faulty("mapi", self.mapi, request)
            case "/api.php":
                return self._api(request)
        return None

    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        if kind == Kind.REFUND:
            return None
        fields = self._signed(order, kind)
        if kind == Kind.FORGED:
            fields["sign"] = spoilt(fields["sign"])
        return Letter("GET", with_query(order["notify_url"], fields))

    def return_address(self, order: dict) -> str:
        return with_query(order["return_url"], self._signed(order, Kind.RESULT))

    def heard(self, status: int, text: str) -> bool:
        """A gateway reads the text and nothing else."""
        return text.strip() == "success"

    def _signed(self, order: dict, kind: Kind) -> dict[str, str]:
        merchant = self._merchant(order["pid"])
        return signed(result_fields(order, kind), merchant.key, merchant.sign_mode)

    # The protocol

    def _merchant(self, pid: str) -> Merchant:
        if pid not in self.known:
            raise Refused("商户不存在", "merchant")
        return self.known[pid]

    def _merchant_by_key(self, fields: dict[str, str]) -> Merchant:
        merchant = self._merchant(fields.get("pid", ""))
        if not secrets.compare_digest(merchant.key.encode(), fields.get("key", "").encode()):
            raise Refused("密钥错误", "key")
        return merchant

    def _take(self, fields: dict[str, str]) -> dict:
        merchant = self._merchant(fields.get("pid", ""))
        if not is_signed(fields, merchant.key, merchant.sign_mode):
            raise Refused("签名校验失败")
        return self.till.take(order_from(fields, merchant.pid, self.name))

    def submit(self, request: Request) -> Response:
        try:
            order = self._take(request.form())
        except (Refused, BadRequest) as error:
            return page(pages.message("无法支付", str(error)), HTTPStatus.OK)
        return redirect(f"/cashier/{order['id']}")

    def mapi(self, request: Request) -> dict:
        if request.method != "POST":
            raise Refused("请使用 POST")
        order = self._take(request.form())
        reply = {"code": 1, "msg": "", "trade_no": order["id"]}
        address = self.till.cashier(request, order)
        # One of the three, as on real gateways: a phone is sent there, a computer shows the code for the phone.
        if order["extra"]["device"] in ("", "pc"):
            return reply | {"qrcode": address}
        return reply | {"payurl": address}

    def _api(self, request: Request) -> Response:
        try:
            act = request.form().get("act", "")
        except BadRequest as error:
            return as_json({"code": -1, "msg": str(error)})
        calls = {"order": self.order, "refund": self.refund, "query": self.query}
        calls |= {"settle": self.settle, "orders": self.order_list}
        if act not in calls:
            return as_json({"code": -5, "msg": "No Act!"})
        return self._faulty(act, calls[act], request)

    def _faulty(self, call: str, answer: Callable[[Request], dict], request: Request) -> Response:
        def refusal() -> Response:
            return as_json({"code": -1, "msg": "通道维护"})

        return self.faults.spoil(call, lambda: self._as_json(answer, request), refusal)

    def _as_json(self, answer: Callable[[Request], dict], request: Request) -> Response:
        try:
            return as_json(answer(request))
        except Refused as error:
            return as_json({"code": CODES.get(error.reason, -1), "msg": str(error)})
        except BadRequest as error:
            return as_json({"code": -1, "msg": str(error)})

    def _own_order(self, merchant: Merchant, fields: dict[str, str]) -> dict:
        numbers = {name: fields.get(name, "") for name in ("trade_no", "out_trade_no")}
        order = self.till.find(self.name, merchant.pid, **numbers)
        if order is None:
            raise Refused("订单号不存在", "missing")
        return order

    def order(self, request: Request) -> dict:
        fields = request.form()
        order = self._own_order(self._merchant_by_key(fields), fields)
        return {"code": 1, "msg": "查询订单号成功！"} | public(order)

    def refund(self, request: Request) -> dict:
        if request.method != "POST":
            raise Refused("请使用 POST")
        fields = request.form()
        order = self._own_order(self._merchant_by_key(fields), fields)
        self.till.refund(order, as_money(fields.get("money", "")))
        return {"code": 1, "msg": "退款成功"}

    def query(self, request: Request) -> dict:
        merchant = self._merchant_by_key(request.form())
        orders = self.till.orders.all(tongue=self.name, pid=merchant.pid)
        money = sum((Decimal(o["paid"]) - Decimal(o["refunded"]) for o in orders), Decimal("0.00"))
        return {
            "code": 1,
            "pid": merchant.pid,
            "key": merchant.key,
            "active": 1,
            "money": money_text(money),
            "type": 1,
            "account": "sandbox",
            "username": merchant.name,
            "orders": len(orders),
        }

    def settle(self, request: Request) -> dict:
        self._merchant_by_key(request.form())
        # Play money is never paid out.
        return {"code": 1, "msg": "查询结算记录成功！", "data": []}

    def order_list(self, request: Request) -> dict:
        fields = request.form()
        merchant = self._merchant_by_key(fields)
        limit = min(_number(fields.get("limit"), 20), 50)
        start = (max(_number(fields.get("page"), 1), 1) - 1) * limit
        orders = [public(o) for o in reversed(self.till.orders.all(tongue=self.name, pid=merchant.pid))]
        return {"code": 1, "msg": "查询订单记录成功！", "data": orders[start : start + limit]}


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default
