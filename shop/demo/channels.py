"""The demo shop's ways to pay: a sandbox channel of each protocol, with the keys that shop and sandbox share."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from payments.models import Channel
from payments.services import save_channel

Method, Provider = Channel.Method, Channel.Provider
Keys = Mapping[str, Mapping[str, str]]
# The sandbox's own, see sandbox/epay/merchants.py; the environment names others.
SANDBOX = {"url": "http://127.0.0.1:8001", "pid": "1000", "key": "sandbox-epay-demo-key"}


@dataclass(frozen=True, kw_only=True)
class Play:
    """What a channel is made of, beside its name."""

    methods: list[str]
    path: str = ""
    merchant: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str]


def make_epay(*, mode: str) -> Channel:
    """易支付 V1, which pays the demo's history and needs no file of keys."""
    key = os.environ.get("SANDBOX_EPAY_KEY") or SANDBOX["key"]
    play = Play(
        methods=[Method.ALIPAY, Method.WECHAT],
        merchant=os.environ.get("SANDBOX_EPAY_PID") or SANDBOX["pid"],
        settings={"mode": mode},
        secrets={"key": key},
    )
    return _save(Provider.EPAY, "易支付", "Epay", play, position=0)


def make_others() -> list[Channel]:
    """One channel of each other protocol that the sandbox's file of keys (SANDBOX_KEYS) knows; none without one."""
    file = os.environ.get("SANDBOX_KEYS")
    if not file or not Path(file).exists():
        return []
    keys: Keys = json.loads(Path(file).read_text("utf-8"))
    known = [protocol for protocol in _PLAYS if protocol in keys]
    return [
        _save(protocol, *_NAMES[protocol], _PLAYS[protocol](keys[protocol]), position=-len(known) + place)
        for place, protocol in enumerate(known)
    ]


def _save(protocol: str, name: str, name_en: str, play: Play, *, position: int) -> Channel:
    channel = Channel.objects.filter(code=protocol).first() or Channel(code=protocol, provider=protocol, sandbox=True)
    channel.name, channel.name_en, channel.position = name, name_en, position
    channel.methods, channel.settings, channel.merchant_id = play.methods, dict(play.settings), play.merchant
    channel.gateway_url = (os.environ.get("SANDBOX_URL") or SANDBOX["url"]) + play.path
    return save_channel(channel=channel, secrets=play.secrets)


def _epay_v2(keys: Mapping[str, str]) -> Play:
    return Play(
        methods=[Method.BANK, Method.QQ],
        merchant=keys["pid"],
        settings={"platform_key": keys["platform_public"]},
        secrets={"private_key": keys["merchant_private"]},
    )


def _alipay(keys: Mapping[str, str]) -> Play:
    return Play(
        methods=[Method.ALIPAY],
        path="/gateway.do",
        merchant=keys["app_id"],
        settings={"alipay_public_key": keys["platform_public"], "seller_id": keys["seller_id"]},
        secrets={"private_key": keys["merchant_private"]},
    )


def _bepusdt(keys: Mapping[str, str]) -> Play:
    return Play(methods=[Method.USDT], settings={"trade_type": "usdt.trc20"}, secrets={"token": keys["token"]})


def _stripe(keys: Mapping[str, str]) -> Play:
    return Play(
        methods=[Method.CARD],
        settings={"currency": "usd", "rate": "7.10"},
        secrets={"secret_key": keys["secret_key"], "webhook_secret": keys["webhook_secret"]},
    )


def _wechat(keys: Mapping[str, str]) -> Play:
    return Play(
        methods=[Method.WECHAT],
        merchant=keys["mchid"],
        settings={
            "app_id": keys["app_id"],
            "serial": keys["merchant_serial"],
            "public_key_id": keys["public_key_id"],
            "public_key": keys["platform_public"],
            "sign_in_address": os.environ.get("SANDBOX_URL") or SANDBOX["url"],
        },
        secrets={
            "private_key": keys["merchant_private"],
            "api_key": keys["api_key"],
            "app_secret": keys["app_secret"],
        },
    )


_NAMES = {
    Provider.ALIPAY: ("支付宝直连", "Alipay direct"),
    Provider.WECHAT: ("微信直连", "WeChat direct"),
    Provider.EPAY_V2: ("易支付 V2", "Epay V2"),
    Provider.STRIPE: ("Stripe", "Stripe"),
    Provider.BEPUSDT: ("BEpusdt", "BEpusdt"),
}
# In the order in which buyers see their methods; they come before 易支付 V1.
_PLAYS: dict[str, Callable[[Mapping[str, str]], Play]] = {
    Provider.ALIPAY: _alipay,
    Provider.WECHAT: _wechat,
    Provider.EPAY_V2: _epay_v2,
    Provider.STRIPE: _stripe,
    Provider.BEPUSDT: _bepusdt,
}
