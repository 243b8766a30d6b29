"""/api/pay/…: every request, answer and notify is dated and signed."""

from collections.abc import Callable

from sandbox import pages, rsa
from sandbox.epay.tongue import order_from, public, result_fields
from sandbox.faults import Faults
from sandbox.till import PAID, REFUNDED, UNPAID, Till
from sandbox.tongue import STALE, Kind, Letter, Refused, Tongue, as_money, clock_text, money_text, spoilt, with_query
from sandbox.web import BadRequest, Request, Response, as_json, page, redirect

UNSIGNED = ("sign", "sign_type")
MOST_SKEW = 300


def signed_text(fields: dict[str, str]) -> str:
    """What has no more than blanks in it is not signed."""
    kept = [f"{name}={fields[name]}" for name in sorted(fields) if name not in UNSIGNED and fields[name].strip()]
    return "&".join(kept)


class EpayV2Tongue(Tongue):
    name, title = "epay_v2", "易支付 V2"
    addresses = ("/api/pay/create", "/api/pay/submit")

    def __init__(self, till: Till, faults: Faults, keys: dict[str, str]):
        self.till = till
        self.faults = faults
        self.pid = keys["pid"]
        self._merchant = rsa.public(keys["merchant_public"])
        self._platform = rsa.private(keys["platform_private"])
        self._calls: dict[str, Callable[[Request, dict[str, str]], dict]] = {
            "create": self.create,
            "query": self.query,
            "close": self.close,
            "refund": self.refund,
            "refundquery": self.refund_query,
        }

    def merchants(self) -> list[str]:
        return [self.pid]

    def answer(self, request: Request) -> Response | None:
        folder, _, call = request.path.rpartition("/")
        if folder != "/api/pay":
            return None
        if call == "submit":
            return self.submit(request)
        if call not in self._calls:
            return None
        answer = self._calls[call]
        return self.faults.spoil(f"{self.name}.{call}", lambda: self._answered(answer, request), self._maintenance)

    def _maintenance(self) -> Response:
        return as_json({"code": -1, "msg": "通道维护"})

    def _answered(self, answer: Callable[[Request, dict[str, str]], dict], request: Request) -> Response:
        try:
            if request.method != "POST":
                raise Refused("请使用 POST")
            reply = {"code": 0, "msg": "success", **answer(request, self._checked(request))}
        except (Refused, BadRequest) as error:
            # As the original does: what is refused is not signed.
            return as_json({"code": -1, "msg": str(error)})
        return as_json(reply | self._signature({name: str(value) for name, value in reply.items()}, self.till.clock()))

    def _signature(self, fields: dict[str, str], at: float) -> dict[str, str]:
        dated = {**fields, "timestamp": str(int(at))}
        sign = rsa.signature(signed_text(dated), self._platform)
        return {"timestamp": dated["timestamp"], "sign": sign, "sign_type": "RSA"}

    def _checked(self, request: Request) -> dict[str, str]:
        """The fields of a request of our merchant. Raises Refused."""
        fields = request.form()
        if fields.get("pid") != self.pid:
            raise Refused("商户不存在", "merchant")
        timestamp = fields.get("timestamp", "")
        if len(timestamp) != 10 or not timestamp.isdecimal():
            raise Refused("时间戳不合法")
        if abs(self.till.clock() - int(timestamp)) > MOST_SKEW:
            raise Refused("时间戳已过期")
        if fields.get("sign_type") != "RSA" or not rsa.is_signature(
            signed_text(fields), fields.get("sign", ""), self._merchant
        ):
            raise Refused("RSA签名校验失败", "signature")
        return fields

    def submit(self, request: Request) -> Response:
        try:
            order = self.till.take(order_from(self._checked(request), self.pid, self.name))
        except (Refused, BadRequest) as error:
            return page(pages.message("无法支付", str(error)))
        return redirect(f"/cashier/{order['id']}")

    def create(self, request: Request, fields: dict[str, str]) -> dict:
        if fields.get("method") not in ("web", "jump", "jsapi", "app", "scan", "applet"):
            raise Refused("method 不合法")
        order = self.till.take(order_from(fields, self.pid, self.name))
        kind = "qrcode" if fields.get("device", "pc") == "pc" else "jump"
        return {"trade_no": order["id"], "pay_type": kind, "pay_info": self.till.cashier(request, order)}

    def _order(self, fields: dict[str, str]) -> dict:
        numbers = {name: fields.get(name, "") for name in ("trade_no", "out_trade_no")}
        order = self.till.find(self.name, self.pid, **numbers)
        if order is None:
            raise Refused("订单号不存在", "missing")
        return order

    def query(self, request: Request, fields: dict[str, str]) -> dict:
        order = self._order(fields)
        return public(order) | {"api_trade_no": "", "refundmoney": order["refunded"]}

    def close(self, request: Request, fields: dict[str, str]) -> dict:
        self.till.close(self._order(fields))
        return {}

    def refund(self, request: Request, fields: dict[str, str]) -> dict:
        order = self._order(fields)
        refund, _new = self.till.refund(order, as_money(fields.get("money", "")), fields.get("out_refund_no", ""))
        return {
            "refund_no": refund["id"],
            "out_refund_no": refund["number"],
            "trade_no": order["id"],
            "money": refund["money"],
            "reducemoney": refund["money"],
        }

    def refund_query(self, request: Request, fields: dict[str, str]) -> dict:
        for order in self.till.orders.all(tongue=self.name):
            for refund in order["refunds"]:
                if fields.get("out_refund_no") and refund["number"] == fields["out_refund_no"]:
                    return {
                        "refund_no": refund["id"],
                        "out_refund_no": refund["number"],
                        "trade_no": order["id"],
                        "out_trade_no": order["out_trade_no"],
                        "money": money_text(as_money(refund["money"])),
                        "status": 1,
                        "addtime": clock_text(refund["at"]),
                    }
        raise Refused("退款单号不存在", "missing")

    def _result(self, order: dict, kind: Kind, at: float) -> dict[str, str]:
        fields = result_fields(order, kind)
        if kind == Kind.UNPAID and order["status"] not in (PAID, REFUNDED):
            # Nobody gets this gateway to sign what is not true.
            fields["trade_status"] = "TRADE_CLOSED" if order["status"] != UNPAID else "WAIT_BUYER_PAY"
        return fields | self._signature(fields, at)

    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        if kind == Kind.REFUND:
            return None
        fields = self._result(order, kind, at - STALE if kind == Kind.STALE else at)
        if kind == Kind.FORGED:
            fields["sign"] = spoilt(fields["sign"])
        return Letter("GET", with_query(order["notify_url"], fields))

    def return_address(self, order: dict) -> str:
        return with_query(order["return_url"], self._result(order, Kind.RESULT, self.till.clock()))

    def heard(self, status: int, text: str) -> bool:
        return text.strip() == "success"
