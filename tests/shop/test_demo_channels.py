"""The demo shop takes play money by every protocol that the sandbox has keys for."""

from decimal import Decimal

import pytest

from common import clock
from payments.gateways import provider_of
from payments.models import Channel
from payments.selectors import pay_options
from shop.demo.channels import make_epay, make_others
from tests.payments.conftest import DESKTOP
from tests.sandboxes import keys_file

pytestmark = pytest.mark.django_db


def test_every_method_is_offered_once(monkeypatch):
    monkeypatch.setenv("SANDBOX_KEYS", str(keys_file()))
    for _ in range(2):
        make_epay(mode="api")
        made = make_others()
    assert {channel.code for channel in made} == {"alipay", "epay_v2", "stripe", "bepusdt", "wechat"}
    assert Channel.objects.count() == 6
    assert all(provider_of(channel) for channel in Channel.objects.all())
    offered = pay_options(amount=Decimal("10.00"), user_agent=DESKTOP, at=clock.now())
    methods = [(option.method, option.channel.code) for option in offered]
    assert methods == [
        ("alipay", "alipay"),
        ("wxpay", "wechat"),
        ("bank", "epay_v2"),
        ("qqpay", "epay_v2"),
        ("card", "stripe"),
        ("usdt", "bepusdt"),
    ]


@pytest.mark.parametrize("file", ["", "/nowhere/keys.json"])
def test_without_keys_there_is_epay(monkeypatch, file):
    monkeypatch.setenv("SANDBOX_KEYS", file)
    make_epay(mode="api")
    assert make_others() == []
    assert [channel.code for channel in Channel.objects.all()] == ["epay"]
