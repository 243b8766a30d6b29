"""What a member types to top up and to withdraw."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from common.exceptions import DomainError
from common.money import parse_money
from payments.exceptions import BadTopUpAmount
from payments.models import PayoutAccount

AMOUNTS = [Decimal(amount) for amount in (10, 30, 50, 100, 200, 500)]


class TopUpForm(forms.Form):
    """An amount by chip, or another one that is typed; the typed one wins."""

    preset = forms.CharField(required=False)
    amount = forms.CharField(
        label=_("其他金额"),
        required=False,
        max_length=12,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "placeholder": "¥"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        low, high = settings.TOP_UP_LIMITS
        try:
            amount = parse_money(data.get("amount") or data.get("preset") or "")
        except DomainError as error:
            raise ValidationError({"amount": str(error)}) from error
        if not low <= amount <= high:
            raise ValidationError({"amount": str(BadTopUpAmount(min=low, max=high))})
        return data | {"money": amount}

    @staticmethod
    def presets() -> list[Decimal]:
        low, high = settings.TOP_UP_LIMITS
        return [amount for amount in AMOUNTS if low <= amount <= high]


class PasswordForm(forms.Form):
    """What moves money out of the shop asks for the password again, of whoever has no second factor to show."""

    password = forms.CharField(
        label=_("登录密码"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args, asks: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not asks:
            del self.fields["password"]


class WithdrawForm(PasswordForm):
    amount = forms.CharField(
        label=_("提现金额"),
        max_length=12,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "placeholder": "¥"}),
    )
    field_order = ["amount", "password"]

    def clean_amount(self) -> Decimal:
        try:
            return parse_money(self.cleaned_data["amount"])
        except DomainError as error:
            raise ValidationError(str(error)) from error


class PayoutForm(PasswordForm):
    kind = forms.ChoiceField(label=_("收款方式"), choices=PayoutAccount.Kind.choices)
    name = forms.CharField(
        label=_("真实姓名"),
        max_length=40,
        help_text=_("须与收款账号的实名一致"),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    number = forms.CharField(
        label=_("收款账号"),
        max_length=64,
        help_text=_("支付宝填手机号或邮箱，微信填微信号或手机号，银行卡填卡号"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["kind", "name", "number", "password"]
