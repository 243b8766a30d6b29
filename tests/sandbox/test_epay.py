"""The sandbox speaks 易支付 V1 as real gateways do; a small merchant listens to it."""

import socket
import threading
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sandbox.epay.signing import is_signed, signature
from tests.sandboxes import KEY, PID, RunningSandbox, wait_until


class ListeningMerchant:
    """Keeps every notify; answers with the next of `answers`, then with success."""

    def __init__(self):
        merchant = self
        self.notifies: list[dict[str, str]] = []
        self.answers: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
                merchant.notifies.append({name: value for name, (value,) in query.items()})
                body = (merchant.answers.pop(0) if merchant.answers else "success").encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def merchant():
    merchant = ListeningMerchant()
    yield merchant
    merchant.server.shutdown()
    merchant.server.server_close()


@pytest.fixture
def sandbox(tmp_path):
    with RunningSandbox(tmp_path) as sandbox:
        yield sandbox


def order_fields(merchant_url: str = "https://shop.test", **changes: str) -> dict[str, str]:
    fields = {
        "pid": PID,
        "type": "alipay",
        "out_trade_no": "T1",
        "notify_url": f"{merchant_url}/notify",
        "return_url": f"{merchant_url}/return?lang=zh",
        "name": "月卡 1 个",
        "money": "10.5",
        "clientip": "203.0.113.9",
        **changes,
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if value != "")
    return fields | {"sign": md5((text + KEY).encode()).hexdigest(), "sign_type": "MD5"}


def create(sandbox: RunningSandbox, **changes: str) -> dict:
    return sandbox.client.post(f"{sandbox.url}/mapi.php", data=order_fields(**changes)).json()


def ask(sandbox: RunningSandbox, act: str, **fields: str) -> dict:
    return sandbox.client.get(f"{sandbox.url}/api.php", params={"act": act, "pid": PID, "key": KEY, **fields}).json()


def test_published_vector():
    fields = {
        "clientip": "203.0.113.9",
        "money": "10.50",
        "name": "测试 商品",
        "notify_url": "https://shop.test/pay/notify",
        "out_trade_no": "T20260101000001",
        "pid": "1001",
        "return_url": "https://shop.test/pay/return",
        "type": "alipay",
    }
    assert signature(fields, "EPAYKEY123") == "0e236762888096a6a96f17ef4f81193e"
    assert signature(fields | {"param": "0", "sign": "x"}, "EPAYKEY123") == "08625b9f6ed1d963ca48025c3de810cc"


def test_submit_pay_return_and_notify(sandbox, merchant):
    """A payer's way without JavaScript: submit, press the button, come back with signed fields."""
    with httpx.Client(base_url=sandbox.url) as payer:
        start = payer.get("/submit.php", params=order_fields(merchant.url, param="0"))
        assert start.status_code == 303
        cashier = payer.get(start.headers["location"])
        assert "确认支付" in cashier.text
        assert "¥</span>10.50" in cashier.text
        assert "沙箱" in cashier.text
        back = payer.post(start.headers["location"], data={"action": "pay"})
    assert back.status_code == 303
    address = urlsplit(back.headers["location"])
    returned = {name: value for name, (value,) in parse_qs(address.query).items()}
    assert returned.pop("lang") == "zh"
    assert is_signed(returned, KEY)
    assert returned["trade_status"] == "TRADE_SUCCESS"
    wait_until(lambda: merchant.notifies)
    assert merchant.notifies == [returned]
    assert returned["money"] == "10.50"
    assert returned["param"] == "0"
    assert ask(sandbox, "order", out_trade_no="T1")["status"] == 1
    again = httpx.get(f"{sandbox.url}/submit.php", params=order_fields(merchant.url))
    assert "已支付" in again.text


