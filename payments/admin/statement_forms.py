"""What staff fill in about statements: which file of which channel, and how a channel's statements look."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from payments.models import Channel
from payments.reconciling.forms import FIELDS, GENERIC, NAMES, generic
from payments.reconciling.rows import Period, StatementError

# What a page reads while somebody waits for it; longer files are for the command, which shows its progress.
MAX_CSV, MAX_XLSX = 10 * 1024 * 1024, 3 * 1024 * 1024
MEANINGS = {
    "paid": _("表示已支付的词"),
    "unpaid": _("表示未支付的词"),
    "refund": _("表示退款记录的词"),
    "refunded": _("表示已退款的词"),
}


class StatementForm(forms.Form):
    channel = forms.ModelChoiceField(
        label=_("支付渠道"), queryset=Channel.objects.order_by("position", "pk"), widget=UnfoldAdminSelectWidget()
    )
    file = forms.FileField(
        label=_("账单文件"),
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,.txt,.xlsx"}),
        help_text=_(
            "渠道后台下载的 CSV（UTF-8 或 GBK）或 XLSX；CSV 不超过 10 MB，XLSX 不超过 3 MB，更大的请用 manage.py reconcile"
        ),
    )
    day = forms.CharField(
        label=_("日期"),
        required=False,
        max_length=30,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("2026-11-29，或 2026-11-01..2026-11-30；不填则按账单自己的日期"),
    )
    form = forms.ChoiceField(
        label=_("账单格式"),
        required=False,
        choices=[("", _("按渠道")), *NAMES.items()],
        widget=UnfoldAdminSelectWidget(),
    )

    def clean_file(self) -> Any:
        upload = self.cleaned_data["file"]
        limit = MAX_XLSX if upload.name.lower().endswith(".xlsx") else MAX_CSV
        if upload.size > limit:
            raise forms.ValidationError(
                _("文件超过 %(limit)s MB，请用 manage.py reconcile 处理") % {"limit": limit // 1024 // 1024}
            )
        return upload

    def clean_day(self) -> Period | None:
        text = self.cleaned_data["day"]
        try:
            return Period.parse(text) if text else None
        except StatementError as error:
            raise forms.ValidationError(str(error)) from error


class MappingForm(forms.Form):
    """How a channel's statements look: one of the known forms, or columns by their names."""

    channel = forms.ModelChoiceField(
        label=_("支付渠道"), queryset=Channel.objects.order_by("position", "pk"), widget=UnfoldAdminSelectWidget()
    )
    form = forms.ChoiceField(
        label=_("账单格式"),
        choices=[("", _("按协议")), *NAMES.items()],
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )

    def __init__(self, *args: Any, channel: Channel | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = (channel.settings.get("statement") if channel else None) or {}
        self.fields["channel"].initial = channel
        self.fields["form"].initial = stored.get("form", "")
        for name, label in FIELDS.items():
            self.fields[f"column_{name}"] = forms.CharField(
                label=gettext("列：%(field)s") % {"field": label},
                required=False,
                max_length=60,
                initial=(stored.get("columns") or {}).get(name, ""),
                widget=UnfoldAdminTextInputWidget(),
            )
        for name, label in MEANINGS.items():
            self.fields[f"word_{name}"] = forms.CharField(
                label=label,
                required=False,
                max_length=200,
                initial="，".join((stored.get("words") or {}).get(name, [])),
                widget=UnfoldAdminTextInputWidget(),
                help_text=_("多个用逗号隔开"),
            )

    @property
    def columns(self) -> dict[str, str]:
        named = {name: self.cleaned_data[f"column_{name}"].strip() for name in FIELDS}
        return {name: column for name, column in named.items() if column}

    @property
    def words(self) -> dict[str, list[str]]:
        found = {}
        for name in MEANINGS:
            parts = self.cleaned_data[f"word_{name}"].replace("，", ",").split(",")
            found[name] = [part.strip() for part in parts if part.strip()]
        return {name: texts for name, texts in found.items() if texts}

    def clean(self) -> dict:
        data = super().clean() or {}
        if not self.errors:
            data["columns"], data["words"] = self.columns, self.words
            if data["form"] == GENERIC:
                try:
                    generic(data)
                except StatementError as error:
                    raise forms.ValidationError(gettext("通用格式至少要写金额列和一种单号列")) from error
        return data
