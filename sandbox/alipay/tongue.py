"""/gateway.do: one address, the method in a field, the answer signed over its raw text.

A precreated payment is no trade before its code was scanned: query and close answer that there is none.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from sandbox import pages, rsa
from sandbox.faults import Faults
from sandbox.till import CLOSED, PAID, REFUNDED, UNPAID, Till
from sandbox.tongue import (
    BEIJING,
    STALE,
    Kind,
    Letter,
    Refused,
    Tongue,
    as_address,
    as_money,
    clock_text,
    spoilt,
    with_query,
)
from sandbox.web import BadRequest, Request, Response, page, redirect

NUMBER = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
MOST_SKEW = 600
STATUS = {
    UNPAID: "WAIT_BUYER_PAY",
    PAID: "TRADE_SUCCESS",
    # Given back in full.
    REFUNDED: "TRADE_CLOSED",
    CLOSED: "TRADE_CLOSED",
}
# What a refusal is called, by its reason.
SUB_CODES = {
    "missing": "ACQ.TRADE_NOT_EXIST",
    "paid": "ACQ.TRADE_HAS_SUCCESS",
    "closed": "ACQ.TRADE_HAS_CLOSE",
    "conflict": "ACQ.CONTEXT_INCONSISTENT",
    "status": "ACQ.TRADE_STATUS_ERROR",
    "amount": "ACQ.SELLER_BALANCE_NOT_ENOUGH",
}
PAGES = {"alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY", "alipay.trade.wap.pay": "QUICK_WAP_PAY"}


class Invalid(Exception):
    """The request itself is wrong; `sub_code` says how."""

    def __init__(self, sub_code: str, text: str):
        super().__init__(text)
        self.sub_code = sub_code


def request_text(fields: dict[str, str]) -> str:
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name] != "")


def notify_text(fields: dict[str, str]) -> str:
    """Empty values are signed too, the kind of signature is not."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in ("sign", "sign_type"))