def test_mapi_gives_one_way_to_pay_and_the_same_order_again(sandbox):
    first = create(sandbox, device="pc")
    assert first["code"] == 1
    assert first["qrcode"] == f"{sandbox.url}/cashier/{first['trade_no']}"
    assert "payurl" not in first
    assert create(sandbox, device="pc")["trade_no"] == first["trade_no"]
    assert create(sandbox, money="10.51")["code"] == -1
    assert "payurl" in create(sandbox, out_trade_no="T2", device="mobile")
    assert ask(sandbox, "order", out_trade_no="T1")["status"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"money": "0"},
        {"money": "NaN"},
        {"money": "１"},
        {"money": "1e3"},
        {"money": "1.001"},
        {"type": "cash"},
        {"name": "a&b"},
        {"name": "字" * 43},
        {"out_trade_no": "a b"},
        {"notify_url": "ftp://x"},
        {"notify_url": "http://["},
        {"return_url": "javascript:alert(1)"},
    ],
)
def test_refuses_bad_fields(sandbox, changes):
    assert create(sandbox, **changes)["code"] == -1
    assert sandbox.orders() == []


def test_refuses_wrong_signature_merchant_and_key(sandbox):
    fields = order_fields()
    post = f"{sandbox.url}/mapi.php"
    assert httpx.post(post, data=fields | {"money": "0.01"}).json()["code"] == -1
    assert httpx.post(post, data=fields | {"sign": ""}).json()["code"] == -1
    assert httpx.post(post, data=fields | {"sign_type": "RSA"}).json()["code"] == -1
    assert httpx.post(post, data=fields | {"pid": "2"}).json()["code"] == -3
    assert httpx.post(f"{post}?money=1", data=fields).json()["code"] == -1
    assert ask(sandbox, "order", key="no", out_trade_no="T1")["code"] == -2
    assert ask(sandbox, "order", out_trade_no="T1")["code"] == -1
    assert ask(sandbox, "other")["code"] == -5


def test_repeats_the_notify_until_success(sandbox, merchant):
    merchant.answers = ["fail", "Success!"]
    create(sandbox, notify_url=f"{merchant.url}/notify")
    sandbox.act("T1", "pay")
    (notify,) = wait_until(lambda: [n for n in sandbox.order("T1")["notifies"] if n["done"]])
    assert notify["tries"] == len(merchant.notifies) == 3


def test_gives_up_after_the_schedule(tmp_path):
    with RunningSandbox(tmp_path, "--retry-scale", "0.0001") as sandbox:
        create(sandbox, notify_url="http://127.0.0.1:1/notify")
        sandbox.act("T1", "pay")
        (notify,) = wait_until(lambda: [n for n in sandbox.order("T1")["notifies"] if n["gave_up"]])
    assert notify["tries"] == 6
    assert notify["log"][0]["error"]


def test_notify_twice_wrong_amount_and_forgeries(sandbox, merchant):
    notify_url = f"{merchant.url}/notify"
    numbers = ["T1", "T2", "T3", "T4", "T5"]
    for number in numbers:
        create(sandbox, out_trade_no=number, notify_url=notify_url)
    sandbox.act("T1", "notify_twice")
    sandbox.act("T2", "wrong_amount", money="3")
    sandbox.act("T3", "bad_signature")
    sandbox.act("T4", "signed_unpaid")
    sandbox.act("T5", "fail")
    wait_until(lambda: len(merchant.notifies) == 6)
    heard = {number: [n for n in merchant.notifies if n["out_trade_no"] == number] for number in numbers}
    assert len(heard["T1"]) == 2
    assert heard["T1"][0] == heard["T1"][1]
    assert heard["T2"][0]["money"] == "3.00"
    assert not is_signed(heard["T3"][0], KEY)
    assert is_signed(heard["T4"][0], KEY)
    assert heard["T5"][0]["trade_status"] == "TRADE_CLOSED"
    assert [ask(sandbox, "order", out_trade_no=n)["status"] for n in numbers] == [1, 1, 0, 0, 0]
    assert ask(sandbox, "order", out_trade_no="T2")["money"] == "3.00"


def test_pays_late_and_remembers_over_a_crash(sandbox, merchant):
    create(sandbox, notify_url=f"{merchant.url}/notify")
    sandbox.act("T1", "pay_late", seconds=1.5)
    assert sandbox.order("T1")["status"] == 0
    sandbox.kill()
    with (sandbox.data / "orders.jsonl").open("a") as journal:
        journal.write('{"id": "half')
    sandbox.start()
    wait_until(lambda: merchant.notifies)
    assert sandbox.order("T1")["status"] == 1
    sandbox.kill()
    sandbox.start()
    assert ask(sandbox, "order", out_trade_no="T1")["status"] == 1


