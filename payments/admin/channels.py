"""Setting up channels. The key is written here and never shown again."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
)

from common import clock
from common.admin import ModelAdmin, chip, display
from common.texts import listed
from payments.epay.provider import EpayMode
from payments.epay.signing import SignMode
from payments.models import Channel
from payments.selectors import is_open
from payments.services import save_channel

MODES = [(EpayMode.API, _("接口下单（mapi.php），页面内展示二维码")), (EpayMode.PAGE, _("跳转付款（submit.php）"))]
SIGN_MODES = [(SignMode.PLAIN, _("标准：密钥直接附在末尾")), (SignMode.KEY_PARAMETER, _("变体：以 &key= 附加"))]


class ChannelForm(forms.ModelForm):
    methods = forms.MultipleChoiceField(
        label=_("支付方式"), choices=Channel.Method.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    mode = forms.ChoiceField(label=_("下单方式"), choices=MODES, widget=UnfoldAdminSelectWidget)
    sign_mode = forms.ChoiceField(label=_("签名方式"), choices=SIGN_MODES, widget=UnfoldAdminSelectWidget)
    key = forms.CharField(
        label=_("商户密钥"),
        required=False,
        strip=True,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Channel
        fields = [
            "code",
            "provider",
            "name",
            "name_en",
            "methods",
            "gateway_url",
            "merchant_id",
            "min_amount",
            "max_amount",
            "fee_rate",
            "fee_payer",
            "open_from",
            "open_to",
            "sandbox",
            "is_active",
            "position",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        has_key = bool(self.instance.credentials)
        self.fields["key"].help_text = (
            _("已加密保存，不再显示；留空则不改") if has_key else _("加密保存，保存后不再显示")
        )
        self.fields["mode"].initial = self.instance.settings.get("mode", EpayMode.API)
        self.fields["sign_mode"].initial = self.instance.settings.get("sign_mode", SignMode.PLAIN)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("key") and not self.instance.credentials:
            raise ValidationError({"key": gettext("请填写商户密钥")})
        self.instance.settings = {
            **self.instance.settings,
            "mode": data.get("mode", EpayMode.API),
            "sign_mode": data.get("sign_mode", SignMode.PLAIN),
        }
        return data


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    form = ChannelForm
    list_display = ["name", "code", "provider", "shown_methods", "limits", "fee", "shown_state", "position"]
    export_columns = list_display
    list_display_links = ["name"]
    list_filter = ["provider", "is_active", "sandbox"]
    ordering = ["position", "id"]
    fieldsets = [
        (
            None,
            {"fields": [("name", "name_en"), ("code", "provider"), "methods", ("is_active", "position"), "sandbox"]},
        ),
        (_("网关"), {"fields": ["gateway_url", ("merchant_id", "key"), ("mode", "sign_mode")]}),
        (_("限额与费用"), {"fields": [("min_amount", "max_amount"), ("fee_rate", "fee_payer")]}),
        (_("开放时间"), {"fields": [("open_from", "open_to")], "description": _("按北京时间；留空表示全天，可跨午夜")}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[str]:
        # The code is in the notify address that gateways know, and seals the key.
        return ["code"] if obj is not None else []

    def save_model(self, request: HttpRequest, obj: Channel, form: ChannelForm, change: bool) -> None:
        save_channel(channel=obj, key=form.cleaned_data["key"])

    @display(description=_("支付方式"))
    def shown_methods(self, channel: Channel) -> str:
        names = dict(Channel.Method.choices)
        return listed(str(names.get(method, method)) for method in channel.methods)

    @display(description=_("限额"))
    def limits(self, channel: Channel) -> str:
        return f"¥{channel.min_amount:,} – ¥{channel.max_amount:,}"

    @display(description=_("手续费"))
    def fee(self, channel: Channel) -> str:
        if not channel.fee_rate:
            return "–"
        return f"{(channel.fee_rate * 100).normalize():f}% {channel.get_fee_payer_display()}"

    @display(description=_("状态"))
    def shown_state(self, channel: Channel):
        if not channel.is_active:
            return chip(_("停用"))
        if channel.sandbox:
            return chip(_("沙箱"), "warning")
        return chip(_("启用"), "success") if is_open(channel, clock.now()) else chip(_("未到开放时间"), "info")