class AlipayTongue(Tongue):
    name, title = "alipay", "支付宝"
    addresses = ("/gateway.do",)
    schedule = (0, 240, 600, 600, 3600, 7200, 21600, 54000)

    def __init__(self, till: Till, faults: Faults, keys: dict[str, str]):
        self.till = till
        self.faults = faults
        self.app_id, self.seller_id = keys["app_id"], keys["seller_id"]
        self._merchant = rsa.public(keys["merchant_public"])
        self._platform = rsa.private(keys["platform_private"])
        self._calls: dict[str, Callable[[Request, dict[str, str], dict], dict]] = {
            "alipay.trade.precreate": self.precreate,
            "alipay.trade.query": self.query,
            "alipay.trade.close": self.close,
            "alipay.trade.refund": self.refund,
            "alipay.trade.fastpay.refund.query": self.refund_query,
        }

    def merchants(self) -> list[str]:
        return [self.app_id]

    def answer(self, request: Request) -> Response | None:
        if request.path != "/gateway.do":
            return None
        try:
            fields = request.form()
        except BadRequest as error:
            return page(str(error))
        method = fields.get("method", "")
        if method in PAGES:
            return self.pay_page(fields)
        call = f"{self.name}.{method.removeprefix('alipay.trade.')}"
        return self.faults.spoil(call, lambda: self._answered(request, fields), lambda: self._busy(method))

    def _busy(self, method: str) -> Response:
        return self._reply(method, {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.PAYMENT_FAIL"})

    def _answered(self, request: Request, fields: dict[str, str]) -> Response:
        method = fields.get("method", "")
        try:
            content = self._checked(fields)
            if method not in self._calls:
                raise Invalid("isv.invalid-method", "不存在的方法名")
            reply = {"code": "10000", "msg": "Success", **self._calls[method](request, fields, content)}
        except Invalid as error:
            reply = {"code": "40002", "msg": "Invalid Arguments", "sub_code": error.sub_code, "sub_msg": str(error)}
        except Refused as error:
            sub_code = SUB_CODES.get(error.reason, "ACQ.INVALID_PARAMETER")
            reply = {"code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": str(error)}
        return self._reply(method, reply)

    def _reply(self, method: str, reply: dict) -> Response:
        text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
        sign = json.dumps(rsa.signature(text, self._platform))
        name = json.dumps(f"{method.replace('.', '_')}_response" if method else "error_response")
        return Response(f'{{{name}:{text},"sign":{sign}}}'.encode(), content_type="text/html;charset=utf-8")

    def _checked(self, fields: dict[str, str]) -> dict:
        """The business content of a request of our application. Raises Invalid."""
        if fields.get("app_id") != self.app_id:
            raise Invalid("isv.invalid-app-id", "无效的AppID参数")
        constants = {"charset": "utf-8", "sign_type": "RSA2", "version": "1.0"}
        if any(fields.get(name) != value for name, value in constants.items()):
            raise Invalid("isv.invalid-parameter", "charset、sign_type 或 version 不合法")
        try:
            at = _seconds(fields.get("timestamp", ""))
            content = json.loads(fields.get("biz_content", ""))
        except ValueError:
            raise Invalid("isv.invalid-parameter", "timestamp 或 biz_content 不合法") from None
        if abs(self.till.clock() - at) > MOST_SKEW:
            raise Invalid("isv.invalid-timestamp", "非法的时间戳参数")
        if not rsa.is_signature(request_text(fields), fields.get("sign", ""), self._merchant):
            raise Invalid(
                "isv.invalid-signature",
                "验签出错，请确认charset参数放在了URL查询字符串中且各参数值使用charset参数指示的字符集编码",
            )
        if not isinstance(content, dict):
            raise Invalid("isv.invalid-parameter", "biz_content 不合法")
        return content

    # Taking orders

    def _taken(self, fields: dict[str, str], content: dict, **extra: object) -> dict:
        number, subject = str(content.get("out_trade_no", "")), str(content.get("subject", ""))
        if not NUMBER.match(number):
            raise Refused("out_trade_no 不合法")
        if not subject or len(subject) > 256 or re.search(r"[/=&]", subject):
            raise Refused("subject 不合法")
        ends_at = None
        if content.get("time_expire"):
            try:
                ends_at = _seconds(str(content["time_expire"]))
            except ValueError:
                raise Refused("time_expire 不合法") from None
        return self.till.take(
            {
                "tongue": self.name,
                "pid": self.app_id,
                "out_trade_no": number,
                "type": "alipay",
                "name": subject,
                "money": f"{as_money(str(content.get('total_amount', ''))):.2f}",
                "notify_url": as_address(fields.get("notify_url", ""), "notify_url"),
                "return_url": as_address(fields["return_url"], "return_url") if fields.get("return_url") else "",
                "ends_at": ends_at,
                "extra": extra,
            }
        )

    def precreate(self, request: Request, fields: dict[str, str], content: dict) -> dict:
        order = self._taken(fields, content)
        return {"out_trade_no": order["out_trade_no"], "qr_code": self.till.cashier(request, order)}

    def pay_page(self, fields: dict[str, str]) -> Response:
        try:
            content = self._checked(fields)
            if content.get("product_code") != PAGES[fields["method"]]:
                raise Refused("product_code 不合法")
            order = self._taken(fields, content, scanned=True)
        except (Invalid, Refused) as error:
            return page(pages.message("无法支付", str(error)))
        return redirect(f"/cashier/{order['id']}")

    # Asking about them

    def _trade(self, content: dict) -> dict:
        numbers = {name: str(content.get(name, "")) for name in ("trade_no", "out_trade_no")}
        order = self.till.find(self.name, self.app_id, **numbers)
        if order is None or not (order["extra"].get("scanned") or order["status"] in (PAID, REFUNDED)):
            raise Refused("交易不存在", "missing")
        return order

    def query(self, request: Request, fields: dict[str, str], content: dict) -> dict:
        order = self._trade(content)
        amount = order["paid"] if order["status"] in (PAID, REFUNDED) else order["money"]
        return {
            "buyer_logon_id": "abc***@example.com",
            "buyer_user_id": "2088000000000099",
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["id"],
            "trade_status": STATUS[order["status"]],
            "total_amount": amount,
            "receipt_amount": amount,
            "send_pay_date": clock_text(order["endtime"]),
        }

    def close(self, request: Request, fields: dict[str, str], content: dict) -> dict:
        order = self._trade(content)
        try:
            self.till.close(order)
        except Refused:
            raise Refused("交易状态不合法", "status") from None
        return {"out_trade_no": order["out_trade_no"], "trade_no": order["id"]}

    def refund(self, request: Request, fields: dict[str, str], content: dict) -> dict:
        order = self._trade(content)
        money = as_money(str(content.get("refund_amount", "")))
        # Without a number it is the whole, once.
        number = str(content.get("out_request_no") or order["out_trade_no"])
        refund, new = self.till.refund(order, money, number)
        order = self.till.orders.get(order["id"])
        if new and order["notify_url"]:
            self.till.tell(order, Kind.REFUND, refund["number"])
        return {
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["id"],
            "buyer_logon_id": "abc***@example.com",
            "fund_change": "Y" if new else "N",
            "refund_fee": order["refunded"],
        }

    def refund_query(self, request: Request, fields: dict[str, str], content: dict) -> dict:
        order = self._trade(content)
        refund = next((one for one in order["refunds"] if one["number"] == content.get("out_request_no")), None)
        if refund is None:
            # As the original: success, and nothing in it.
            return {}
        return {
            "out_request_no": refund["number"],
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["id"],
            "refund_amount": refund["money"],
            "total_amount": order["paid"],
            "refund_status": "REFUND_SUCCESS",
        }

    # What the merchant hears

    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        if kind == Kind.STALE:
            at -= STALE
        paid = order["status"] in (PAID, REFUNDED)
        amount = order["paid"] if paid else order["money"]
        fields = {
            "gmt_create": clock_text(order["addtime"]),
            "charset": "utf-8",
            "notify_time": clock_text(at),
            "notify_type": "trade_status_sync",
            # The same for every repeat.
            "notify_id": f"{order['id']}{kind}{about}"[:128],
            "app_id": self.app_id,
            "auth_app_id": self.app_id,
            "seller_id": self.seller_id,
            "buyer_id": "2088000000000099",
            "subject": order["name"],
            "body": "",
            "version": "1.0",
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["id"],
            "trade_status": "TRADE_SUCCESS" if kind == Kind.FORGED else STATUS[order["status"]],
            "total_amount": amount,
        }
        if paid:
            fields |= {
                "gmt_payment": clock_text(order["endtime"]),
                "receipt_amount": amount,
                "buyer_pay_amount": amount,
            }
        if order["failed"] and kind == Kind.RESULT and not paid:
            fields["trade_status"] = "TRADE_CLOSED"
        refund = next((one for one in order["refunds"] if kind == Kind.REFUND and one["number"] == about), None)
        if refund is not None:
            fields |= {
                "refund_fee": order["refunded"],
                "out_biz_no": refund["number"],
                "gmt_refund": clock_text(refund["at"]),
            }
        sign = rsa.signature(notify_text(fields), self._platform)
        if kind == Kind.FORGED:
            sign = spoilt(sign)
        body = urlencode({**fields, "sign": sign, "sign_type": "RSA2"}).encode()
        content_type = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return Letter("POST", order["notify_url"], body, content_type)

    def return_address(self, order: dict) -> str:
        if not order["return_url"]:
            return ""
        fields = {
            "app_id": self.app_id,
            "charset": "utf-8",
            "method": "alipay.trade.page.pay.return",
            "out_trade_no": order["out_trade_no"],
            "trade_no": order["id"],
            "total_amount": order["money"],
            "seller_id": self.seller_id,
            "timestamp": clock_text(self.till.clock()),
            "version": "1.0",
        }
        sign = rsa.signature(notify_text(fields), self._platform)
        return with_query(order["return_url"], {**fields, "sign": sign, "sign_type": "RSA2"})

    def heard(self, status: int, text: str) -> bool:
        return text.strip() == "success"


def _seconds(text: str) -> float:
    """Unix seconds of Beijing time. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING).timestamp()
