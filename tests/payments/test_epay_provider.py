"""The epay provider against every kind of answer, and against notifies of every kind."""

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.epay.provider import EpayAccount, EpayMode, EpayProvider
from payments.epay.signing import SignMode, is_signed, sign
from payments.providers import Charge, Device, NotifyRefused, Outcome, PaymentState, RawNotify, Show
from payments.replies import Unreadable, read_money, read_reply, write_money
from payments.transport import NoAnswer

KEY = "EPAYKEY123"
ACCOUNT = EpayAccount(gateway="https://pay.test/epay/", pid="1001", key=KEY)
CHARGE = Charge(
    number="T1",
    amount=Decimal("10.5"),
    subject="月卡 & 年卡",
    method="alipay",
    notify_url="https://shop.test/n",
    return_url="https://shop.test/r",
    client_address="203.0.113.9",
    device=Device.PC,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    expires_at=datetime(2026, 1, 1, 1, tzinfo=UTC),
)
EMPTY = {"method": "GET", "body": b"", "content_type": "", "received_at": datetime(2026, 1, 1, tzinfo=UTC)}
PAID = {"code": 1, "trade_no": "G1", "out_trade_no": "T1", "pid": 1001, "money": "10.50", "status": 1}


class Gateway:
    """Answers with `reply`, keeps what it was asked."""

    def __init__(self, reply: object = None):
        self.reply = reply
        self.calls: list[tuple[str, str, dict]] = []

    def __call__(self, method, address, fields):
        self.calls.append((method, address, dict(fields)))
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply if isinstance(self.reply, bytes) else json.dumps(self.reply).encode()


def provider(reply: object = None, **changes) -> EpayProvider:
    fields = {"gateway": ACCOUNT.gateway, "pid": ACCOUNT.pid, "key": KEY} | changes
    return EpayProvider(EpayAccount(**fields), Gateway(reply))


def test_create_sends_signed_fields_and_shows_the_code():
    epay = provider({"code": 1, "trade_no": "G1", "qrcode": "weixin://wxpay/bizpayurl?pr=1"})
    created = epay.create(CHARGE)
    assert (created.outcome, created.show, created.payload, created.ref) == (
        Outcome.DONE,
        Show.QR,
        "weixin://wxpay/bizpayurl?pr=1",
        "G1",
    )
    ((method, address, fields),) = epay._call.calls
    assert (method, address) == ("POST", "https://pay.test/epay/mapi.php")
    assert fields["money"] == "10.50"
    assert fields["name"] == "月卡 年卡"
    assert fields["device"] == "pc"
    assert is_signed(fields, KEY)
    assert KEY not in fields.values()


@pytest.mark.parametrize(
    ("reply", "show"),
    [
        ({"payurl": "https://pay.test/p"}, Show.PAGE),
        ({"payurl": "", "qrcode": "https://qr.test/p"}, Show.QR),
        ({"urlscheme": "alipays://platformapi/startapp?x=1"}, Show.APP),
    ],
)
def test_create_takes_the_one_way_that_is_given(reply, show):
    assert provider({"code": "1", **reply}).create(CHARGE).show == show


@pytest.mark.parametrize(
    "reply",
    [
        {"code": -1, "msg": "通道维护"},
        {"code": 1},
        {"code": 1, "payurl": "javascript:alert(1)"},
        {"code": 1, "urlscheme": "data:text/html,x"},
        {"code": 1, "payurl": "https://x/" + "a" * 3000},
        {"code": 1, "qrcode": "a\nb"},
    ],
)
def test_create_refused(reply):
    created = provider(reply).create(CHARGE)
    assert created.outcome == Outcome.REFUSED
    assert created.reason


@pytest.mark.parametrize(
    "reply", [NoAnswer("ReadTimeout"), b"<html>502", b"", b"[]", b"\xff", b'"\\"x\\""', {"msg": "no code"}, b"[" * 9999]
)
def test_what_cannot_be_read_is_unknown_not_failed(reply):
    assert provider(reply).create(CHARGE).outcome == Outcome.UNKNOWN
    assert provider(reply).query("T1").state == PaymentState.UNKNOWN
    refunded = provider(reply).refund(number="T1", provider_txn="G1", amount=Decimal(1), refund_number="R1")
    assert refunded.outcome == Outcome.UNKNOWN


