"""The few tags that every page uses; templates/README.md lists them with the components."""

from decimal import Decimal

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from common.money import CENT, round_money, round_unit
from common.texts import foreign

register = template.Library()


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One icon of static/icons.svg, which bin/assets fills with the names that it finds in templates.

    Decoration is hidden from screen readers; an icon that stands alone for a meaning gets a `label`.
    """
    address = f"{static('icons.svg')}#{name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, address)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"></use></svg>', address)


@register.simple_tag
def lang_of(english: str) -> SafeString | str:
    """The lang attribute of an element whose text comes in Chinese to an English reader, as `english` is empty."""
    lang = foreign(english)
    return format_html(' lang="{}"', lang) if lang else ""


@register.filter
def star_kinds(value: float) -> list[str]:
    """4.4 → ["full", "full", "full", "full", "half"]: five stars, rounded to halves; the rest are "none"."""
    halves = round(2 * value)
    return ["full" if halves >= 2 * n else "half" if halves == 2 * n - 1 else "none" for n in range(1, 6)]


@register.filter
def amount(value: Decimal | None) -> str:
    """1234.5 → "1,234.50": an amount in yuan without its sign; empty for None.

    Under one yuan unit prices show up to four places, 0.0350 → "0.035"; above, what a single piece costs says enough.
    """
    if value is None:
        return ""
    rounded = round_money(Decimal(value))
    return f"{rounded:,}" if abs(rounded) >= 1 else unit(value)


@register.filter
def unit(value: Decimal) -> str:
    """49.1040 → "49.104": a unit price with all its places, at least two."""
    exact = round_unit(Decimal(value))
    rounded = exact.quantize(CENT)
    return f"{rounded:,}" if rounded == exact else f"{exact.normalize():,f}"


@register.filter
def yuan(value: Decimal | None) -> str:
    """1234.5 → "¥1,234.50", -3 → "−¥3.00"; empty for None."""
    if value is None:
        return ""
    sign = "−" if Decimal(value) < 0 else ""
    return f"{sign}¥{amount(abs(Decimal(value)))}"
