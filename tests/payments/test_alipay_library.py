"""Alipay's signatures by a client library that others maintain: it signs what we sent, and we read what it signs.

Signatures of this kind are the same for the same text, so that two that are equal are both right or both wrong.
"""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from alipay import AliPay
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from payments.alipay.provider import AlipayProvider
from payments.alipay.signing import sign_request
from payments.providers import Device, NotifyRefused, RawNotify
from payments.transport import Answer, Ask
from tests.payments.test_providers import charge, provider_for

# Requests are dated by the database's clock.
pytestmark = pytest.mark.django_db


def private_pem(bare: str) -> str:
    key = load_der_private_key(base64.b64decode(bare), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def public_pem(bare: str) -> str:
    key = load_der_public_key(base64.b64decode(bare))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def keys(running_sandbox) -> dict[str, str]:
    return running_sandbox.keys["alipay"]


def library(keys: dict[str, str], *, mine: str, theirs: str) -> AliPay:
    return AliPay(
        appid=keys["app_id"],
        app_notify_url=None,
        app_private_key_string=private_pem(keys[mine]),
        alipay_public_key_string=public_pem(keys[theirs]),
        sign_type="RSA2",
    )


@pytest.fixture(scope="module")
def merchant(keys) -> AliPay:
    """As a shop would use it."""
    return library(keys, mine="merchant_private", theirs="platform_public")


@pytest.fixture(scope="module")
def platform(keys) -> AliPay:
    """Turned round: it signs as Alipay does."""
    return library(keys, mine="platform_private", theirs="merchant_public")


class Wire:
    """Keeps what a provider sends."""

    def __init__(self) -> None:
        self.fields: list[dict[str, str]] = []

    def __call__(self, ask: Ask) -> Answer:
        self.fields.append(dict(parse_qsl(ask.body.decode(), keep_blank_values=True)))
        return Answer(200, b"{}")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def provider(sandbox, wire) -> AlipayProvider:
    provider = provider_for(sandbox, "alipay")
    provider._exchange = wire
    return provider


def resigned(merchant: AliPay, fields: dict[str, str]) -> dict[str, str]:
    """The same request as the library signs it, which reads the content as an object."""
    data = {name: text for name, text in fields.items() if name != "sign"}
    return dict(parse_qsl(merchant.sign_data(data)))


def test_every_request_has_the_librarys_signature(provider, wire, merchant):
    asked = {"number": "P1", "provider_txn": "2026", "refund_number": "R1"}
    provider.create(charge("alipay", subject="月卡 1 个"))
    provider.query("P1")
    provider.close("P1")
    provider.refund(amount=Decimal("3.00"), **asked)
    provider.query_refund(**asked)
    methods = [fields["method"].removeprefix("alipay.trade.") for fields in wire.fields]
    assert methods == ["precreate", "query", "close", "refund", "fastpay.refund.query"]
    for fields in wire.fields:
        # The library signs an empty value, Alipay does not: there must be none.
        assert "" not in fields.values()
        assert resigned(merchant, fields) == fields


@pytest.mark.parametrize(("method", "device"), [("wap", Device.MOBILE), ("page", Device.PC)])
def test_pages_too(sandbox, merchant, method, device):
    provider = provider_for(sandbox, "alipay", settings={"product": "page_wap"})
    created = provider.create(charge("alipay", device=device))
    fields = dict(parse_qsl(urlsplit(created.payload).query))
    assert fields["method"] == f"alipay.trade.{method}.pay"
    assert resigned(merchant, fields) == fields


def test_the_library_would_have_asked_the_same(provider, wire, merchant):
    """Content and all, but for the time."""
    provider.create(charge("alipay", number="P1", subject="card", notify_url="https://shop.test/n"))
    ours = wire.fields[0]
    content = json.loads(ours["biz_content"])
    theirs = merchant.build_body("alipay.trade.precreate", content, notify_url="https://shop.test/n")
    assert set(theirs) == set(ours) - {"sign"}
    theirs["timestamp"] = ours["timestamp"]
    assert dict(parse_qsl(merchant.sign_data(theirs)))["sign"] == sign_request(
        {**ours, "biz_content": json.dumps(content, separators=(",", ":"))}, provider._own_key
    )


def notify_fields(keys: dict[str, str], **changes: str) -> dict[str, str]:
    return {
        "app_id": keys["app_id"],
        "seller_id": keys["seller_id"],
        "out_trade_no": "P1",
        "trade_no": "2026010122001",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "10.50",
        "subject": "月卡 + 1%",
        "body": "",
        **changes,
    }


def as_sent(fields: dict[str, str]) -> RawNotify:
    return RawNotify(
        method="POST",
        query=b"",
        body=urlencode(fields).encode(),
        content_type="application/x-www-form-urlencoded",
        received_at=datetime.now(UTC),
    )


def test_we_read_what_the_library_signs(provider, platform, keys):
    """An empty value is part of what is signed; the kind of signature is not."""
    fields = notify_fields(keys)
    sign = dict(parse_qsl(platform.sign_data(dict(fields))))["sign"]
    notice = provider.verify_notify(as_sent({**fields, "sign": sign, "sign_type": "RSA2"}))
    assert (notice.number, notice.amount, notice.paid) == ("P1", Decimal("10.50"), True)
    for changes in ({"total_amount": "0.01"}, {"body": "x"}, {"extra": "1"}):
        with pytest.raises(NotifyRefused):
            provider.verify_notify(as_sent({**fields, **changes, "sign": sign, "sign_type": "RSA2"}))


def test_the_library_reads_what_the_sandbox_sends(sandbox, merchant):
    """So that the sandbox, against which all else is tested, is one that others understand."""
    wanted = charge("alipay")
    provider_for(sandbox, "alipay").create(wanted)
    sandbox.act(wanted.number, "pay_silently")
    fields = dict(parse_qsl(sandbox.letter(wanted.number)["body"], keep_blank_values=True))
    assert fields["body"] == ""
    sign = fields.pop("sign")
    # It takes the kind of signature out of what it is given.
    assert merchant.verify(dict(fields), sign)
    assert not merchant.verify({**fields, "total_amount": "0.01"}, sign)
