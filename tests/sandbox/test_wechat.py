"""The pretended WeChat Pay, called by an independent client's signatures: what is signed, sealed, repeated and refused."""

import json

import httpx
import pytest
from wechatpayv3.utils import aes_decrypt, build_authorization, load_certificate, load_private_key

from sandbox.wechat.keys import as_pem, serial_of
from tests.sandboxes import RunningSandbox

ORDER = {
    "description": "月卡",
    "out_trade_no": "T0000001",
    "notify_url": "http://127.0.0.1:9/notify",
    "amount": {"total": 1050, "currency": "CNY"},
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with RunningSandbox(tmp_path_factory.mktemp("wechat")) as running:
        yield running


class Merchant:
    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox, self.keys = sandbox, sandbox.keys["wechat"]
        self.key = load_private_key(as_pem(self.keys["merchant_private"], "PRIVATE KEY"))

    def call(self, method: str, path: str, body: dict | None = None, **headers: str) -> httpx.Response:
        text = json.dumps(body) if body is not None else ""
        mchid, serial = self.keys["mchid"], self.keys["merchant_serial"]
        signed = build_authorization(path, method, mchid, serial, self.key, data=text or None)
        known = {"Authorization": signed, "Accept": "application/json", "Content-Type": "application/json"}
        return httpx.request(method, self.sandbox.url + path, content=text, headers=known | headers)

    def order(self, kind: str = "native", **changes) -> httpx.Response:
        wanted = {**ORDER, "mchid": self.keys["mchid"], "appid": self.keys["app_id"], **changes}
        return self.call("POST", f"/v3/pay/transactions/{kind}", wanted)


@pytest.fixture
def merchant(sandbox) -> Merchant:
    return Merchant(sandbox)


def test_the_same_number_is_the_same_order_and_no_other(merchant):
    first = merchant.order().json()["code_url"]
    assert merchant.order().json()["code_url"] == first
    assert merchant.order(amount={"total": 1}).json()["code"] == "OUT_TRADE_NO_USED"
    scene = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}}
    assert merchant.order("h5", scene_info=scene).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"appid": "wx1"},
        {"out_trade_no": "a b"},
        {"description": ""},
        {"description": "卡" * 43},
        {"notify_url": "http://127.0.0.1:9/notify?a=1"},
        {"notify_url": "javascript:alert(1)"},
        {"amount": {"total": 10.5}},
        {"amount": {"total": 0}},
        {"amount": {"total": True}},
        {"amount": {"total": 1, "currency": "USD"}},
        {"amount": None},
        {"time_expire": "soon"},
    ],
)
def test_what_the_real_one_refuses_is_refused(merchant, changes):
    answer = merchant.order(**{"out_trade_no": "T0000002", **changes})
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")


def test_strangers_are_refused(merchant):
    merchant.order()
    path = f"/v3/pay/transactions/out-trade-no/T0000001?mchid={merchant.keys['mchid']}"
    assert merchant.call("GET", path).status_code == 200
    good = merchant.call("GET", path).request.headers["Authorization"]
    for bad in ("", "Bearer x", good.replace("WECHATPAY2", "WECHATPAY3"), good.replace('mchid="1', 'mchid="2')):
        answer = merchant.call("GET", path, Authorization=bad)
        assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    # Signed for another address.
    other = path.replace("T0000001", "T0000009")
    assert merchant.call("GET", other, Authorization=good).status_code == 401


def test_every_answer_is_signed_by_the_key_that_is_asked_for(merchant):
    keys = merchant.keys
    missing = "/v3/refund/domestic/refunds/R-unknown"
    for asked, serial in (
        ({}, serial_of(keys["certificate_1"])),
        ({"Wechatpay-Serial": keys["public_key_id"]}, keys["public_key_id"]),
    ):
        answer = merchant.call("GET", missing, **asked)
        assert answer.json()["code"] == "RESOURCE_NOT_EXISTS"
        assert answer.headers["Wechatpay-Serial"] == serial
        assert answer.headers["Wechatpay-Signature"]


def test_certificates_open_with_the_merchants_key_alone(merchant):
    (row,) = merchant.call("GET", "/v3/certificates").json()["data"]
    sealed = {name: row["encrypt_certificate"][name] for name in ("nonce", "ciphertext", "associated_data")}
    opened = aes_decrypt(**sealed, apiv3_key=merchant.keys["api_key"])
    assert f"{load_certificate(opened).serial_number:X}" == row["serial_no"]
    assert aes_decrypt(**sealed, apiv3_key="x" * 32) is None


def test_a_code_of_the_sign_in_is_good_once_and_for_this_account(merchant):
    keys = merchant.keys
    asked = {
        "appid": keys["app_id"],
        "redirect_uri": "http://127.0.0.1:9/back",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "abc123",
    }
    address = f"{merchant.sandbox.url}/connect/oauth2/authorize"
    back = httpx.get(address, params=asked)
    assert back.status_code == 303
    for wrong in ({"scope": "snsapi_userinfo"}, {"state": "a b"}, {"state": "x" * 129}, {"redirect_uri": "ftp://x"}):
        assert httpx.get(address, params=asked | wrong).status_code == 400
    code = httpx.URL(back.headers["location"]).params["code"]
    token = {"appid": keys["app_id"], "secret": keys["app_secret"], "code": code, "grant_type": "authorization_code"}
    exchange = f"{merchant.sandbox.url}/sns/oauth2/access_token"
    assert "errcode" in httpx.get(exchange, params=token | {"secret": "x"}).json()
    assert httpx.get(exchange, params=token).json()["openid"]
    assert "errcode" in httpx.get(exchange, params=token).json()