def test_after_expiry_means_after_the_shops_deadline(tmp_path):
    with RunningSandbox(tmp_path, "--expires", "600") as sandbox:
        create(sandbox)
        sandbox.act("T1", "pay_late")
        order = sandbox.order("T1")
    assert order["pay_at"] == order["addtime"] + 605


def test_refunds_never_more_than_was_paid(sandbox):
    create(sandbox)

    def refund(money: str) -> int:
        fields = {"pid": PID, "key": KEY, "out_trade_no": "T1", "money": money}
        return httpx.post(f"{sandbox.url}/api.php?act=refund", data=fields).json()["code"]

    assert refund("1") == -1
    sandbox.act("T1", "pay_silently")
    assert refund("4.50") == 1
    assert refund("6.01") == -1
    assert refund("6.00") == 1
    assert refund("0.01") == -1
    assert ask(sandbox, "order", out_trade_no="T1")["status"] == 2


def test_merchant_questions(sandbox):
    for number in ("T1", "T2", "T3"):
        create(sandbox, out_trade_no=number)
    sandbox.act("T1", "pay_silently")
    assert ask(sandbox, "query")["money"] == "10.50"
    assert ask(sandbox, "query")["orders"] == 3
    assert ask(sandbox, "settle")["data"] == []
    assert [o["out_trade_no"] for o in ask(sandbox, "orders", limit="2")["data"]] == ["T3", "T2"]
    assert [o["out_trade_no"] for o in ask(sandbox, "orders", limit="2", page="2")["data"]] == ["T1"]


def test_faults_on_request(sandbox):
    create(sandbox)
    params = {"act": "order", "pid": PID, "key": KEY, "out_trade_no": "T1"}
    sandbox.fault("order", "garbage")
    assert "Fatal error" in httpx.get(f"{sandbox.url}/api.php", params=params).text
    sandbox.fault("order", "nested", times=2)
    assert isinstance(httpx.get(f"{sandbox.url}/api.php", params=params).json(), str)
    assert isinstance(httpx.get(f"{sandbox.url}/api.php", params=params).json(), str)
    sandbox.fault("mapi", "hang", seconds=5)
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{sandbox.url}/mapi.php", data=order_fields(out_trade_no="T2"), timeout=0.3)
    assert ask(sandbox, "order", out_trade_no="T2")["code"] == 1


def test_pages_escape_what_merchants_send(sandbox):
    create(sandbox, name="<script>alert(1)<b>", out_trade_no="T1")
    page = httpx.get(f"{sandbox.url}/cashier/{sandbox.order('T1')['id']}").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in httpx.get(sandbox.url).text


def test_stop_signal_ends_it_cleanly(tmp_path):
    sandbox = RunningSandbox(tmp_path)
    sandbox.start()
    create(sandbox, notify_url="http://127.0.0.1:1/notify")
    sandbox.act("T1", "pay")
    assert sandbox.stop() == 0


GARBAGE = [
    b"GET /submit.php?name=%FF%FE HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /api.php?" + b"a=1&" * 500 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /cashier/../../etc/passwd HTTP/1.1\r\nHost: <b>\r\nConnection: close\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET \xe6\x96\x87 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /mapi.php HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /mapi.php HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    b"POST /mapi.php HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /control/act HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 6\r\n"
    b'Connection: close\r\n\r\n["no"]',
    b"POST /control/fault HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n"
    b'Connection: close\r\n\r\n{"mode": [1]}',
    b"GET /control/orders?nothing=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"\x00\x01\x02\r\n\r\n",
]


@pytest.mark.parametrize("raw", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_gets_no_server_error(sandbox, raw):
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        connection.sendall(raw)
        reply = connection.makefile("rb").read()
    assert b" 500 " not in reply.split(b"\r\n")[0]
    assert b" 503 " not in reply.split(b"\r\n")[0]
    assert httpx.get(f"{sandbox.url}/healthz").text == "ok"
