"""Signatures by the published vectors, and by vectors that were computed from the protocols' descriptions."""

import base64
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import serialization

from payments import rsa
from payments.alipay.signing import is_notify_signed, sign_request, signed_part
from payments.bepusdt.signing import number_text
from payments.bepusdt.signing import sign as bepusdt_sign
from payments.epay.rsa_signing import sign as epay_v2_sign
from payments.epay.rsa_signing import why_not_signed as why_not_epay_v2
from payments.stripe.signing import sign as stripe_sign
from payments.stripe.signing import why_not_signed as why_not_stripe
from payments.wechat.signing import (
    NONCE,
    SERIAL,
    SIGNATURE,
    TIMESTAMP,
    BadSignature,
    authorization,
    bridge_signature,
    check_signed,
    unseal,
)

# A throw-away key of 1024 bits, too short for anything but vectors.
BARE_KEY = (
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBANDwNc0gtjKMCeU6CwYKGICHvrTp3L7TaP4LYwegaQvRVwcvnXWY"
    "izXQ4VNMAsq48/yfiKBKhzAMDopa/ZVwr3JDzYRx2UWQMfSY0VkqcfJ3Sjl657Cfi3FXqA7NHcMy8GwZs0lCu4iozM4aZ5EhLUQu"
    "Zz76ZkZ+jGQ44Mcb8FCpAgMBAAECgYAXmfrJ2BccsJrxjNPv87X+1tahAwXPfHwQrmKaWvFix1voUOWdggS/qH+7dAugsLHG6JJ7"
    "YM/Sipod4NdiSR9YOY2aXl920HSGwZklqSDZixD9gm1Gyy3l4dP7QJ5Tl0S6y2lDX4Spj/9gVPOHFaOPjYhcbEcWTgCRm9Dv3fnD"
    "HQJBAPoTeS639KRuVzK96+U9QDa/cttA40Y01hl1iLb8OR85a3p3DCrg/v5pAGq6JMNM3MtGD4faY4vVEyTnMHqJQzcCQQDV40RJ"
    "U2q4idujs6oNr7X0g/ppMc71YGP+H9AaS5UEuvodsckVOWyPfQBV4GTSh3S7arSGp5mZgKiE3JYUiLsfAkAyYUfxnIfBtKUGiPKE"
    "LVHJdcpa13iyBST43g/b5XZQjw3TDza5ULiuYlL+LWAIpGx62zN3yAxz+EoyDg1bMloDAkEAqVYLBDqkrYGHgO2HXtqUJggvQwWK"
    "Ir6zq8goDAl2643U45mT59fU2S1QDK1hZUSU6KSsVEdw1hUEVlwF/i/aZQJACvPCStpFC7L5wu6xPdCU3ClZagN/rVfukw4XzhsR"
    "+IFEXRN4XtqyFQe4iNBCTstvQ/shgEtkwCWGaRVOWKS4ww=="
)
AT = datetime.fromtimestamp(1767225600, UTC)
EPAY_V2 = (
    "zcZpW5pmJfPwphfJuZVGgb82cqov8UeNgfW+OYmwTH+vndbZYtEfyxQ20OxyUNFqBqq94hO2wV7vNd+FlQ7UZDA77l0vanKt2Zz6"
    "CdgQEwPdcnjTtGikDaqAlf3RbIj8N+C+ukuu1lTZLNEXGqnfuclTPFsrXFBxd9JY39iml5M="
)
ALIPAY_REQUEST = (
    "iEvPxomFJwkXo9Tq+yvUl/7cEPtDqO2KeIUFq8iIpe/yKUgfvk8kreYimVGRobPGFtEmRej5m7zjf7XnZK1SKk25GY7lna2K4/DE"
    "Xr1veY8OFt7eXZM4Lr44jZ/7OiKxPBHhz0ZdRi6hwvZcpLsbmKfIu6FoWAe24BKbN9xdQGI="
)
ALIPAY_NOTIFY = (
    "xcLW2IbGFX7RxGi8Hhz+t3quUMeqay4kHhdV8hlrylAA1F9XrPinF96FA6cTRVQmKpSfciQo9D76CkC9EqKIct59lcDzH/QB5l0p"
    "vZ5/9ZFiUsWlXjaEFf5IbLpW4XReK3aiWOxUOjg5Aa/SDvJ8FNKZlgRWku4TW6DZoTytrJo="
)
WECHAT_REQUEST = (
    "hbHDilI/U+1qF0wZkdy1SI5OqvuLNk+3wJSrffCohp1sVrQeautDEeSyliXr9zRKZwvNSNItGISDVHxtMAqQeMkgiKip8uebo3c9"
    "/sO34xqmYsFgPbL/VwP9AC60Tw0R1hZjG7rE9Y/K/IjKxFN7N6NL6BpK520AIYI0MjwH3KU="
)
WECHAT_BRIDGE = (
    "NEBFXSSYYcK4CYNHJAM94bbI98ToJXnTm3qmb3PmZ+5mB2CPaUw9WH1HPce79O8HTHFVQLsw4k4z8Xf93hIT2iS8eIyzbdJDfJe5"
    "OrJP8L4Cc/22PPRI0topVore3GNg+HMte3P3IgXzWImc2vnPZlzEjs6m7Rcl+haf9HWhDHg="
)
WECHAT_CALLBACK = (
    "UiMSWLSlDjAgx1ETBDf1jE44CrsVbAN+nVuT11FNR6I/WOxzD7vHelTyfVvnWlHjyFE/FlESe/R6DCKCXPo/WbAidGGBNrwm7yQP"
    "W4uYXlTXtYVbSI8gFmMvc1mlMdLYEJCA/FlWU2zm/2rDDkcwfAaD/3g1GWu0FEN8idMLgVg="
)


