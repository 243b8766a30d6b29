"""What torture's forger makes: nothing of it is a genuine callback, and without the key none of it is signed."""

import random
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from payments.epay.provider import EpayAccount, EpayProvider
from payments.providers import NotifyRefused, RawNotify
from torture.callbacks.base import Call
from torture.callbacks.epay import KINDS, EpayV1
from torture.stage import MERCHANT, MERCHANT_KEY

UNPAID = {"id": "2026113000001", "out_trade_no": "P1", "type": "alipay", "name": "点卡", "money": "1.00"}
PAID = {**UNPAID, "id": "2026113000002", "out_trade_no": "P2"}
PROVIDER = EpayProvider(EpayAccount(gateway="https://gateway.invalid", pid=MERCHANT, key=MERCHANT_KEY))

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def read(call: Call):
    return PROVIDER.verify_notify(
        RawNotify(
            method=call.method,
            query=call.query.encode("latin-1", "replace"),
            body=call.body,
            content_type=call.content_type.partition(";")[0],
            received_at=NOW,
        )
    )


def test_a_genuine_one_is_believed():
    notice = read(EpayV1().genuine(PAID))
    assert (notice.number, notice.provider_txn, notice.paid) == ("P2", "2026113000002", True)


def test_five_thousand_forgeries_of_every_kind():
    chance, protocol = random.Random(20261130), EpayV1()
    genuine, kinds = protocol.genuine(PAID), Counter()
    for _ in range(5000):
        kind, call = protocol.forge(chance, UNPAID, genuine)
        kinds[kind] += 1
        assert call != genuine
        if kind in ("signed but unpaid", "signed for nobody"):
            # The thief's: right in form, so the gateway must be asked, and it does not know of a payment.
            assert read(call).number != "P2"
        else:
            with pytest.raises(NotifyRefused):
                read(call)
    assert set(kinds) == {kind.replace("_", " ") for kind in KINDS}


def test_the_five_callbacks_of_a_payment_tell_of_it_alone():
    for call in EpayV1().events(PAID):
        assert dict(parse_qsl(call.query))["out_trade_no"] == "P2"
