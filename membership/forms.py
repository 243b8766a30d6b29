"""What members send."""

from django import forms
from django.utils.translation import gettext_lazy as _


class BirthdayForm(forms.Form):
    day = forms.DateField(
        label=_("生日"),
        input_formats=["%Y-%m-%d"],
        help_text=_("只能填写一次，填错要找客服改"),
        error_messages={"required": _("请选择日期"), "invalid": _("请选择正确的日期")},
        widget=forms.DateInput(attrs={"type": "date", "autocomplete": "bday"}, format="%Y-%m-%d"),
    )