@pytest.fixture(scope="module")
def key():
    return rsa.private_key(BARE_KEY, min_bits=1024)


@pytest.fixture(scope="module")
def public(key):
    return key.public_key()


def pairs(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split("&"))


class TestKeys:
    def test_a_short_key_is_none(self):
        with pytest.raises(rsa.BadKey):
            rsa.private_key(BARE_KEY)

    @pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
    @pytest.mark.parametrize("encoding", ["PEM", "DER"])
    def test_every_form_in_which_gateways_hand_keys_out(self, key, form, encoding):
        raw = key.private_bytes(
            getattr(serialization.Encoding, encoding),
            getattr(serialization.PrivateFormat, form),
            serialization.NoEncryption(),
        )
        text = raw.decode() if encoding == "PEM" else base64.b64encode(raw).decode()
        assert rsa.private_key(text, min_bits=1024).private_numbers() == key.private_numbers()

    @pytest.mark.parametrize("form", ["SubjectPublicKeyInfo", "PKCS1"])
    @pytest.mark.parametrize("encoding", ["PEM", "DER"])
    def test_public_keys_too(self, public, form, encoding):
        raw = public.public_bytes(getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form))
        text = raw.decode() if encoding == "PEM" else base64.b64encode(raw).decode()
        assert rsa.public_key(text, min_bits=1024).public_numbers() == public.public_numbers()

    @pytest.mark.parametrize(
        "text", ["", "nonsense", "AAAA", "-----BEGIN PRIVATE KEY-----", "密钥", "\0", BARE_KEY[:-8]]
    )
    def test_what_is_no_key_is_refused_by_name(self, text):
        with pytest.raises(rsa.BadKey):
            rsa.private_key(text)
        with pytest.raises(rsa.BadKey):
            rsa.public_key(text)


class TestEpayV2:
    FIELDS = pairs(
        "clientip=203.0.113.9&method=web&money=10.50&name=测试 商品&notify_url=https://shop.test/pay/notify"
        "&out_trade_no=T20260101000001&pid=1001&return_url=https://shop.test/pay/return&timestamp=1767225600&type=alipay"
    )

    def test_vector(self, key):
        assert epay_v2_sign(self.FIELDS, key) == EPAY_V2

    def test_blank_values_are_not_signed(self, key):
        assert epay_v2_sign(self.FIELDS | {"param": " \t"}, key) == EPAY_V2
        assert epay_v2_sign(self.FIELDS | {"param": "0"}, key) != EPAY_V2

    @pytest.mark.parametrize(
        ("changes", "at", "wrong"),
        [
            ({}, 0, ""),
            ({"money": "0.01"}, 0, "signature"),
            ({"sign": ""}, 0, "signature"),
            ({"sign_type": "MD5"}, 0, "algorithm"),
            ({}, 301, "stale"),
            ({}, -301, "stale"),
        ],
    )
    def test_what_is_believed(self, public, changes, at, wrong):
        fields = self.FIELDS | {"sign": EPAY_V2, "sign_type": "RSA"} | changes
        assert why_not_epay_v2(fields, public, datetime.fromtimestamp(1767225600 + at, UTC)) == wrong


