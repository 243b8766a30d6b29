"""Setting up channels."""

from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from common import crypto
from payments.gateways import credentials_label, currency_of, most_of, provider_with, secrets_of
from payments.models import Channel, PaymentAttempt
from payments.options import profile_of
from payments.services.keys import expect_keys
from payments.stripe.provider import YUAN, read_rate


def save_channel(*, channel: Channel, secrets: Mapping[str, str] | None = None) -> Channel:
    """Check and save a channel; given secrets are sealed and replace those that are there, others stay.

    Raises ValidationError, also for keys with which no payment could be signed.
    """
    with transaction.atomic():
        channel.full_clean()
        problems = channel_problems(channel=channel, secrets=secrets or {})
        if problems:
            raise ValidationError({"__all__": [*problems.values()]})
        given = _given(secrets or {})
        if given:
            sealed = {**secrets_of(channel), **given}
            channel.credentials = crypto.seal_settings(sealed, credentials_label(channel))
        # A new key of the merchant is a new chance to fetch the gateway's.
        channel.keys_asked_at = None
        channel.save()
        expect_keys(channel)
    return channel


def channel_problems(*, channel: Channel, secrets: Mapping[str, str]) -> dict[str, str]:
    """Why the channel could not take payments with these secrets beside those it has, by field; "" for the whole."""
    known, profile = {**secrets_of(channel), **_given(secrets)}, profile_of(channel)
    problems = {}
    for option in profile.options:
        values = known if option.secret else channel.settings
        if option.required and not option.choices and not values.get(option.name):
            problems[option.name] = _("请填写%(field)s") % {"field": option.label}
        if option.address and values.get(option.name) and not values[option.name].startswith(_safe_schemes()):
            problems[option.name] = _("请填写以 https:// 开头的地址")
    if profile.merchant and not channel.merchant_id:
        problems["merchant_id"] = _("请填写%(field)s") % {"field": profile.merchant}
    if not set(channel.methods) <= set(profile.methods):
        problems["methods"] = _("这种协议没有所选的支付方式")
    problems |= _contradictions(channel) | _changed_identity(channel)
    if not problems:
        try:
            provider_with(channel, known)
        except ValueError:
            # The reason is one for programmers; what the keys are is told to nobody.
            problems[""] = _("密钥无法使用，请核对是否完整、是否填错了位置；RSA 密钥不能短于 2048 位")
    return problems


def _contradictions(channel: Channel) -> dict[str, str]:
    """Where what was chosen does not go together."""
    problems, chosen = {}, channel.settings
    if channel.max_amount > most_of(channel):
        problems["max_amount"] = _("不能查询的渠道，单笔最高金额不能超过 ¥%(most)s") % {"most": most_of(channel)}
    rate = chosen.get("rate", "")
    if currency_of(channel) != YUAN and not rate:
        problems["rate"] = _("请填写%(field)s") % {"field": _("汇率")}
    if rate:
        try:
            read_rate(rate)
        except ValueError:
            problems["rate"] = _("汇率须是大于 0 的数字")
    return problems


def _changed_identity(channel: Channel) -> dict[str, str]:
    """What would make another account of it while there are attempts of this one; the database refuses it too."""
    if not PaymentAttempt.objects.filter(channel_id=channel.pk).exists():
        return {}
    known = Channel.objects.get(pk=channel.pk)
    said = _("已有支付单，不能再改；请新建一个渠道")
    same = {
        "": known.provider == channel.provider,
        "merchant_id": known.merchant_id == channel.merchant_id,
        "currency": currency_of(known) == currency_of(channel),
    }
    return {name: said for name, unchanged in same.items() if not unchanged}


def _safe_schemes() -> tuple[str, ...]:
    return ("https://",) if settings.PRODUCTION else ("https://", "http://")


def _given(secrets: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in secrets.items() if text}
