"""Small pieces of HTML that lists and pages of the admin share. Colours live in static/desk.css."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from common.money import CENT

TONES = ("neutral", "info", "success", "warning", "danger", "vip")


def chip(text: Any, tone: str = "neutral") -> SafeString:
    """A state in its colour; `tone` is one of TONES."""
    if tone not in TONES:
        raise ValueError(f"no tone is called {tone!r}")
    return format_html('<span class="desk-chip desk-chip-{}">{}</span>', tone, text)


def money(value: Decimal | None, *, signed: bool = False) -> SafeString | str:
    """1234.5 → ¥1,234.50 in figures of equal width; empty for None."""
    if value is None:
        return ""
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    return format_html('<span class="desk-money">{}¥{}</span>', sign, f"{abs(value).quantize(CENT):,}")


def when(at: datetime | None) -> SafeString | str:
    """The time in Shanghai to the second, on one line; empty for None."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    shown = formats.date_format(local, "Y-m-d H:i:s")
    return format_html('<time class="desk-time" datetime="{}">{}</time>', local.isoformat(), shown)


def sub(text: Any) -> SafeString:
    """What stands smaller under or beside the main thing."""
    return format_html('<span class="desk-sub desk-nowrap">{}</span>', text)


def moment(at: datetime | None) -> SafeString | str:
    """The time in Shanghai for a list: day and minute, the whole of it in the tooltip; empty for None."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    full = formats.date_format(local, "Y-m-d H:i:s")
    return format_html(
        '<time class="desk-time" datetime="{}" title="{}">{}</time>', local.isoformat(), full, full[2:16]
    )


def link_to(obj: Model | None, user: Any, text: Any = None) -> SafeString | str:
    """A link to the object's page in the admin for a user who may see it; its plain name for others."""
    if obj is None:
        return ""
    meta = obj._meta
    text = obj if text is None else text
    may = any(user.has_perm(f"{meta.app_label}.{act}_{meta.model_name}") for act in ("view", "change"))
    if not may:
        return str(text)
    return format_html(
        '<a class="desk-link" href="{}">{}</a>',
        reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.pk]),
        text,
    )
