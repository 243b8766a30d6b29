"""From a channel's row to the provider that speaks its protocol; and which devices can use which method."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from urllib.parse import urlsplit

from common import clock, crypto
from payments.alipay.provider import AlipayAccount, AlipayProduct, AlipayProvider
from payments.bepusdt.provider import BepusdtAccount, BepusdtProvider
from payments.epay.provider import EpayAccount, EpayMode, EpayProvider
from payments.epay.provider_v2 import EpayV2Account, EpayV2Provider
from payments.epay.signing import SignMode
from payments.models import Channel, ChannelChange, PaymentAttempt, PlatformCertificate
from payments.providers import Device, Foreign, Provider
from payments.stripe.provider import YUAN, StripeAccount, StripeProvider, read_rate
from payments.wechat.oauth import OfficialAccount
from payments.wechat.provider import WechatAccount, WechatProvider

Method = Channel.Method
# The value of a channel's option "query" that says that its gateway has none.
NO_QUERY = "no"
# What a channel takes at most, in yuan, whose notifies nothing but an MD5 vouches for.
MOST_WITHOUT_QUERY = Decimal("200.00")

DEFAULT_PORT = re.compile(r":(443|80)$")

# In an app's own browser only that app's payment opens; everywhere else all do.
WORKS_INSIDE = {
    Device.WECHAT: {Method.WECHAT},
    Device.ALIPAY: {Method.ALIPAY},
    Device.QQ: {Method.QQ},
}


def credentials_label(channel: Channel) -> str:
    """What binds sealed credentials to their row."""
    return f"payments_channel:{channel.code}"


def change_label(change: ChannelChange) -> str:
    """What binds the secrets of a change that waits to their row."""
    return f"payments_channelchange:{change.channel_id}:{change.approval_id}"


def secrets_of(channel: Channel) -> dict[str, str]:
    """The channel's credentials, opened. Raises crypto.DecryptionFailed."""
    return crypto.unseal_settings(channel.credentials, credentials_label(channel)) if channel.credentials else {}


def provider_of(channel: Channel) -> Provider:
    """The provider with this channel's credentials. Raises crypto.DecryptionFailed, payments.rsa.BadKey."""
    return provider_with(channel, secrets_of(channel))


