"""/v3/…: signed JSON in and out, callbacks sealed with the merchant's APIv3 key. Amounts on the wire are whole fen.

POST /control/wechat changes how it behaves: {callbacks: public | certificate | mixed, newest: certificate_1 | certificate_2,
offered: [certificates that /v3/certificates gives], refunds: success | processing}.
"""

import re
import secrets
import threading
from collections.abc import Callable
from decimal import Decimal
from http import HTTPStatus
from urllib.parse import parse_qs

from sandbox import rsa
from sandbox.faults import Faults
from sandbox.till import PAID, REFUNDED, Till
from sandbox.tongue import BEIJING, STALE, Kind, Letter, Refused, Tongue, as_address
from sandbox.web import BadRequest, Request, Response, as_json, redirect
from sandbox.wechat.keys import serial_of, times_of
from sandbox.wechat.records import iso, moment, refund_record, scene, transaction, yuan
from sandbox.wechat.sign_in import SignIn
from sandbox.wechat.signing import (
    as_body,
    is_request_signed,
    read_authorization,
    response_headers,
    sealed,
    signed_text,
)

NUMBER = re.compile(r"^[0-9A-Za-z_|*-]{6,32}$")
REFUND_NUMBER = re.compile(r"^[0-9A-Za-z_|*@-]{1,64}$")
PREFIX = "/v3/pay/transactions/"
TRADE_TYPES = {"native": "NATIVE", "h5": "MWEB", "jsapi": "JSAPI"}
MOST_SKEW = 300
# (status, code) by why the till refused.
CODES = {
    "signature": (HTTPStatus.UNAUTHORIZED, "SIGN_ERROR"),
    "merchant": (HTTPStatus.BAD_REQUEST, "MCH_NOT_EXISTS"),
    "missing": (HTTPStatus.NOT_FOUND, "ORDER_NOT_EXIST"),
    "paid": (HTTPStatus.BAD_REQUEST, "ORDERPAID"),
    "closed": (HTTPStatus.BAD_REQUEST, "ORDER_CLOSED"),
    "conflict": (HTTPStatus.FORBIDDEN, "OUT_TRADE_NO_USED"),
    "amount": (HTTPStatus.FORBIDDEN, "NOT_ENOUGH"),
    "no_refund": (HTTPStatus.NOT_FOUND, "RESOURCE_NOT_EXISTS"),
}
Reply = tuple[HTTPStatus, dict | None]


