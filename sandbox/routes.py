"""What all gateways here share: the list of orders, the cashier, and /control for tests."""

from http import HTTPStatus

from sandbox import pages
from sandbox.faults import Fault, Faults
from sandbox.till import UNPAID, Till
from sandbox.tongue import Kind, Refused
from sandbox.web import BadRequest, Request, Response, as_json, page, redirect

MAX_SECONDS = 7 * 24 * 3600


class Routes:
    """Callable as a server handler: Request → Response, or None when the address is not ours."""

    def __init__(self, till: Till, faults: Faults):
        self.till = till
        self.faults = faults

    def __call__(self, request: Request) -> Response | None:
        path = request.path
        if path == "/":
            return page(pages.home(self.till))
        if path.startswith("/cashier/"):
            return self.cashier(request, path.removeprefix("/cashier/"))
        for tongue in self.till.tongues.values():
            response = tongue.answer(request)
            if response is not None:
                return response
        if path.startswith("/control/"):
            return self.control(request, path.removeprefix("/control/"))
        return None

    # People

    def cashier(self, request: Request, trade_no: str) -> Response:
        order = self.till.get(trade_no)
        if order is None:
            return page(pages.message("订单不存在", "请回到商家重新发起支付。"), HTTPStatus.NOT_FOUND)
        # Opening the page is what scanning the code is: some gateways know of no trade before.
        if not order["extra"].get("scanned"):
            order = self.till.mark(order, scanned=True)
        error = ""
        if request.method == "POST":
            try:
                return self._press(request, trade_no)
            except (Refused, BadRequest) as refusal:
                error = str(refusal)
        return page(pages.cashier(self.till, self.till.get(trade_no) or order, error))

    def _press(self, request: Request, trade_no: str) -> Response:
        fields = request.form()
        action = fields.get("action", "")
        money = fields.get("money", "") if action == "wrong_amount" else ""
        # An empty field is "after the shop's deadline".
        seconds = _seconds(fields["seconds"]) if action == "pay_late" and fields.get("seconds") else None
        order = self.till.act(trade_no, action, money=money, seconds=seconds)
        # As on a real gateway the payer goes back when done; what is not done yet stays here.
        if order["return_url"] and (order["status"] != UNPAID or action == "fail"):
            return redirect(self.till.tongue_of(order).return_address(order))
        return redirect(f"/cashier/{trade_no}")

    # Tests

    def control(self, request: Request, name: str) -> Response:
        """JSON for tests: GET orders; GET letter {trade_no | out_trade_no; kind, about}: a notify as it would be sent;
        POST act {trade_no | out_trade_no; action, money, seconds}; POST fault {call, mode, seconds, times}; POST mend."""
        try:
            if name == "orders" and request.method == "GET":
                orders = self.till.orders.all(**request.form())
                return as_json([order | {"notifies": self.till.notifies(order["id"])} for order in orders])
            if name == "letter" and request.method == "GET":
                return as_json(self._letter(request.form()))
            # A web page elsewhere cannot send this type without asking first, and gets no answer when it asks.
            if request.method != "POST" or request.content_type != "application/json":
                return as_json({"error": "POST application/json"}, HTTPStatus.METHOD_NOT_ALLOWED)
            if name == "act":
                return as_json(self._act(request.json()))
            if name == "mend":
                self.faults.clear()
                return as_json({})
            if name == "fault":
                return as_json(self._fault(request.json()))
        except (Refused, BadRequest) as error:
            return as_json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        return as_json({"error": "no such control"}, HTTPStatus.NOT_FOUND)

    def _order(self, wish: dict) -> dict:
        """The newest that fits. Raises Refused."""
        names = {"trade_no": "id", "pid": "pid", "out_trade_no": "out_trade_no", "tongue": "tongue"}
        wanted = {field: str(wish[name]) for name, field in names.items() if wish.get(name)}
        order = self.till.orders.last(**wanted)
        if order is None:
            raise Refused("订单不存在")
        return order

    def _letter(self, wish: dict[str, str]) -> dict:
        order = self.till.get(self._order(wish)["id"])
        kind = wish.get("kind", Kind.RESULT)
        if kind not in set(Kind):
            raise Refused("没有这种通知")
        tongue = self.till.tongue_of(order)
        letter = tongue.letter(order, Kind(kind), about=wish.get("about", ""), at=self.till.clock())
        if letter is None:
            raise Refused("没有通知地址")
        return {
            "method": letter.method,
            "url": letter.url,
            "body": letter.body.decode(),
            "headers": dict(letter.headers),
        }

    def _act(self, wish: dict) -> dict:
        seconds = None if wish.get("seconds") is None else _seconds(str(wish["seconds"]))
        trade_no, action, money = self._order(wish)["id"], str(wish.get("action", "")), str(wish.get("money", ""))
        return self.till.act(trade_no, action, money=money, seconds=seconds)

    def _fault(self, wish: dict) -> dict:
        call, mode = str(wish.get("call", "")), wish.get("mode")
        fault = None
        if mode is not None:
            times = _number(str(wish.get("times", 1)), 1)
            fault = Fault(str(mode), _seconds(str(wish.get("seconds", 30))), times)
        self.faults.set(call, fault)
        return {"call": call, "mode": mode}


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