class TestAlipay:
    NOTIFY = pairs(
        "app_id=2021000000000000&charset=utf-8&notify_id=n1&notify_type=trade_status_sync&out_trade_no=T20260101000001"
        "&seller_id=2088000000000000&total_amount=10.50&trade_no=2026010122001&trade_status=TRADE_SUCCESS&version=1.0"
    )

    def test_request_vector(self, key):
        content = '{"out_trade_no":"T20260101000001","total_amount":"10.50","subject":"test"}'
        fields = {
            "app_id": "2021000000000000",
            "biz_content": content,
            "charset": "utf-8",
            "method": "alipay.trade.precreate",
            "notify_url": "https://shop.test/pay/notify",
            "sign_type": "RSA2",
            "timestamp": "2026-01-01 08:00:00",
            "version": "1.0",
        }
        assert sign_request(fields, key) == ALIPAY_REQUEST

    def test_notify_vector(self, public):
        signed = self.NOTIFY | {"sign": ALIPAY_NOTIFY, "sign_type": "RSA2"}
        assert is_notify_signed(signed, public)
        assert not is_notify_signed(signed | {"total_amount": "0.01"}, public)
        assert not is_notify_signed(signed | {"sign_type": "RSA"}, public)

    def test_empty_values_of_a_notify_are_signed(self, key, public):
        fields = self.NOTIFY | {"body": ""}
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        assert is_notify_signed(fields | {"sign": rsa.sign(text.encode(), key), "sign_type": "RSA2"}, public)
        assert not is_notify_signed(fields | {"sign": ALIPAY_NOTIFY, "sign_type": "RSA2"}, public)

    def test_the_signed_part_of_an_answer_is_its_raw_text(self):
        part = '{"code": "10000",  "msg":"好 \\u597d", "n": 1.50}'
        body = '{ "alipay_trade_query_response" : ' + part + ', "alipay_cert_sn":"x","sign":"c2ln" }'
        assert signed_part(body, "alipay_trade_query_response") == (part, "c2ln")

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "[]",
            "{",
            "{}",
            '{"a":{}}',
            '{"x_response":{}} tail',
            '{"x_response":{},"x_response":{"code":"10000"}}',
            '{"x_response":{},}',
            '{"x_response" {}}',
            "<html>",
        ],
    )
    def test_what_is_no_answer(self, body):
        with pytest.raises(ValueError, match=r"."):
            signed_part(body, "x_response")