class WechatTongue(Tongue):
    name, title = "wechat", "微信支付 v3"
    addresses = ("/v3/pay/transactions/native", "/v3/pay/transactions/h5", "/v3/pay/transactions/jsapi")
    schedule = (0, 15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)

    def __init__(self, till: Till, faults: Faults, keys: dict[str, str]):
        self.till = till
        self.faults = faults
        self.keys = keys
        self.mchid, self.app_id, self.api_key = keys["mchid"], keys["app_id"], keys["api_key"]
        self._merchant = rsa.public(keys["merchant_public"])
        names = {keys["public_key_id"]: "platform_private"}
        names |= {serial_of(keys[name]): f"{name}_private" for name in ("certificate_1", "certificate_2")}
        self._signers = {serial: rsa.private(keys[name]) for serial, name in names.items()}
        self.sign_in = SignIn(keys["app_id"], keys["app_secret"])
        self.callbacks, self.newest, self.refunds = "public", "certificate_1", "success"
        self.offered = ["certificate_1"]
        self._told = 0
        self._lock = threading.Lock()

    def merchants(self) -> list[str]:
        return [self.mchid]

    def answer(self, request: Request) -> Response | None:
        path = request.path
        if path == "/control/wechat":
            return self._control(request)
        if path in ("/connect/oauth2/authorize", "/sns/oauth2/access_token"):
            return self.sign_in.answer(request)
        if path == "/wechat/bridge":
            return self._bridge(request)
        if path.startswith("/wechat/h5/"):
            return self._h5_page(request, path.removeprefix("/wechat/h5/"))
        found = self._call_for(request)
        if found is None:
            return None
        name, call = found
        return self.faults.spoil(
            f"{self.name}.{name}", lambda: self._answered(request, call), lambda: self._refused(request, name)
        )

    def _refused(self, request: Request, name: str) -> Response:
        if name in ("native", "h5", "jsapi", "refund"):
            return self._reply(request, HTTPStatus.FORBIDDEN, {"code": "NO_AUTH", "message": "无权限"})
        return self._reply(request, HTTPStatus.TOO_MANY_REQUESTS, {"code": "FREQUENCY_LIMITED"})

    def _call_for(self, request: Request) -> tuple[str, Callable[[Request], Reply]] | None:
        method, path = request.method, request.path
        if path.startswith(PREFIX):
            rest = path.removeprefix(PREFIX)
            if method == "POST" and rest in TRADE_TYPES:
                return rest, lambda asked: self.create(asked, rest)
            kind, _, number = rest.partition("/")
            if kind == "out-trade-no" and method == "POST" and number.endswith("/close"):
                return "close", lambda asked: self.close(asked, number.removesuffix("/close"))
            if kind == "out-trade-no" and method == "GET":
                return "query", lambda asked: self.query(asked, out_trade_no=number)
            if kind == "id" and method == "GET":
                return "query", lambda asked: self.query(asked, trade_no=number)
        refunds = "/v3/refund/domestic/refunds"
        if path == refunds and method == "POST":
            return "refund", self.refund
        if path.startswith(f"{refunds}/") and method == "GET":
            return "query_refund", lambda asked: self.refund_query(path.removeprefix(f"{refunds}/"))
        if path == "/v3/certificates" and method == "GET":
            return "certificates", lambda asked: self.certificates()
        return None

    def _answered(self, request: Request, call: Callable[[Request], Reply]) -> Response:
        try:
            self._check(request)
            status, reply = call(request)
        except Refused as error:
            status, code = CODES.get(error.reason, (HTTPStatus.BAD_REQUEST, "PARAM_ERROR"))
            reply = {"code": code, "message": str(error)}
        except BadRequest as error:
            status, reply = HTTPStatus.BAD_REQUEST, {"code": "PARAM_ERROR", "message": str(error)}
        return self._reply(request, status, reply)

    def _check(self, request: Request) -> None:
        """Raises Refused for what no merchant of ours has signed now."""
        told = read_authorization(request.headers.get("authorization", ""))
        if told.get("mchid") != self.mchid or told.get("serial_no") != self.keys["merchant_serial"]:
            raise Refused("商户号或证书序列号不正确", "signature")
        timestamp = told.get("timestamp", "")
        if not timestamp.isdigit() or abs(self.till.clock() - int(timestamp)) > MOST_SKEW:
            raise Refused("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟", "signature")
        target = f"{request.path}?{request.query}" if request.query else request.path
        try:
            body = request.body.decode()
        except UnicodeDecodeError:
            raise Refused("编码不是 UTF-8") from None
        if not is_request_signed(method=request.method, target=target, body=body, told=told, key=self._merchant):
            raise Refused("签名错误", "signature")
        if request.headers.get("accept", "") not in ("application/json", "*/*"):
            raise Refused("Accept 不合法")

    def _reply(self, request: Request, status: int, reply: dict | None) -> Response:
        """Signed with the public key where the request names it, else by the newest certificate."""
        body = "" if reply is None else as_body(reply)
        asked = request.headers.get("wechatpay-serial", "")
        serial = asked if asked in self._signers else serial_of(self.keys[self.newest])
        headers = response_headers(body, at=self.till.clock(), serial=serial, key=self._signers[serial])
        return Response(body.encode(), status, "application/json; charset=utf-8", headers)

    # Taking orders

    def create(self, request: Request, kind: str) -> Reply:
        asked = request.json()
        if (asked.get("mchid"), asked.get("appid")) != (self.mchid, self.app_id):
            raise Refused("appid和mch_id不匹配")
        number, description = asked.get("out_trade_no"), asked.get("description")
        if not isinstance(number, str) or not NUMBER.match(number):
            raise Refused("out_trade_no 不合法")
        if not isinstance(description, str) or not description or len(description.encode()) > 127:
            raise Refused("description 不合法")
        notify_url = as_address(str(asked.get("notify_url", "")), "notify_url")
        if "?" in notify_url:
            raise Refused("notify_url 不能携带参数")
        extra: dict[str, str] = {}
        if kind == "jsapi":
            extra["openid"] = self._payer(asked)
        if kind == "h5" and not scene(asked):
            raise Refused("scene_info 不合法")
        order = self.till.take(
            {
                "tongue": self.name,
                "pid": self.mchid,
                "out_trade_no": number,
                "type": TRADE_TYPES[kind],
                "name": description,
                "money": yuan(asked.get("amount"), "total"),
                "notify_url": notify_url,
                "ends_at": moment(asked.get("time_expire")),
                "extra": extra,
            }
        )
        if extra and order["extra"].get("openid") != extra["openid"]:
            raise Refused("商户订单号重复", "conflict")
        if kind == "native":
            return HTTPStatus.OK, {"code_url": self.till.cashier(request, order)}
        if kind == "h5":
            base = self.till.cashier(request, order).removesuffix(f"/cashier/{order['id']}")
            return HTTPStatus.OK, {"h5_url": f"{base}/wechat/h5/{order['id']}"}
        if "prepay_id" not in order["extra"]:
            order = self.till.mark(order, prepay_id=f"wx{order['id']}{secrets.token_hex(4)}")
        return HTTPStatus.OK, {"prepay_id": order["extra"]["prepay_id"]}

    def _payer(self, asked: dict) -> str:
        payer = asked.get("payer")
        openid = payer.get("openid") if isinstance(payer, dict) else None
        if not self.sign_in.knows(openid):
            raise Refused("payer.openid 与 appid 不匹配")
        return openid

    def _h5_page(self, request: Request, trade_no: str) -> Response | None:
        """Where a phone's browser goes; it comes back to `redirect_url`, which WeChat Pay is told only here."""
        order = self.till.get(trade_no)
        if order is None or order["tongue"] != self.name:
            return None
        wanted = parse_qs(request.query).get("redirect_url", [""])[0]
        if wanted:
            try:
                address = as_address(wanted, "redirect_url")
            except Refused as error:
                return as_json({"code": "PARAM_ERROR", "message": str(error)}, HTTPStatus.BAD_REQUEST)
            with self.till.orders.change(order["id"]) as record:
                record["return_url"] = address
        return redirect(f"/cashier/{order['id']}")

    def _bridge(self, request: Request) -> Response:
        """What WeixinJSBridge does with a page's request: checks the merchant's signature, then the payer pays."""
        try:
            asked = request.json()
            names = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
            told = {name: str(asked.get(name, "")) for name in names}
            text = signed_text(told["appId"], told["timeStamp"], told["nonceStr"], told["package"])
            signed = told["signType"] == "RSA" and rsa.is_signature(text, told["paySign"], self._merchant)
            prepay = told["package"].removeprefix("prepay_id=")
            order = next((o for o in self.till.orders.all() if o["extra"].get("prepay_id") == prepay), None)
            if not signed or told["appId"] != self.app_id or order is None:
                return as_json({"err_msg": "get_brand_wcpay_request:fail"})
            self.till.act(order["id"], "pay")
        except (BadRequest, Refused):
            return as_json({"err_msg": "get_brand_wcpay_request:fail"})
        return as_json({"err_msg": "get_brand_wcpay_request:ok"})

    # Asking about them

    def _order(self, **numbers: str) -> dict:
        order = self.till.find(self.name, self.mchid, **numbers)
        if order is None:
            raise Refused("订单不存在", "missing")
        return order

    def query(self, request: Request, **numbers: str) -> Reply:
        if parse_qs(request.query).get("mchid") != [self.mchid]:
            raise Refused("mchid 不正确")
        return HTTPStatus.OK, self._payment(self._order(**numbers))

    def _payment(self, order: dict) -> dict:
        return transaction(order, app_id=self.app_id, mchid=self.mchid)

    def _refund(self, order: dict, one: dict) -> dict:
        return refund_record(order, one, done=self.refunds == "success")

    def close(self, request: Request, number: str) -> Reply:
        if request.json().get("mchid") != self.mchid:
            raise Refused("mchid 不正确")
        self.till.close(self._order(out_trade_no=number))
        return HTTPStatus.NO_CONTENT, None

    def refund(self, request: Request) -> Reply:
        asked = request.json()
        number, amount = asked.get("out_refund_no"), asked.get("amount")
        if not isinstance(number, str) or not REFUND_NUMBER.match(number):
            raise Refused("out_refund_no 不合法")
        order = self._order(
            trade_no=str(asked.get("transaction_id", "")), out_trade_no=str(asked.get("out_trade_no", ""))
        )
        if order["status"] not in (PAID, REFUNDED):
            raise Refused("订单未支付")
        if yuan(amount, "total") != order["paid"]:
            raise Refused("订单金额或退款金额与之前请求不一致，请核实后再试")
        refund, new = self.till.refund(order, Decimal(yuan(amount, "refund")), number)
        order = self.till.orders.get(order["id"])
        if new and order["notify_url"] and self.refunds == "success":
            self.till.tell(order, Kind.REFUND, number)
        return HTTPStatus.OK, self._refund(order, refund)

    def refund_query(self, number: str) -> Reply:
        for order in self.till.orders.all(tongue=self.name):
            for refund in order["refunds"]:
                if refund["number"] == number:
                    return HTTPStatus.OK, self._refund(order, refund)
        raise Refused("退款单不存在", "no_refund")

    def certificates(self) -> Reply:
        rows = []
        for name in self.offered:
            pem = self.keys[name]
            begin, end = times_of(pem)
            rows.append(
                {
                    "serial_no": serial_of(pem),
                    "effective_time": begin.astimezone(BEIJING).isoformat(),
                    "expire_time": end.astimezone(BEIJING).isoformat(),
                    "encrypt_certificate": sealed(pem, api_key=self.api_key, about="certificate"),
                }
            )
        if not rows:
            raise Refused("无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥", "no_refund")
        return HTTPStatus.OK, {"data": rows}

    # What the merchant hears

    def letter(self, order: dict, kind: Kind, *, about: str, at: float) -> Letter | None:
        paid = order["status"] in (PAID, REFUNDED)
        if kind == Kind.RESULT and not paid:
            return None  # it tells of success only
        event, resource, what = "TRANSACTION.SUCCESS", self._payment(order), "transaction"
        if kind == Kind.RESULT or kind == Kind.STALE:
            resource |= {"trade_state": "SUCCESS", "trade_state_desc": "支付成功"}
        if kind == Kind.FORGED:
            resource = self._payment(order | {"status": PAID, "paid": order["money"], "endtime": at})
        if kind == Kind.REFUND:
            refund = next((one for one in order["refunds"] if one["number"] == about), None)
            if refund is None:
                return None
            event, what = "REFUND.SUCCESS", "refund"
            told = self._refund(order, refund)
            resource = {"mchid": self.mchid, **told, "refund_status": told["status"]}
        body = as_body(
            {
                "id": f"{order['id']}-{kind}-{about}"[:36],
                "create_time": iso(at),
                "resource_type": "encrypt-resource",
                "event_type": event,
                "summary": "支付成功" if what == "transaction" else "退款成功",
                "resource": {"original_type": what, **sealed(as_body(resource), api_key=self.api_key, about=what)},
            }
        )
        serial = self._callback_serial()
        signed_at = at - STALE if kind == Kind.STALE else at
        headers = response_headers(body, at=signed_at, serial=serial, key=self._signers[serial])
        if kind == Kind.FORGED:
            # As its own probes look.
            headers["Wechatpay-Signature"] = f"WECHATPAY/SIGNTEST/{headers['Wechatpay-Signature']}"
        return Letter("POST", order["notify_url"], body.encode(), {"Content-Type": "application/json", **headers})

    def _callback_serial(self) -> str:
        by_certificate = self.callbacks == "certificate"
        if self.callbacks == "mixed":
            with self._lock:
                self._told += 1
                by_certificate = self._told % 2 == 0
        return serial_of(self.keys[self.newest]) if by_certificate else self.keys["public_key_id"]

    def return_address(self, order: dict) -> str:
        return order["return_url"]

    def heard(self, status: int, text: str) -> bool:
        return status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

    # Tests

    def _control(self, request: Request) -> Response:
        if request.method != "POST" or request.content_type != "application/json":
            return as_json({"error": "POST application/json"}, HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            wish = request.json()
        except BadRequest as error:
            return as_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        certificates = ("certificate_1", "certificate_2")
        allowed = {
            "callbacks": ("public", "certificate", "mixed"),
            "newest": certificates,
            "refunds": ("success", "processing"),
        }
        offered = wish.get("offered", self.offered)
        known = all(wish.get(name, values[0]) in values for name, values in allowed.items())
        if not known or not isinstance(offered, list) or not set(offered) <= set(certificates):
            return as_json({"error": "no such behaviour"}, HTTPStatus.BAD_REQUEST)
        for name in allowed:
            setattr(self, name, wish.get(name, getattr(self, name)))
        self.offered = offered
        return as_json({name: getattr(self, name) for name in (*allowed, "offered")})
