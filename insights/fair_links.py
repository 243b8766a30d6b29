"""The fairness page: how its figures read, and where each of them leads: to the rows that it was counted over."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from insights.fairness import Asked

SECOND = Decimal(1)


def hours(value: Decimal | None) -> str:
    return _("一周内没有下单") if value is None else _("%(hours)s 小时") % {"hours": f"{value:.1f}"}


def days(value: Decimal | None) -> str:
    return "–" if value is None else _("%(days)s 天") % {"days": f"{value:.1f}"}


def waited(value: Decimal | None) -> str:
    """A wait of so many seconds; below one in milliseconds, because most deliveries take less."""
    if value is None:
        return "–"
    if value < SECOND:
        return _("%(count)s 毫秒") % {"count": f"{value * 1000:.0f}"}
    if value < 120:
        return _("%(seconds)s 秒") % {"seconds": f"{value:.1f}"}
    return _("%(minutes)s 分钟") % {"minutes": f"{value / 60:.1f}"}


def percent(part: Decimal | int, whole: Decimal | int) -> Decimal:
    return (Decimal(100) * part / whole).quantize(Decimal("0.1")) if whole else Decimal("0.0")


def bar(share: Decimal) -> Any:
    return format_html(
        '<span class="desk-share"><progress max="100" value="{}" aria-hidden="true"></progress>{}%</span>', share, share
    )


def link(address: str, text: Any) -> Any:
    return format_html('<a class="desk-link" href="{}">{}</a>', address, text)


def query_of(asked: Asked, query: str = "") -> str:
    """The address of these days, with the program where it is not the platform's."""
    program = "" if asked.program.storefront_id is None else "&" + urlencode({"program": asked.program.pk})
    return f"?{query or asked.span.query}{program}"


def rows_address(table: str, asked: Asked, rank: int | None = None, only: str = "") -> str:
    """The rows of a table: of one rank or of all, and of those only a part (fairness.PARTS)."""
    wanted = {**({"rank": rank} if rank is not None else {}), **({"only": only} if only else {})}
    more = "&" + urlencode(wanted) if wanted else ""
    return f"{reverse('fairness_rows', args=[table])}{query_of(asked)}{more}"


def members_address(asked: Asked, rank: int) -> str:
    filters = {"program__id__exact": asked.program.pk, "rank": rank}
    return f"{reverse('admin:membership_membertier_changelist')}?{urlencode(filters)}"


def decisions_address(asked: Asked, **filters: Any) -> str:
    """Decisions of these days, such as `direction="up"` or `from_rank=1, to_rank=2`."""
    wanted = {
        **filters,
        "member__program__id__exact": asked.program.pk,
        "at_from": asked.span.first.isoformat(),
        "at_to": asked.span.last.isoformat(),
    }
    return f"{reverse('admin:membership_tierdecision_changelist')}?{urlencode(wanted)}"
