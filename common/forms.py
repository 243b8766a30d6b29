"""Form fields that every room uses."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from common.exceptions import TokenNeeded

PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?|[+-]?\.[0-9]+", re.ASCII)


def sent_token(request: HttpRequest) -> str:
    """The token of a form that does something once, however often it is sent. Raises TokenNeeded where there is none: under
    an empty one all forms of a member would be the same, and the second be told what became of the first."""
    token = request.POST.get("token", "").strip()
    if not token:
        raise TokenNeeded
    return token


class PlainDecimalField(forms.DecimalField):
    """A decimal as people write it. Django's own also takes "1e3", "1_000" and digits of any script, which nobody means."""

    def to_python(self, value: Any) -> Decimal | None:
        if value not in self.empty_values and isinstance(value, str) and not PLAIN.fullmatch(value.strip()):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)
