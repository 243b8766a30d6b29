"""Orders of the pretended gateways: taking them, paying them in good and bad ways, closing and refunding them.

An order is a record of the store: {id (the gateway's number), tongue, pid, out_trade_no, type, name, money, notify_url,
return_url, status, failed, paid, refunded, refunds: [{id, number, money, at}], addtime, endtime, ends_at, pay_at, extra}.
Money is text in yuan with two decimals, times are Unix seconds; status 0 unpaid, 1 paid, 2 refunded in full, 3 closed. From
`ends_at` (None: never) on it can no longer be paid; `extra` is the protocol's own.
"""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from sandbox.notifier import Notifier
from sandbox.store import Store
from sandbox.tongue import Kind, Letter, Refused, Tongue, as_money, clock_text, money_text
from sandbox.web import Request

UNPAID, PAID, REFUNDED, CLOSED = 0, 1, 2, 3
ACTIONS = (
    "pay",
    "fail",
    "pay_late",
    "notify_twice",
    "wrong_amount",
    "bad_signature",
    "signed_unpaid",
    "stale",
    "pay_silently",
)


class Till:
    def __init__(
        self,
        *,
        orders: Store,
        notifies: Store,
        public_url: str = "",
        expires: float = 900,
        scale: float = 1.0,
        clock: Callable[[], float] = time.time,
    ):
        """`expires`: seconds after which shops are taken to have closed their orders, for "pay after expiry"."""
        self.orders = orders
        self.notifier = Notifier(notifies, self, scale=scale, clock=clock)
        self.public_url = public_url.rstrip("/")
        self.expires = expires
        self.clock = clock
        self.tongues: dict[str, Tongue] = {}
        self._by_number = {(o["tongue"], o["pid"], o["out_trade_no"]): o["id"] for o in orders.all()}
        self._late = {o["id"]: o["pay_at"] for o in orders.all() if o["pay_at"]}
        self._late_lock = threading.Lock()
        self.notifier.also.append(self.pay_due)

    def learn(self, tongue: Tongue) -> None:
        self.tongues[tongue.name] = tongue

    def tongue_of(self, order: dict) -> Tongue:
        return self.tongues[order["tongue"]]

    # Taking orders

    def take(self, wanted: dict[str, Any]) -> dict:
        """The order of a checked request; the same number again gives the same order while it is unpaid.

        Raises Refused: paid, closed, or conflict when the number was used for something else.
        """
        with self.orders.lock:
            known = self.find(wanted["tongue"], wanted["pid"], out_trade_no=wanted["out_trade_no"])
            if known is None:
                return self.put(wanted)
        if known["status"] in (PAID, REFUNDED):
            raise Refused("订单已支付，请勿重复发起", "paid")
        if known["status"] == CLOSED:
            raise Refused("订单已关闭", "closed")
        if (known["money"], known["type"]) != (wanted["money"], wanted["type"]):
            raise Refused("商户订单号重复", "conflict")
        return known

    def put(self, wanted: dict[str, Any]) -> dict:
        """A new order, whatever there is under its number. `wanted` holds at least tongue, pid, out_trade_no and money."""
        now = self.clock()
        digits = clock_text(now).translate({ord(c): None for c in "-: "})
        order = {
            "id": f"{digits}{secrets.randbelow(10**7):07}",
            "type": "",
            "name": "",
            "notify_url": "",
            "return_url": "",
            "status": UNPAID,
            "failed": False,
            "paid": "0.00",
            "refunded": "0.00",
            "refunds": [],
            "addtime": now,
            "endtime": None,
            "ends_at": None,
            "pay_at": None,
            "extra": {},
            **wanted,
        }
        with self.orders.lock:
            self.orders.save(order)
            self._by_number[order["tongue"], order["pid"], order["out_trade_no"]] = order["id"]
        return order

    def get(self, trade_no: str) -> dict | None:
        """The order as it is now: one that nobody paid in time is closed."""
        order = self.orders.get(trade_no)
        if order and order["status"] == UNPAID and order["ends_at"] and order["ends_at"] <= self.clock():
            with self.orders.change(trade_no) as record:
                record["status"] = CLOSED
            return record
        return order

    def find(self, tongue: str, pid: str, *, trade_no: str = "", out_trade_no: str = "") -> dict | None:
        order = self.get(trade_no or self._by_number.get((tongue, pid, out_trade_no), ""))
        return order if order and (order["tongue"], order["pid"]) == (tongue, pid) else None

    def mark(self, order: dict, **extra: Any) -> dict:
        """The order with something more that its protocol knows of it."""
        with self.orders.change(order["id"]) as record:
            record["extra"].update(extra)
        return record

    def cashier(self, request: Request, order: dict) -> str:
        return f"{self.public_url or 'http://' + request.host}/cashier/{order['id']}"

    # What happens to them

    def act(self, trade_no: str, action: str, *, money: str = "", seconds: float | None = None) -> dict:
        """Does one of ACTIONS to an order and returns it. Raises Refused.

        pay, notify_twice and wrong_amount (of `money` yuan) pay it now; stale pays it, and the notify is dated an hour
        ago; pay_late after `seconds`, without them after the shop's deadline; pay_silently pays and loses the notify.
        fail tells the shop that the payer gave up. bad_signature and signed_unpaid send a notify about an order that
        nobody paid.
        """
        order = self.get(trade_no)
        if order is None:
            raise Refused("订单不存在", "missing")
        match action:
            case "pay" | "pay_silently" | "notify_twice" | "stale":
                order = self._pay(trade_no, order["money"])
                for kind in _TOLD[action]:
                    self.tell(order, kind)
            case "wrong_amount":
                order = self._pay(trade_no, money_text(as_money(money or "0.01")))
                self.tell(order, Kind.RESULT)
            case "pay_late":
                order = self._pay_later(trade_no, seconds)
            case "fail":
                order = self._fail(trade_no)
                self.tell(order, Kind.RESULT)
            case "bad_signature":
                self.tell(order, Kind.FORGED)
            case "signed_unpaid":
                self.tell(order, Kind.UNPAID)
            case _:
                raise Refused("没有这个操作")
        return order

    def _pay(self, trade_no: str, money: str) -> dict:
        with self.orders.change(trade_no) as order:
            self._require_open(order)
            order.update(status=PAID, failed=False, paid=money, endtime=self.clock(), pay_at=None)
        return order

    def _require_open(self, order: dict) -> None:
        if order["status"] in (PAID, REFUNDED):
            raise Refused("订单已支付", "paid")
        if order["status"] == CLOSED or (order["ends_at"] and order["ends_at"] <= self.clock()):
            raise Refused("订单已关闭", "closed")

    def _pay_later(self, trade_no: str, seconds: float | None) -> dict:
        with self.orders.change(trade_no) as order:
            self._require_open(order)
            due = order["addtime"] + self.expires + 5 if seconds is None else self.clock() + seconds
            order["pay_at"] = due
        with self._late_lock:
            self._late[trade_no] = due
        self.notifier.wake()
        return order

    def _fail(self, trade_no: str) -> dict:
        with self.orders.change(trade_no) as order:
            self._require_open(order)
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
                self.tell(self._pay(trade_no, self.orders.get(trade_no)["money"]), Kind.RESULT)
        return min(rest, default=None)

    def close(self, order: dict) -> dict:
        """It can no longer be paid. Raises Refused: paid. Closing a closed one changes nothing."""
        with self.orders.change(order["id"]) as record:
            if record["status"] in (PAID, REFUNDED):
                raise Refused("订单已支付", "paid")
            record.update(status=CLOSED, pay_at=None)
        return record

    def refund(self, order: dict, money: Decimal, number: str = "") -> tuple[dict, bool]:
        """Give some of it back: the refund, and whether it is new; the same `number` again is the same refund.

        Raises Refused: conflict for the number with another amount, amount when it is more than is left.
        """
        with self.orders.change(order["id"]) as record:
            known = next((one for one in record["refunds"] if number and one["number"] == number), None)
            if known is not None:
                if Decimal(known["money"]) != money:
                    raise Refused("退款单号重复", "conflict")
                return known, False
            total = Decimal(record["refunded"]) + money
            if record["status"] != PAID or total > Decimal(record["paid"]):
                raise Refused("订单状态不允许退款或退款金额过大", "amount")
            refund = {"id": secrets.token_hex(8), "number": number, "money": money_text(money), "at": self.clock()}
            record["refunds"].append(refund)
            record["refunded"] = money_text(total)
            if total == Decimal(record["paid"]):
                record["status"] = REFUNDED
        return refund, True

    # What the merchant hears

    def tell(self, order: dict, kind: Kind, about: str = "") -> None:
        if self.tongue_of(order).letter(order, kind, about=about, at=self.clock()) is None:
            return
        self.notifier.add(notify_id=secrets.token_hex(8), order=order["id"], kind=kind, about=about)

    def letter(self, notify: dict) -> Letter | None:
        """What the notifier sends for one of its records."""
        order = self.get(notify["order"])
        if order is None:
            return None
        return self.tongue_of(order).letter(order, Kind(notify["kind"]), about=notify["about"], at=self.clock())

    def tongue_for(self, notify: dict) -> Tongue:
        return self.tongue_of(self.orders.get(notify["order"]))

    def notifies(self, trade_no: str) -> list[dict]:
        return self.notifier.store.all(order=trade_no)


_TOLD: dict[str, tuple[Kind, ...]] = {
    "pay": (Kind.RESULT,),
    "pay_silently": (),
    "notify_twice": (Kind.RESULT, Kind.RESULT),
    "stale": (Kind.STALE,),
}
