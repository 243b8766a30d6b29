"""The parts of the operator's board: figures, tables, and the addresses of the lists that they open."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from common.admin import money
from common.registries import label_rows
from insights.periods import Period
from insights.selectors.board import Figure, OrderFlow


@dataclass(frozen=True)
class Tile:
    """One figure. `value` is what was counted, `shown` how it reads; `tone` colours what needs a person."""

    key: str
    label: str
    value: Decimal | int
    shown: Any
    address: str
    note: Any = ""
    change: str = ""
    # Whether the change is a good one; None where it is neither.
    good: bool | None = None
    tone: str = ""


@dataclass(frozen=True)
class Table:
    title: str
    columns: list[str]
    rows: list[tuple]
    empty: str
    address: str

    @property
    def labelled(self) -> list[list[tuple[Any, Any]]]:
        return label_rows(self.columns, self.rows)


def tile(key: str, label: str, figure: Figure, address: str, period: Period, *, more_is_good: bool = True) -> Tile:
    is_money = isinstance(figure.now, Decimal)
    shown = money(figure.now) if is_money else f"{figure.now:,}"
    before = f"¥{figure.before:,}" if is_money else f"{figure.before:,}"
    change, rises = _change(figure)
    note = _before_name(period) % {"value": before}
    good = None if rises is None else rises == more_is_good
    return Tile(key, label, figure.now, shown, address, note, change, good)


def paid_rate(flow: OrderFlow, address: str, period: Period) -> Tile:
    note = _("%(placed)s 单中 %(paid)s 单已付款") % {"placed": f"{flow.placed.now:,}", "paid": f"{flow.paid.now:,}"}
    rate, before = _rate(flow.paid.now, flow.placed.now), _rate(flow.paid.before, flow.placed.before)
    change = "" if rate is None or before is None else f"{rate - before:+.1f}".replace("-", "−") + _(" 个百分点")
    rises = None if not change or rate == before else rate > before
    shown = "–" if rate is None else f"{rate:.1f}%"
    return Tile("paid_rate", _("付款率"), flow.paid.now, shown, address, note, change, rises)


def todo(key: str, label: str, count: int, address: str, note: str, tone: str = "danger") -> Tile:
    return Tile(key, label, count, f"{count:,}", address, note, tone=tone if count else "success")


def _rate(part: int, whole: int) -> float | None:
    return None if not whole else 100 * part / whole


def _change(figure: Figure) -> tuple[str, bool | None]:
    """("+12%", True): how far the figure moved; nothing where there was nothing to move from."""
    if not figure.before:
        return "", None
    percent = round(100 * (figure.now - figure.before) / figure.before)
    if not percent:
        return _("持平"), None
    return f"{percent:+,}%".replace("-", "−"), percent > 0


def _before_name(period: Period) -> str:
    if period.days == 1:
        return _("昨日同时段 %(value)s")
    return _("此前 %(days)s 天 %%(value)s") % {"days": period.days}


def length_name(days: int) -> str:
    return _("今日") if days == 1 else _("近 %(days)s 天") % {"days": days}


def minutes_long(minutes: int) -> str:
    if minutes < 120:
        return _("%(count)s 分钟") % {"count": minutes}
    if minutes < 48 * 60:
        return _("%(count)s 小时") % {"count": minutes // 60}
    return _("%(count)s 天") % {"count": minutes // (24 * 60)}


def two_lines(first: Any, second: str):
    return format_html('{}<br><span class="desk-sub">{}</span>', first, second)


def product_link(product_id: int, name: str):
    return format_html(
        '<a class="desk-link" href="{}">{}</a>', reverse("admin:catalog_product_change", args=[product_id]), name
    )


def list_of(model: str, **filters: Any) -> str:
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(filters)}"


def days_of(field: str, period: Period) -> dict[str, str]:
    return between(field, period.first, period.last)


def between(field: str, first: date, last: date) -> dict[str, str]:
    return {f"{field}_from": first.isoformat(), f"{field}_to": last.isoformat()}