def test_page_mode_makes_a_form_and_calls_nobody():
    epay = provider(NoAnswer("no call expected"), mode=EpayMode.PAGE, sign_mode=SignMode.KEY_PARAMETER)
    created = epay.create(CHARGE)
    assert (created.show, created.payload) == (Show.FORM, "https://pay.test/epay/submit.php")
    assert is_signed(created.fields, KEY, SignMode.KEY_PARAMETER)
    assert epay._call.calls == []
    assert epay.browser_hosts() == ["https://pay.test"]


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (PAID, PaymentState.PAID),
        (PAID | {"status": "1", "money": "10.5000", "code": "1"}, PaymentState.PAID),
        (PAID | {"status": 0}, PaymentState.UNPAID),
        (PAID | {"status": 2}, PaymentState.REFUNDED),
        (PAID | {"status": 9}, PaymentState.UNKNOWN),
        (PAID | {"out_trade_no": "T2"}, PaymentState.UNKNOWN),
        (PAID | {"pid": 7}, PaymentState.UNKNOWN),
        (PAID | {"trade_no": ""}, PaymentState.UNKNOWN),
        (PAID | {"money": "NaN"}, PaymentState.UNKNOWN),
        (PAID | {"money": "-1"}, PaymentState.UNKNOWN),
        ({"code": -1, "msg": "订单号不存在"}, PaymentState.MISSING),
        ({"code": -3, "msg": "商户不存在"}, PaymentState.UNKNOWN),
        ({"code": -1, "msg": "系统繁忙"}, PaymentState.UNKNOWN),
    ],
)
def test_query(reply, state):
    queried = provider(reply).query("T1")
    assert queried.state == state
    if state == PaymentState.PAID:
        assert (queried.provider_txn, queried.amount) == ("G1", Decimal("10.50"))


def test_json_inside_a_json_string():
    inside = json.dumps(json.dumps(PAID)).encode()
    assert provider(inside).query("T1").state == PaymentState.PAID


def test_numbers_keep_the_text_that_was_written():
    assert read_reply(b'\xef\xbb\xbf{"money": 10.50, "code": 1}') == {"money": "10.50", "code": "1"}


def test_a_field_given_twice_is_unreadable():
    with pytest.raises(Unreadable):
        read_reply(b'{"status": 0, "status": 1}')


def test_refund_and_its_query():
    refund = {"number": "T1", "provider_txn": "G1", "amount": Decimal("3"), "refund_number": "R1"}
    epay = provider({"code": 1})
    assert epay.refund(**refund).outcome == Outcome.DONE
    method, address, fields = epay._call.calls[0]
    assert (method, address) == ("POST", "https://pay.test/epay/api.php?act=refund")
    assert (fields["trade_no"], fields["money"]) == ("G1", "3.00")
    assert provider({"code": -1, "msg": "不支持"}).refund(**refund).outcome == Outcome.REFUSED
    assert (
        provider(PAID | {"status": 2}).query_refund(number="T1", provider_txn="G1", refund_number="R1").outcome
        == Outcome.DONE
    )
    assert provider(PAID).query_refund(number="T1", provider_txn="G1", refund_number="R1").outcome == Outcome.UNKNOWN
    assert epay.close("T1") == Outcome.REFUSED


def test_the_key_stays_out_of_texts(caplog):
    caplog.set_level(logging.DEBUG)
    assert KEY not in repr(ACCOUNT)
    assert KEY not in provider({"code": -2, "msg": f"bad key {KEY}"}).query("T1").reason
    # Nobody listens there: the real transport.
    queried = EpayProvider(EpayAccount(gateway="http://127.0.0.1:1", pid="1", key=KEY)).query("T1")
    assert queried.state == PaymentState.UNKNOWN
    assert KEY not in queried.reason
    assert KEY not in caplog.text


# Notifies

NOTIFY = {
    "pid": "1001",
    "trade_no": "G1",
    "out_trade_no": "T1",
    "type": "alipay",
    "name": "月卡 1+1",
    "money": "10.5",
    "trade_status": "TRADE_SUCCESS",
}


