"""Orders of the pretended gateway: taking them, paying them in good and bad ways, refunding them.

An order is a record of the store: {id (= trade_no), pid, out_trade_no, type, name, money, notify_url, return_url,
param, device, status, failed, paid, refunded, addtime, endtime, pay_at}. Money is text in yuan with two
decimals, times are Unix seconds; status 0 unpaid, 1 paid, 2 refunded in full.
"""

import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import urlencode, urlsplit

from sandbox.epay.merchants import Merchant
from sandbox.epay.signing import is_signed, signed
from sandbox.notifier import Notifier
from sandbox.store import Store

BEIJING = timezone(timedelta(hours=8))
UNPAID, PAID, REFUNDED = 0, 1, 2
TYPES = {
    "alipay": "支付宝",
    "wxpay": "微信支付",
    "qqpay": "QQ 钱包",
    "bank": "银行卡",
    "jdpay": "京东支付",
    "tenpay": "财付通",
}
MONEY = re.compile(r"^[0-9]{1,8}(\.[0-9]{1,2})?$")
NUMBER = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
NAME_BYTES = 127
ACTIONS = ("pay", "fail", "pay_late", "notify_twice", "wrong_amount", "bad_signature", "signed_unpaid", "pay_silently")


class Refused(Exception):
    """The gateway's answer is no; `code` is the protocol's (-1 failed, -2 bad key, -3 no such merchant)."""

    def __init__(self, text: str, code: int = -1):
        super().__init__(text)
        self.code = code


def as_money(text: str) -> Decimal:
    """Raises Refused for anything but a positive amount of yuan with at most two decimals."""
    if not MONEY.match(text) or Decimal(text) <= 0:
        raise Refused("金额不合法")
    return Decimal(text)


