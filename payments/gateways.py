"""From a channel's row to the provider that speaks its protocol; and which devices can use which method."""

from collections.abc import Callable

from common import crypto
from payments.epay.provider import EpayAccount, EpayMode, EpayProvider
from payments.epay.signing import SignMode
from payments.models import Channel
from payments.providers import Device, Provider

Method = Channel.Method

# In an app's own browser only that app's payment opens; everywhere else all do.
WORKS_INSIDE = {
    Device.WECHAT: {Method.WECHAT},
    Device.ALIPAY: {Method.ALIPAY},
    Device.QQ: {Method.QQ},
}


def credentials_label(channel: Channel) -> str:
    """What binds sealed credentials to their row."""
    return f"payments_channel:{channel.code}"


def provider_of(channel: Channel) -> Provider:
    """The provider with this channel's credentials. Raises crypto.DecryptionFailed."""
    return _BUILDERS[channel.provider](channel)


def _epay(channel: Channel) -> EpayProvider:
    secrets = crypto.unseal_settings(channel.credentials, credentials_label(channel))
    account = EpayAccount(
        gateway=channel.gateway_url,
        pid=channel.merchant_id,
        key=secrets.get("key", ""),
        mode=EpayMode(channel.settings.get("mode", EpayMode.API)),
        sign_mode=SignMode(channel.settings.get("sign_mode", SignMode.PLAIN)),
    )
    return EpayProvider(account)


_BUILDERS: dict[str, Callable[[Channel], Provider]] = {Channel.Provider.EPAY: _epay}


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