def raw(fields: dict[str, str] | None = None, query: bytes | None = None, **changes) -> RawNotify:
    query = urlencode(fields).encode() if query is None else query
    return RawNotify(**({**EMPTY, "query": query} | changes))


def signed(**changes: str) -> dict[str, str]:
    fields = NOTIFY | changes
    return fields | {"sign": sign(fields, KEY), "sign_type": "MD5"}


def test_a_good_notify():
    notice = provider().verify_notify(raw(signed(param="0", extra="")))
    assert (notice.number, notice.provider_txn, notice.amount, notice.paid) == ("T1", "G1", Decimal("10.50"), True)


def test_percent_encoding_plus_and_raw_utf8_mean_the_same():
    fields = signed()
    spelled = [
        urlencode(fields),
        "&".join(f"{k}={quote(v, safe='')}" for k, v in fields.items()),
        "&".join(f"{k}={v.replace('+', '%2B').replace(' ', '%20')}" for k, v in fields.items()),
    ]
    for query in spelled:
        assert provider().verify_notify(raw(query=query.encode())).paid


def test_a_form_post_is_read_too_but_never_both():
    body = urlencode(signed()).encode()
    form = "application/x-www-form-urlencoded"
    assert provider().verify_notify(raw(query=b"", method="POST", body=body, content_type=form)).paid
    for changes in ({"query": b"a=1"}, {"content_type": "text/plain"}, {"method": "PUT"}):
        with pytest.raises(NotifyRefused):
            provider().verify_notify(
                raw(**({"query": b"", "method": "POST", "body": body, "content_type": form} | changes))
            )


def test_another_status_is_not_paid():
    for status in ("TRADE_CLOSED", "", "trade_success", "TRADE_SUCCESS "):
        assert not provider().verify_notify(raw(signed(trade_status=status))).paid


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (NOTIFY, "signature"),
        (signed() | {"money": "0.01"}, "signature"),
        (signed() | {"more": "1"}, "signature"),
        (signed() | {"sign_type": "RSA"}, "signature"),
        ({k: v for k, v in signed().items() if k != "sign"}, "signature"),
        (signed(pid="1002"), "merchant"),
        (signed(money="NaN"), "amount"),
        (signed(money="１０"), "amount"),
        (signed(money="1_0"), "amount"),
        (signed(money="-1"), "amount"),
        (signed(money="0"), "amount"),
        (signed(money="0.001"), "amount"),
        (signed(money="1e3"), "amount"),
        (signed(money=""), "amount"),
        (signed(trade_no=""), "form"),
        (signed(trade_no="x" * 65), "form"),
        (signed(out_trade_no=""), "form"),
        (signed(name="a\0b"), "form"),
        ({}, "form"),
    ],
)
def test_bad_notifies(fields, code):
    with pytest.raises(NotifyRefused) as refusal:
        provider().verify_notify(raw(fields))
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (urlencode(signed()).encode() + b"&money=10.5", "duplicate_field"),
        (b"name=\xb2\xe2\xca\xd4", "encoding"),
        (b"name=%FF%FE", "encoding"),
        (b"&".join(b"a%d=1" % i for i in range(50)), "too_many_fields"),
        (b"a=" + b"x" * 20_000, "too_long"),
        (b"", "form"),
    ],
)
def test_bytes_that_no_gateway_sends(query, code):
    with pytest.raises(NotifyRefused) as refusal:
        provider().verify_notify(raw(query=query))
    assert refusal.value.code == code


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(query):
    with pytest.raises(NotifyRefused):
        provider().verify_notify(raw(query=query))


@given(st.sampled_from(sorted(signed())), st.text(st.characters(codec="utf-8"), max_size=8))
def test_any_changed_field_is_refused(name, value):
    fields = signed()
    if fields[name] != value:
        with pytest.raises(NotifyRefused):
            provider().verify_notify(raw(fields | {name: value}))


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal("99999999.99"), places=2))
def test_money_goes_out_and_comes_back(amount):
    assert read_money(write_money(amount)) == amount
    assert write_money(read_money(write_money(amount))) == write_money(amount)