def _as_address(text: str, what: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and text.isascii() and text.isprintable()
    except ValueError:
        good = False
    if not good or " " in text or len(text) > 2000:
        raise Refused(f"{what} 不合法")
    return text


def clock_text(seconds: float | None) -> str:
    """As the gateways write times: Beijing, no zone."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


class Gateway:
    def __init__(
        self,
        *,
        orders: Store,
        notifier: Notifier,
        merchants: dict[str, Merchant],
        expires: float = 900,
        clock: Callable[[], float] = time.time,
    ):
        """`expires`: seconds after which shops are taken to have closed their orders, for "pay after expiry"."""
        self.orders = orders
        self.notifier = notifier
        self.merchants = merchants
        self.expires = expires
        self.clock = clock
        self._by_number = {(o["pid"], o["out_trade_no"]): o["id"] for o in orders.all()}
        self._late = {o["id"]: o["pay_at"] for o in orders.all() if o["pay_at"]}
        self._late_lock = threading.Lock()
        notifier.also.append(self.pay_due)

    # Taking orders

    def merchant(self, pid: str) -> Merchant:
        if pid not in self.merchants:
            raise Refused("商户不存在", -3)
        return self.merchants[pid]

    def merchant_by_key(self, fields: dict[str, str]) -> Merchant:
        merchant = self.merchant(fields.get("pid", ""))
        if not secrets.compare_digest(merchant.key.encode(), fields.get("key", "").encode()):
            raise Refused("密钥错误", -2)
        return merchant

    def take(self, fields: dict[str, str]) -> dict:
        """The order of a signed request; the same number again gives the same order while it is unpaid."""
        merchant = self.merchant(fields.get("pid", ""))
        if not is_signed(fields, merchant.key, merchant.sign_mode):
            raise Refused("签名校验失败")
        order = self._checked(merchant, fields)
        with self.orders.lock:
            known = self.find(merchant.pid, out_trade_no=order["out_trade_no"])
            if known is None:
                self.orders.save(order)
                self._by_number[merchant.pid, order["out_trade_no"]] = order["id"]
                return order
        if known["status"] != UNPAID:
            raise Refused("订单已支付，请勿重复发起")
        if (known["money"], known["type"]) != (order["money"], order["type"]):
            raise Refused("商户订单号重复")
        return known

    def _checked(self, merchant: Merchant, fields: dict[str, str]) -> dict:
        number, name = fields.get("out_trade_no", ""), fields.get("name", "")
        if not NUMBER.match(number):
            raise Refused("商户订单号不合法")
        if fields.get("type") not in TYPES:
            raise Refused("支付方式不存在")
        if not name or len(name.encode()) > NAME_BYTES or re.search(r"[&'\"\r\n]", name):
            raise Refused("商品名称不合法")
        now = self.clock()
        return {
            "id": clock_text(now).translate({ord(c): None for c in "-: "}) + f"{secrets.randbelow(10**7):07}",
            "pid": merchant.pid,
            "out_trade_no": number,
            "type": fields["type"],
            "name": name,
            "money": f"{as_money(fields.get('money', '')):.2f}",
            "notify_url": _as_address(fields.get("notify_url", ""), "notify_url"),
            "return_url": _as_address(fields.get("return_url", ""), "return_url"),
            "param": fields.get("param", ""),
            "device": fields.get("device", ""),
            "status": UNPAID,
            "failed": False,
            "paid": "0.00",
            "refunded": "0.00",
            "addtime": now,
            "endtime": None,
            "pay_at": None,
        }

    def find(self, pid: str, *, trade_no: str = "", out_trade_no: str = "") -> dict | None:
        order = self.orders.get(trade_no or self._by_number.get((pid, out_trade_no), ""))
        return order if order and order["pid"] == pid else None

    # What happens to them

    def act(self, trade_no: str, action: str, *, money: str = "", seconds: float | None = None) -> dict:
        """Does one of ACTIONS to an order and returns it. Raises Refused.

        pay, notify_twice and wrong_amount (of `money` yuan) pay it now; pay_late after `seconds`, without them after
        the shop's deadline; pay_silently pays and loses the notify. fail tells the shop that the payer gave up.
        bad_signature and signed_unpaid send a notify about an order that nobody paid.
        """
        order = self.orders.get(trade_no)
        if order is None:
            raise Refused("订单不存在")
        match action:
            case "pay":
                order = self._pay(trade_no, order["money"])
                self._notify(order)
            case "notify_twice":
                order = self._pay(trade_no, order["money"])
                self._notify(order)
                self._notify(order)
            case "wrong_amount":
                order = self._pay(trade_no, f"{as_money(money or '0.01'):.2f}")
                self._notify(order)
            case "pay_silently":
                order = self._pay(trade_no, order["money"])
            case "pay_late":
                order = self._pay_later(trade_no, seconds)
            case "fail":
                order = self._fail(trade_no)
                self._notify(order)
            case "bad_signature":
                forged = self.result_fields(order, trade_status="TRADE_SUCCESS")
                forged["sign"] = forged["sign"][::-1] if forged["sign"] != forged["sign"][::-1] else "0" * 32
                self._notify(order, forged)
            case "signed_unpaid":
                self._notify(order, self.result_fields(order, trade_status="TRADE_SUCCESS"))
            case _:
                raise Refused("没有这个操作")
        return order

    def _pay(self, trade_no: str, money: str) -> dict:
        with self.orders.change(trade_no) as order:
            if order["status"] != UNPAID:
                raise Refused("订单已支付")
            order.update(status=PAID, failed=False, paid=money, endtime=self.clock(), pay_at=None)
        return order

    def _pay_later(self, trade_no: str, seconds: float | None) -> dict:
        with self.orders.change(trade_no) as order:
            if order["status"] != UNPAID:
                raise Refused("订单已支付")
            due = order["addtime"] + self.expires + 5 if seconds is None else self.clock() + seconds
            order["pay_at"] = due
        with self._late_lock:
            self._late[trade_no] = due
        self.notifier.wake()
        return order

    def _fail(self, trade_no: str) -> dict:
        with self.orders.change(trade_no) as order:
            if order["status"] != UNPAID:
                raise Refused("订单已支付")
            order.update(failed=True, pay_at=None)
        with self._late_lock:
            self._late.pop(trade_no, None)
        return order

    def pay_due(self) -> float | None:
        """Pays the orders whose late moment has come. Returns the seconds until the next one."""
        now = self.clock()
        with self._late_lock:
            due = [trade_no for trade_no, at in self._late.items() if at <= now]
            for trade_no in due:
                del self._late[trade_no]
            rest = [at - now for at in self._late.values()]
        for trade_no in due:
            with suppress(Refused):
                self._notify(self._pay(trade_no, self.orders.get(trade_no)["money"]))
        return min(rest, default=None)

    def refund(self, order: dict, money: Decimal) -> None:
        with self.orders.change(order["id"]) as record:
            total = Decimal(record["refunded"]) + money
            if record["status"] != PAID or total > Decimal(record["paid"]):
                raise Refused("订单状态不允许退款或退款金额过大")
            record["refunded"] = f"{total:.2f}"
            if total == Decimal(record["paid"]):
                record["status"] = REFUNDED

    # What the merchant hears

    def result_fields(self, order: dict, *, trade_status: str = "") -> dict[str, str]:
        """The signed fields of notify and return. V1 gateways name only success; TRADE_CLOSED stands for the rest."""
        merchant = self.merchant(order["pid"])
        fields = {
            "pid": order["pid"],
            "trade_no": order["id"],
            "out_trade_no": order["out_trade_no"],
            "type": order["type"],
            "name": order["name"],
            "money": order["paid"] if order["status"] else order["money"],
            "trade_status": trade_status or ("TRADE_SUCCESS" if order["status"] else "TRADE_CLOSED"),
        }
        if order["param"]:
            fields["param"] = order["param"]
        return signed(fields, merchant.key, merchant.sign_mode)

    def return_address(self, order: dict) -> str:
        return _with_query(order["return_url"], self.result_fields(order))

    def _notify(self, order: dict, fields: dict[str, str] | None = None) -> None:
        self.notifier.add(
            notify_id=secrets.token_hex(8),
            order=order["id"],
            url=_with_query(order["notify_url"], fields or self.result_fields(order)),
        )

    def notifies(self, trade_no: str) -> list[dict]:
        return self.notifier.store.all(order=trade_no)


def _with_query(address: str, fields: dict[str, str]) -> str:
    return address + ("&" if "?" in address else "?") + urlencode(fields)
