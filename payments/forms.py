"""What a member types to top up."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from common.exceptions import DomainError
from common.money import parse_money
from payments.exceptions import BadTopUpAmount

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
