"""Setting up channels. Secrets are written here and never shown again."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from common import clock
from common.admin import ModelAdmin, chip, display
from common.texts import listed
from payments.exceptions import ChangeWaits
from payments.gateways import secrets_of
from payments.models import Channel
from payments.options import PROFILES, Option
from payments.providers import Device
from payments.selectors import is_open
from payments.services import change_channel, channel_problems
from payments.services.channel_changes import waiting_changes

DEVICES = [
    (Device.PC, _("电脑")),
    (Device.MOBILE, _("手机浏览器")),
    (Device.WECHAT, _("微信内")),
    (Device.ALIPAY, _("支付宝内")),
    (Device.QQ, _("QQ 内")),
]
# What is said of each protocol where one is chosen.
CHOOSING = {
    Channel.Provider.EPAY: _("MD5 签名，聚合支付宝、微信、QQ 与云闪付；付款后会再向渠道核对"),
    Channel.Provider.EPAY_V2: _("RSA 签名的新版易支付，支持关单与原路退款"),
    Channel.Provider.ALIPAY: _("支付宝官方：扫码、电脑网页与手机网页付款"),
    Channel.Provider.WECHAT: _("微信支付官方：电脑扫码，手机网页，微信内直接付款"),
    Channel.Provider.BEPUSDT: _("自建的稳定币收款；退款需手工转回"),
    Channel.Provider.STRIPE: _("国际银行卡，在 Stripe 页面付款；可用人民币或外币收款"),
}


class ChannelForm(forms.ModelForm):
    """The form of one protocol; `protocol` is set by `form_for`."""

    protocol: str
    methods = forms.MultipleChoiceField(label=_("支付方式"), widget=UnfoldAdminCheckboxSelectMultipleWidget)
    devices = forms.MultipleChoiceField(
        label=_("适用设备"),
        choices=DEVICES,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("不选表示所有设备；在微信等应用内，打不开的方式会提示换浏览器"),
    )

    class Meta:
        model = Channel
        fields = [
            "code",
            "name",
            "name_en",
            "methods",
            "devices",
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
        self.instance.provider = self.protocol
        profile = PROFILES[self.protocol]
        self.fields["methods"].choices = [(one, Channel.Method(one).label) for one in profile.methods]
        if "code" in self.fields:
            self.fields["code"].help_text = _("字母、数字与短横线；会出现在通知地址里，保存后不能改")
        if "gateway_url" in self.fields and not self.instance.gateway_url:
            self.fields["gateway_url"].initial = profile.address
        if "merchant_id" in self.fields:
            self.fields["merchant_id"].label = profile.merchant or self.fields["merchant_id"].label
            self.fields["merchant_id"].required = bool(profile.merchant)
            if not profile.merchant:
                self.fields["merchant_id"].widget = forms.HiddenInput()
        for option in profile.options:
            self._prepare(option)
        if self.instance.pk and self.instance.attempts.exists():
            self._lock("merchant_id", "currency")

    def _prepare(self, option: Option) -> None:
        field = self.fields[option.name]
        if option.secret:
            kept = option.name in self._kept()
            field.help_text = _("已加密保存，不再显示；留空则不改") if kept else _("加密保存，保存后不再显示")
            field.required = option.required and not kept
        else:
            field.initial = self.instance.settings.get(option.name) or (option.choices[0][0] if option.choices else "")

    def _lock(self, *names: str) -> None:
        """There are attempts of this merchant, in this money."""
        for name in set(names) & set(self.fields):
            self.fields[name].disabled = True
            self.fields[name].help_text = _("已有支付单，不能再改；请新建一个渠道")

    def _kept(self) -> Collection[str]:
        return secrets_of(self.instance) if self.instance.credentials else ()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        chosen = {one.name: data.get(one.name, "") for one in PROFILES[self.protocol].options if not one.secret}
        self.instance.settings = {**self.instance.settings, **{name: text for name, text in chosen.items() if text}}
        for name in [name for name, text in chosen.items() if not text]:
            self.instance.settings.pop(name, None)
        return data

    def _post_clean(self) -> None:
        super()._post_clean()
        if not self.errors:
            for name, problem in channel_problems(channel=self.instance, secrets=self.secrets()).items():
                self.add_error(name if name in self.fields else None, problem)
            if self.instance.pk and waiting_changes(self.instance).exists():
                self.add_error(None, str(ChangeWaits()))

    def secrets(self) -> dict[str, str]:
        return {one.name: self.cleaned_data[one.name] for one in PROFILES[self.protocol].options if one.secret}


def form_for(protocol: str) -> type[ChannelForm]:
    fields = {option.name: _field(option) for option in PROFILES[protocol].options}
    return type("ChannelForm", (ChannelForm,), {"protocol": protocol, **fields})


def _field(option: Option) -> forms.Field:
    shared: dict[str, Any] = {"label": option.label, "required": option.required, "help_text": option.help}
    if option.choices:
        return forms.ChoiceField(choices=option.choices, widget=UnfoldAdminSelectWidget, **shared)
    if option.secret and not option.lines:
        quiet = UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "new-password"})
        return forms.CharField(max_length=500, widget=quiet, **shared)
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 4}) if option.lines else UnfoldAdminTextInputWidget()
    return forms.CharField(max_length=8000, widget=widget, **shared)


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    list_display = ["name", "code", "provider", "shown_methods", "limits", "fee", "shown_state", "position"]
    export_columns = list_display
    list_display_links = ["name"]
    list_filter = ["provider", "is_active", "sandbox"]
    ordering = ["position", "id"]

    def get_urls(self) -> list:
        chooser = self.admin_site.admin_view(self.choose)
        return [path("choose/", chooser, name="payments_channel_choose"), *super().get_urls()]

    def choose(self, request: HttpRequest) -> HttpResponse:
        """Which protocol the new channel speaks: everything else on its form follows from that."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("新增支付渠道"),
            "opts": self.opts,
            "protocols": [(value, label, CHOOSING[value]) for value, label in Channel.Provider.choices],
        }
        return TemplateResponse(request, "payments/admin/choose.html", context)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict | None = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.GET.get("provider") not in PROFILES:
            return redirect("admin:payments_channel_choose")
        return super().add_view(request, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Channel | None = None, change: bool = False, **kwargs: Any):
        protocol = obj.provider if obj is not None else request.GET["provider"]
        return super().get_form(request, obj, change, **{**kwargs, "form": form_for(protocol)})

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> list:
        protocol = obj.provider if obj is not None else request.GET["provider"]
        options = [option.name for option in PROFILES[protocol].options]
        told = ["notify_address"] if obj is not None else []
        return [
            (None, {"fields": [("name", "name_en"), "code", "methods", ("is_active", "position"), "sandbox"]}),
            (Channel.Provider(protocol).label, {"fields": ["gateway_url", "merchant_id", *options, *told]}),
            (_("限额与费用"), {"fields": [("min_amount", "max_amount"), ("fee_rate", "fee_payer")]}),
            (_("设备"), {"fields": ["devices"]}),
            (
                _("开放时间"),
                {"fields": [("open_from", "open_to")], "description": _("按北京时间；留空表示全天，可跨午夜")},
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[str]:
        # The code is in the notify address that gateways know, and seals the key.
        return ["code", "notify_address"] if obj is not None else []

    def save_model(self, request: HttpRequest, obj: Channel, form: ChannelForm, change: bool) -> None:
        who = {"actor": request.user, "address": request.client_address}
        request.asked_change = change_channel(channel=obj, secrets=form.secrets(), **who)

    def response_add(self, request: HttpRequest, obj: Channel, post_url_continue: str | None = None) -> HttpResponse:
        said = _("渠道已保存，还没有启用：另一名员工在“渠道变更”里批准之后启用。")
        return self._asked(request, said) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Channel) -> HttpResponse:
        said = _("已提交复核，渠道还没有变动：另一名员工在“渠道变更”里批准之后，这次填写的内容才会生效。")
        return self._asked(request, said) or super().response_change(request, obj)

    def _asked(self, request: HttpRequest, said: Any) -> HttpResponse | None:
        if request.asked_change is None:
            return None
        messages.warning(request, said)
        return redirect("admin:payments_channel_changelist")

    @display(description=_("通知地址"))
    def notify_address(self, channel: Channel) -> str:
        """What some gateways have to be told in their own console; the others are told with each payment."""
        return settings.PUBLIC_URL + reverse("payments:notify", args=[channel.code])

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
