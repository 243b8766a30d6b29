"""What staff fill in about cards, and reasons."""

from datetime import timedelta

from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from common import clock
from common.forms import PlainDecimalField
from common.money import CENT
from wallet.models import CardBatch
from wallet.models.cards import MOST_CARDS


class BatchForm(forms.Form):
    name = forms.CharField(label=_("名称"), max_length=60, widget=UnfoldAdminTextInputWidget)
    kind = forms.ChoiceField(label=_("种类"), choices=CardBatch.Kind.choices, widget=UnfoldAdminSelectWidget)
    face_value = PlainDecimalField(
        label=_("面值"),
        max_digits=10,
        decimal_places=2,
        min_value=CENT,
        widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"}),
    )
    count = forms.IntegerField(label=_("数量"), min_value=1, max_value=MOST_CARDS, widget=UnfoldAdminIntegerFieldWidget)
    last_day = forms.DateField(
        label=_("最后兑换日"),
        required=False,
        widget=UnfoldAdminSingleDateWidget,
        help_text=_("含当天；留空表示长期有效"),
    )
    wording = forms.CharField(
        label=_("卡面文字"),
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("会员兑换成功后看到的一句话，例如祝福语"),
    )

    def clean(self) -> dict:
        data = super().clean()
        day = data.pop("last_day", None)
        data["expires_at"] = clock.start_of_day(day + timedelta(days=1)) if day else None
        if day and data["expires_at"] <= clock.now():
            self.add_error("last_day", _("最后兑换日不能早于今天"))
        return data


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("写入审计记录"),
    )


class VoidForm(ReasonForm):
    first = forms.IntegerField(label=_("从第几张"), min_value=1, widget=UnfoldAdminIntegerFieldWidget)
    last = forms.IntegerField(label=_("到第几张"), min_value=1, widget=UnfoldAdminIntegerFieldWidget)
    field_order = ["first", "last", "reason"]

    def __init__(self, *args, batch: CardBatch, **kwargs) -> None:
        super().__init__(*args, initial={"first": 1, "last": batch.count}, **kwargs)
        for name in ("first", "last"):
            self.fields[name].validators.append(MaxValueValidator(batch.count))

    def clean(self) -> dict:
        data = super().clean()
        if not self.errors and data["first"] > data["last"]:
            raise forms.ValidationError(_("起始序号不能大于结束序号"))
        return data
