from django import forms
from django.utils.translation import gettext_lazy as _

from insights.models import Spell

Reason = Spell.Reason
CHOICES = [(reason.value, reason.label) for reason in (Reason.STOCK, Reason.HARD, Reason.PRICE, Reason.OTHER)]


class ReasonForm(forms.Form):
    reason = forms.ChoiceField(label=_("原因"), choices=CHOICES)