def provider_with(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    """The same with opened credentials. Raises payments.rsa.BadKey."""
    return _KINDS[channel.provider][1](channel, secrets)


def most_of(channel: Channel) -> Decimal:
    """The highest amount in yuan that a channel may take, whatever the operator wishes."""
    return MOST_WITHOUT_QUERY if channel.settings.get("query") == NO_QUERY else channel.max_amount


def currency_of(channel: Channel) -> str:
    """What a channel charges its buyers in, as its protocol writes it."""
    return channel.settings.get("currency") or YUAN


def kind_of(channel: Channel) -> type[Provider]:
    """What the channel's protocol is like, also where its credentials do not open."""
    return _KINDS[channel.provider][0]


def foreign_of(attempt: PaymentAttempt | None) -> Foreign | None:
    """What an attempt asks its buyer for where that is no yuan, as it was stored; whatever the channel is set to by now."""
    if attempt is None or not attempt.currency:
        return None
    return Foreign(currency=attempt.currency, amount=attempt.currency_amount, rate=attempt.rate)


def can_be_asked(channel: Channel) -> bool:
    """Whether the channel's gateway answers what became of a payment."""
    return kind_of(channel).can_query and channel.settings.get("query") != NO_QUERY


def merchant_of(channel: Channel) -> tuple[str, str]:
    """(gateway, merchant) whose money comes through the channel. Several channels may be ways to one merchant account, with
    other methods, hours or fees; a gateway gives a transaction's number once."""
    gateway = DEFAULT_PORT.sub("", urlsplit(channel.gateway_url).netloc.lower())
    return gateway, channel.merchant_id.strip() if kind_of(channel).has_merchant_number else ""


def protocols_without_merchants() -> list[str]:
    """The protocols whose channels' numbers of merchants mean nothing to the gateway."""
    return [str(name) for name, (kind, _make) in _KINDS.items() if not kind.has_merchant_number]


def usable_certificates(channel: Channel) -> dict[str, str]:
    """The gateway's certificates that were fetched and hold now, PEM by serial number."""
    if channel.pk is None:
        return {}
    rows = PlatformCertificate.objects.filter(channel=channel, valid_to__gt=clock.now())
    return dict(rows.values_list("serial", "pem"))


def _epay(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    return EpayProvider(
        EpayAccount(
            gateway=channel.gateway_url,
            pid=channel.merchant_id,
            key=secrets.get("key", ""),
            mode=EpayMode(channel.settings.get("mode") or EpayMode.API),
            sign_mode=SignMode(channel.settings.get("sign_mode") or SignMode.PLAIN),
            can_query=channel.settings.get("query") != NO_QUERY,
        )
    )


def _epay_v2(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    return EpayV2Provider(
        EpayV2Account(
            gateway=channel.gateway_url,
            pid=channel.merchant_id,
            private_key=secrets.get("private_key", ""),
            gateway_key=channel.settings.get("platform_key", ""),
            mode=EpayMode(channel.settings.get("mode") or EpayMode.API),
        )
    )


def _alipay(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    return AlipayProvider(
        AlipayAccount(
            gateway=channel.gateway_url,
            app_id=channel.merchant_id,
            seller_id=channel.settings.get("seller_id", ""),
            private_key=secrets.get("private_key", ""),
            gateway_key=channel.settings.get("alipay_public_key", ""),
            product=AlipayProduct(channel.settings.get("product") or AlipayProduct.CODE_AND_WAP),
        )
    )


def _wechat(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    chosen = channel.settings
    keys = usable_certificates(channel)
    if chosen.get("public_key_id") and chosen.get("public_key"):
        keys[chosen["public_key_id"]] = chosen["public_key"]
    return WechatProvider(
        WechatAccount(
            gateway=channel.gateway_url,
            app_id=chosen.get("app_id", ""),
            merchant_id=channel.merchant_id,
            serial=chosen.get("serial", ""),
            private_key=secrets.get("private_key", ""),
            api_key=secrets.get("api_key", ""),
            platform_keys=keys,
            official=OfficialAccount(
                app_id=chosen.get("app_id", ""), secret=secrets["app_secret"], base=chosen.get("sign_in_address", "")
            )
            if secrets.get("app_secret")
            else None,
        )
    )


def _bepusdt(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    return BepusdtProvider(
        BepusdtAccount(
            gateway=channel.gateway_url,
            token=secrets.get("token", ""),
            trade_type=channel.settings.get("trade_type") or "usdt.trc20",
        )
    )


def _stripe(channel: Channel, secrets: Mapping[str, str]) -> Provider:
    return StripeProvider(
        StripeAccount(
            gateway=channel.gateway_url,
            secret_key=secrets.get("secret_key", ""),
            webhook_secret=secrets.get("webhook_secret", ""),
            currency=currency_of(channel),
            rate=read_rate(channel.settings.get("rate") or "1"),
        )
    )


# The class of each protocol, known without any credentials, and what makes one of it.
_KINDS: dict[str, tuple[type[Provider], Callable[[Channel, Mapping[str, str]], Provider]]] = {
    Channel.Provider.EPAY: (EpayProvider, _epay),
    Channel.Provider.EPAY_V2: (EpayV2Provider, _epay_v2),
    Channel.Provider.ALIPAY: (AlipayProvider, _alipay),
    Channel.Provider.WECHAT: (WechatProvider, _wechat),
    Channel.Provider.BEPUSDT: (BepusdtProvider, _bepusdt),
    Channel.Provider.STRIPE: (StripeProvider, _stripe),
}


def device_for(user_agent: str) -> Device:
    """The device by what the browser says of itself; a guess, and nothing but convenience hangs on it."""
    agent = user_agent.lower()
    if "micromessenger" in agent:
        return Device.WECHAT
    if "alipayclient" in agent:
        return Device.ALIPAY
    if " qq/" in agent:
        return Device.QQ
    if any(word in agent for word in ("mobile", "android", "iphone", "ipad", "harmony")):
        return Device.MOBILE
    return Device.PC
