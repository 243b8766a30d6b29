"""The addresses: submit.php, mapi.php and api.php as real gateways have them, the cashier, and /control for tests."""

import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus

from sandbox.epay import pages
from sandbox.epay.gateway import UNPAID, Gateway, Refused, as_money, clock_text
from sandbox.epay.merchants import Merchant
from sandbox.web import BadRequest, Request, Response, as_json, page, redirect

FAULTS = ("hang", "garbage", "nested", "status500", "refused")
MAX_SECONDS = 7 * 24 * 3600


@dataclass
class Fault:
    """The next `times` answers of a call go wrong this way."""

    mode: str
    seconds: float = 30
    times: int = 1


class Routes:
    """Callable as a server handler: Request → Response, or None when the address is not ours."""

    def __init__(self, gateway: Gateway, public_url: str = ""):
        self.gateway = gateway
        self.public_url = public_url.rstrip("/")
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response | None:
        path = request.path
        if path == "/":
            return page(pages.home(self.gateway))
        if path == "/submit.php":
            return self.submit(request)
        if path == "/mapi.php":
            return self._faulty("mapi", lambda: self._as_json(self.mapi, request))
        if path == "/api.php":
            return self._api(request)
        if path.startswith("/cashier/"):
            return self.cashier(request, path.removeprefix("/cashier/"))
        if path.startswith("/control/"):
            return self.control(request, path.removeprefix("/control/"))
        return None

    def _cashier_address(self, request: Request, order: dict) -> str:
        return f"{self.public_url or 'http://' + request.host}/cashier/{order['id']}"

    # The protocol

    def submit(self, request: Request) -> Response:
        try:
            order = self.gateway.take(request.form())
        except (Refused, BadRequest) as error:
            return page(pages.message("无法支付", str(error)), HTTPStatus.OK)
        return redirect(f"/cashier/{order['id']}")

    def mapi(self, request: Request) -> dict:
        if request.method != "POST":
            raise Refused("请使用 POST")
        order = self.gateway.take(request.form())
        reply = {"code": 1, "msg": "", "trade_no": order["id"]}
        address = self._cashier_address(request, order)
        # One of the three, as on real gateways: a phone is sent there, a computer shows the code for the phone.
        if order["device"] in ("", "pc"):
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
        return self._faulty(act, lambda: self._as_json(calls[act], request))

    def _as_json(self, call, request: Request) -> Response:
        try:
            return as_json(call(request))
        except Refused as error:
            return as_json({"code": error.code, "msg": str(error)})
        except BadRequest as error:
            return as_json({"code": -1, "msg": str(error)})

    def _own_order(self, merchant: Merchant, fields: dict[str, str]) -> dict:
        order = self.gateway.find(
            merchant.pid, trade_no=fields.get("trade_no", ""), out_trade_no=fields.get("out_trade_no", "")
        )
        if order is None:
            raise Refused("订单号不存在")
        return order

    def order(self, request: Request) -> dict:
        fields = request.form()
        order = self._own_order(self.gateway.merchant_by_key(fields), fields)
        return {"code": 1, "msg": "查询订单号成功！"} | _public(order)

    def refund(self, request: Request) -> dict:
        if request.method != "POST":
            raise Refused("请使用 POST")
        fields = request.form()
        order = self._own_order(self.gateway.merchant_by_key(fields), fields)
        self.gateway.refund(order, as_money(fields.get("money", "")))
        return {"code": 1, "msg": "退款成功"}

    def query(self, request: Request) -> dict:
        merchant = self.gateway.merchant_by_key(request.form())
        orders = self.gateway.orders.all(pid=merchant.pid)
        money = sum((Decimal(o["paid"]) - Decimal(o["refunded"]) for o in orders), Decimal("0.00"))
        return {
            "code": 1,
            "pid": merchant.pid,
            "key": merchant.key,
            "active": 1,
            "money": f"{money:.2f}",
            "type": 1,
            "account": "sandbox",
            "username": merchant.name,
            "orders": len(orders),
        }

    def settle(self, request: Request) -> dict:
        self.gateway.merchant_by_key(request.form())
        # Play money is never paid out.
        return {"code": 1, "msg": "查询结算记录成功！", "data": []}

    def order_list(self, request: Request) -> dict:
        fields = request.form()
        merchant = self.gateway.merchant_by_key(fields)
        limit = min(_number(fields.get("limit"), 20), 50)
        start = (max(_number(fields.get("page"), 1), 1) - 1) * limit
        orders = [_public(o) for o in reversed(self.gateway.orders.all(pid=merchant.pid))]
        return {"code": 1, "msg": "查询订单记录成功！", "data": orders[start : start + limit]}

    # People

    def cashier(self, request: Request, trade_no: str) -> Response:
        order = self.gateway.orders.get(trade_no)
        if order is None:
            return page(pages.message("订单不存在", "请回到商家重新发起支付。"), HTTPStatus.NOT_FOUND)
        error = ""
        if request.method == "POST":
            try:
                return self._press(request, trade_no)
            except (Refused, BadRequest) as refusal:
                error = str(refusal)
        return page(pages.cashier(self.gateway, self.gateway.orders.get(trade_no), error))

    def _press(self, request: Request, trade_no: str) -> Response:
        fields = request.form()
        action = fields.get("action", "")
        money = fields.get("money", "") if action == "wrong_amount" else ""
        # An empty field is "after the shop's deadline".
        seconds = _seconds(fields["seconds"]) if action == "pay_late" and fields.get("seconds") else None
        order = self.gateway.act(trade_no, action, money=money, seconds=seconds)
        # As on a real gateway the payer goes back when done; what is not done yet stays here.
        if order["status"] != UNPAID or action == "fail":
            return redirect(self.gateway.return_address(order))
        return redirect(f"/cashier/{trade_no}")

    # Tests

    def control(self, request: Request, name: str) -> Response:
        """JSON for tests: GET orders; POST act {trade_no | pid, out_trade_no; action, money, seconds}; POST fault."""
        try:
            if name == "orders" and request.method == "GET":
                orders = self.gateway.orders.all(**request.form())
                return as_json([order | {"notifies": self.gateway.notifies(order["id"])} for order in orders])
            # A web page elsewhere cannot send this type without asking first, and gets no answer when it asks.
            if request.method != "POST" or request.content_type != "application/json":
                return as_json({"error": "POST application/json"}, HTTPStatus.METHOD_NOT_ALLOWED)
            if name == "act":
                return as_json(self._control_act(request.json()))
            if name == "fault":
                return as_json(self._control_fault(request.json()))
        except (Refused, BadRequest) as error:
            return as_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return as_json({"error": "no such control"}, HTTPStatus.NOT_FOUND)

    def _control_act(self, wish: dict) -> dict:
        texts = {name: str(wish.get(name, "")) for name in ("trade_no", "pid", "out_trade_no", "action", "money")}
        pid = texts["pid"] or next(iter(self.gateway.merchants))
        order = self.gateway.find(pid, trade_no=texts["trade_no"], out_trade_no=texts["out_trade_no"])
        if order is None:
            raise Refused("订单不存在")
        seconds = None if wish.get("seconds") is None else _seconds(str(wish["seconds"]))
        return self.gateway.act(order["id"], texts["action"], money=texts["money"], seconds=seconds)

    def _control_fault(self, wish: dict) -> dict:
        call, mode = str(wish.get("call", "")), wish.get("mode")
        with self._lock:
            self._faults.pop(call, None)
            if mode is not None:
                if mode not in FAULTS:
                    raise Refused(f"mode: {', '.join(FAULTS)}")
                times = _number(str(wish.get("times", 1)), 1)
                self._faults[call] = Fault(mode, _seconds(str(wish.get("seconds", 30))), times)
        return {"call": call, "mode": mode}

    def _faulty(self, call: str, answer) -> Response:
        """The answer, spoilt when a test asked for that. Except for "refused" the call has had its effect."""
        with self._lock:
            fault = self._faults.get(call)
            if fault:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[call]
        if fault is None:
            return answer()
        if fault.mode == "refused":
            return as_json({"code": -1, "msg": "通道维护"})
        response = answer()
        if fault.mode == "hang":
            time.sleep(fault.seconds)
        elif fault.mode == "garbage":
            return page("<br />\n<b>Fatal error</b>: Uncaught PDOException in /www/wwwroot/epay/api.php on line 42")
        elif fault.mode == "nested":
            return as_json(response.body.decode())
        elif fault.mode == "status500":
            return page("502 Bad Gateway", HTTPStatus.BAD_GATEWAY)
        return response


def _public(order: dict) -> dict:
    """An order as `act=order` and `act=orders` answer it."""
    return {
        "trade_no": order["id"],
        "out_trade_no": order["out_trade_no"],
        "type": order["type"],
        "pid": order["pid"],
        "addtime": clock_text(order["addtime"]),
        "endtime": clock_text(order["endtime"]),
        "name": order["name"],
        "money": order["paid"] if order["status"] else order["money"],
        "status": order["status"],
        "param": order["param"],
        "buyer": "",
    }


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else default


def _seconds(text: str) -> float:
    """Raises Refused for anything but 0 to a week."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_SECONDS:
        raise Refused("秒数不合法")
    return seconds
