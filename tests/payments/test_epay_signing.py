"""Signatures of epay V1: published vectors, and agreement with the sandbox, which was written separately."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.canonical import canonical
from payments.epay.signing import NAME_BYTES, SignMode, is_signed, safe_name, sign
from sandbox.epay import signing as theirs

KEY = "EPAYKEY123"
REQUEST = {
    "pid": "1001",
    "type": "alipay",
    "out_trade_no": "T20260101000001",
    "notify_url": "https://shop.test/pay/notify",
    "return_url": "https://shop.test/pay/return",
    "name": "测试 商品",
    "money": "10.50",
    "clientip": "203.0.113.9",
}
NOTIFY = {
    "pid": "1001",
    "trade_no": "2026010100001",
    "out_trade_no": "T20260101000001",
    "type": "alipay",
    "name": "测试 商品",
    "money": "10.50",
    "trade_status": "TRADE_SUCCESS",
}


def test_request_vector():
    assert sign(REQUEST, KEY) == "0e236762888096a6a96f17ef4f81193e"


def test_notify_vector():
    assert sign(NOTIFY, KEY) == "18b943b363ab4d0c2ee7ff5b365ddcec"


def test_zero_is_not_empty():
    assert sign(REQUEST | {"param": "0"}, KEY) == "08625b9f6ed1d963ca48025c3de810cc"


def test_empty_fields_and_the_signature_itself_are_not_signed():
    assert sign(REQUEST | {"param": "", "sign": "x", "sign_type": "MD5"}, KEY) == sign(REQUEST, KEY)


def test_canonical_text_is_sorted_and_raw():
    assert canonical({"b": "2&x=", "a": "中 文", "B": "1"}, without=()) == "B=1&a=中 文&b=2&x="


def test_the_variant_with_a_key_parameter_differs():
    signed = sign(REQUEST, KEY, SignMode.KEY_PARAMETER)
    assert signed == sign(REQUEST, f"&key={KEY}")
    assert not is_signed(REQUEST | {"sign": signed}, KEY)
    assert is_signed(REQUEST | {"sign": signed}, KEY, SignMode.KEY_PARAMETER)


def test_an_empty_key_signs_and_verifies_nothing():
    with pytest.raises(ValueError, match="empty key"):
        sign(REQUEST, "")
    # What a forger would compute.
    forged = theirs.signature(REQUEST, "")
    assert not is_signed(REQUEST | {"sign": forged}, "")


@pytest.mark.parametrize("sign_type", ["RSA", "md5", "", "MD5 "])
def test_another_algorithm_is_refused(sign_type):
    assert not is_signed(NOTIFY | {"sign": sign(NOTIFY, KEY), "sign_type": sign_type}, KEY)


@pytest.mark.parametrize("change", [{"money": "0.01"}, {"extra": "1"}, {"pid": "1002"}, {"name": "测试  商品"}])
def test_every_received_field_counts(change):
    assert not is_signed(NOTIFY | {"sign": sign(NOTIFY, KEY)} | change, KEY)


@pytest.mark.parametrize("bad", ["", "18B943B363AB4D0C2EE7FF5B365DDCEC", "签名", "18b943b363ab4d0c2ee7ff5b365ddce"])
def test_wrong_signatures_do_not_raise(bad):
    assert not is_signed(NOTIFY | {"sign": bad}, KEY)


FIELDS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=8), st.text(st.characters(codec="utf-8"), max_size=12), max_size=8
)


@given(
    fields=FIELDS, key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), mode=st.sampled_from(SignMode)
)
def test_the_sandbox_signs_the_same(fields, key, mode):
    assert sign(fields, key, mode) == theirs.signature(fields, key, mode)
    signed = theirs.signed(fields, key, mode)
    assert is_signed(signed, key, mode)
    assert theirs.is_signed(fields | {"sign": sign(fields, key, mode), "sign_type": "MD5"}, key, mode)


@given(st.text(max_size=200))
def test_a_safe_name_survives_every_gateway(name):
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= NAME_BYTES
    assert not set(safe) & set("&'\"\\`\r\n\t\0")
    assert safe_name(safe) == safe


def test_safe_names():
    assert safe_name("腾讯视频 VIP & 月卡\n\"x'2") == "腾讯视频 VIP 月卡 x2"
    assert safe_name("🎮 Steam") == "Steam"
    assert safe_name("&'") == "order"
    assert safe_name("字" * 60) == "字" * 42