class TestWechat:
    USED_ONCE = "NONCE0123456789AB"
    HEADERS = {TIMESTAMP: "1767225600", NONCE: USED_ONCE, SERIAL: "PUB_KEY_ID_1", SIGNATURE: WECHAT_CALLBACK}

    def test_request_vector(self, key):
        header = authorization(
            method="POST",
            path="/v3/pay/transactions/native",
            body='{"mchid":"1900000001","out_trade_no":"T20260101000001"}',
            merchant="1900000001",
            serial="5157F09EFDC096DE15EBE81A47057A72",
            key=key,
            timestamp=1767225600,
            nonce=self.USED_ONCE,
        )
        assert f'signature="{WECHAT_REQUEST}"' in header
        assert header.startswith('WECHATPAY2-SHA256-RSA2048 mchid="1900000001",nonce_str="NONCE0123456789AB",')

    def test_bridge_vector(self, key):
        asked = {"app_id": "wx0000000000000000", "timestamp": 1767225600, "nonce": self.USED_ONCE}
        assert bridge_signature(**asked, package="prepay_id=wx01", key=key) == WECHAT_BRIDGE

    def test_callback_vector(self, public):
        check_signed(self.HEADERS, b'{"id":"E1"}', {"PUB_KEY_ID_1": public}, AT)

    @pytest.mark.parametrize(
        ("headers", "body", "at", "code"),
        [
            ({}, b'{"id":"E2"}', 0, "signature"),
            ({SIGNATURE: ""}, b'{"id":"E1"}', 0, "signature"),
            ({SIGNATURE: "WECHATPAY/SIGNTEST/" + WECHAT_CALLBACK}, b'{"id":"E1"}', 0, "signature"),
            ({SERIAL: "ANOTHER"}, b'{"id":"E1"}', 0, "serial"),
            ({SERIAL: ""}, b'{"id":"E1"}', 0, "serial"),
            ({TIMESTAMP: "１７６７２２５６００"}, b'{"id":"E1"}', 0, "timestamp"),
            ({TIMESTAMP: ""}, b'{"id":"E1"}', 0, "timestamp"),
            ({NONCE: "X"}, b'{"id":"E1"}', 0, "signature"),
            ({"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"}, b'{"id":"E1"}', 0, "algorithm"),
            ({}, b'{"id":"E1"}', 301, "stale"),
            ({}, b'{"id":"E1"}', -301, "stale"),
        ],
    )
    def test_what_is_refused(self, public, headers, body, at, code):
        when = datetime.fromtimestamp(1767225600 + at, UTC)
        with pytest.raises(BadSignature) as refused:
            check_signed(self.HEADERS | headers, body, {"PUB_KEY_ID_1": public}, when)
        assert refused.value.code == code

    RESOURCE = {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": "Eu69zaqBCIwQaJNlb7tiHQ9k+Fz80zx5YzOYHKwl/geBbi9ljwuu9FA=",
        "nonce": "abcdefghijkl",
        "associated_data": "transaction",
    }
    API_KEY = "0123456789abcdef0123456789abcdef"

    def test_sealed_resource_vector(self):
        assert unseal(self.RESOURCE, self.API_KEY) == {"trade_state": "SUCCESS"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"associated_data": "refund"},
            {"associated_data": None},
            {"nonce": "abcdefghijkm"},
            {"nonce": ""},
            {"nonce": 1},
            {"algorithm": "none"},
            {"ciphertext": "AAAA"},
            {"ciphertext": ""},
            {"ciphertext": "密文"},
            {"ciphertext": ["x"]},
        ],
    )
    def test_what_the_key_does_not_open(self, changes):
        with pytest.raises(BadSignature):
            unseal(self.RESOURCE | changes, self.API_KEY)


class TestBepusdt:
    def test_published_vector(self):
        fields = pairs(
            "amount=42&notify_url=http://example.com/notify&order_id=20220201030210321"
            "&redirect_url=http://example.com/redirect"
        )
        assert bepusdt_sign(fields, "epusdt_password_xasddawqe") == "1cd4b52df5587cfb1968b0c0c6e156cd"

    @pytest.mark.parametrize(("amount", "text"), [("100.00", "100"), ("28.88", "28.88"), ("0.10", "0.1"), ("10", "10")])
    def test_numbers_are_short(self, amount, text):
        assert number_text(Decimal(amount)) == text

    @pytest.mark.parametrize("amount", ["0", "-1", "1000000"])
    def test_numbers_that_the_server_writes_otherwise(self, amount):
        with pytest.raises(ValueError, match="million"):
            number_text(Decimal(amount))


class TestStripe:
    BODY = b'{"id":"evt_1"}'
    V1 = "45b40331de0325606dc5400202ade162460fbe48daf9401adfdcd0d7b4f35470"

    def test_vector(self):
        assert stripe_sign(self.BODY, "whsec_test", 1767225600) == self.V1

    @pytest.mark.parametrize(
        ("header", "at", "wrong"),
        [
            (f"t=1767225600,v1={V1}", 0, ""),
            (f"t=1767225600,v1={'0' * 64},v1={V1}", 0, ""),
            (f"t=1767225600, v0=x, v1={V1}", 0, ""),
            (f"t=1767225601,v1={V1}", 0, "signature"),
            (f"t=1767225600,v0={V1}", 0, "signature"),
            (f"t=1767225600,t=1767225600,v1={V1}", 0, "timestamp"),
            (f"v1={V1}", 0, "timestamp"),
            ("", 0, "timestamp"),
            (f"t=1767225600,v1={V1}", 301, "stale"),
            (f"t=1767225600,v1={V1}", -301, "stale"),
        ],
    )
    def test_what_is_believed(self, header, at, wrong):
        when = datetime.fromtimestamp(1767225600 + at, UTC)
        assert why_not_stripe(header, self.BODY, "whsec_test", when) == wrong

    def test_an_empty_secret_signs_nothing(self):
        header = f"t=1767225600,v1={stripe_sign(self.BODY, '', 1767225600)}"
        assert why_not_stripe(header, self.BODY, "", AT) == "signature"
