"""The fairness page: what each figure is called, how it reads, and the rows that it opens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import User
from common.admin import link_to, money, when
from common.clock import day_of
from common.money import CENT
from common.registries import label_rows
from insights import fairness
from insights.fairness import Asked, FairRow, Figures
from insights.flows import Band, Picture, draw_flows
from insights.spans import OFFERED_DAYS, last_days
from membership.models import Program
from membership.selectors.rules import version_in_force
from orders.models import Order

# Automatic deliveries whose medians differ by no more than this are alike.
ALIKE_SECONDS = 2
PER_PAGE = 50


@dataclass(frozen=True)
class Panel:
    """A table of the page. `plain` holds the figures alone, for a spreadsheet."""

    key: str
    title: str
    note: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    plain_columns: list[str]
    plain: list[tuple[Any, ...]]
    tone: str = ""
    verdict: str = ""

    @property
    def labelled(self) -> list[list[tuple[Any, Any]]]:
        return label_rows(self.columns, self.rows)


@dataclass(frozen=True)
class Moved:
    band: Band
    told: str
    address: str


@dataclass
class Page:
    program: Program
    programs: list[Program]
    asked: Asked
    ranges: list[tuple[str, str, bool]]
    tiles: list[tuple[str, str, str]] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    picture: Picture | None = None
    moved: list[Moved] = field(default_factory=list)


def panel_makers() -> dict[str, Callable[[Asked, dict[int, str]], Panel]]:
    return {"shares": _shares, "flows": _flows, "stays": _stays, "newcomers": _newcomers, "waiting": _waiting}


def fairness_page(asked: Asked) -> Page:
    names = tier_names(asked)
    page = Page(
        program=asked.program,
        programs=list(Program.objects.order_by("pk")),
        asked=asked,
        ranges=[_range(asked, days) for days in OFFERED_DAYS],
    )
    page.panels = [make(asked, names) for make in panel_makers().values()]
    found = fairness.flows(asked)
    page.picture = draw_flows(found, names)
    if page.picture is not None:
        page.moved = [_moved(asked, band, names) for band in page.picture.bands]
    page.tiles = _tiles(asked, found)
    return page


def tier_names(asked: Asked) -> dict[int, str]:
    """The tiers of the rules in force; an earlier one that somebody held keeps its number."""
    return {rank: str(tier) for rank, tier in version_in_force(asked.program.pk, asked.at).tiers.items()}


def _range(asked: Asked, days: int) -> tuple[str, str, bool]:
    span = last_days(days, day_of(asked.at))
    return _("近 %(days)s 天") % {"days": days}, query_of(asked, span.query), span == asked.span


def query_of(asked: Asked, query: str = "") -> str:
    """The address of these days, with the program where it is not the platform's."""
    program = "" if asked.program.storefront_id is None else "&" + urlencode({"program": asked.program.pk})
    return f"?{query or asked.span.query}{program}"


def _tiles(asked: Asked, flows: list) -> list[tuple[str, str, str]]:
    gini = fairness.gini_of_benefits(asked)
    up = sum(flow.members for flow in flows if flow.after > flow.before)
    down = sum(flow.members for flow in flows if flow.after < flow.before)
    given = sum((one.total for one in fairness.by_tier("benefits", asked)), Decimal(0))
    return [
        (_("权益基尼系数"), "–" if gini is None else f"{gini:.2f}", _("0 为人人相同，1 为一人独得")),
        (_("会员价优惠"), f"¥{given.quantize(CENT):,}", _("这些天里会员价省下的钱")),
        (_("升级"), f"{up:,}", _("次等级变更")),
        (_("降级"), f"{down:,}", _("次等级变更")),
    ]


def _shares(asked: Asked, names: dict[int, str]) -> Panel:
    members, got = fairness.members_by_tier(asked.program), _figures("benefits", asked)
    everybody, given = sum(members.values()), sum((one.total for one in got.values()), Decimal(0))
    rows, plain = [], []
    for rank in sorted({*names, *members, *got}):
        count, one = members.get(rank, 0), got.get(rank)
        total = one.total if one else Decimal(0)
        share, part = _percent(count, everybody), _percent(total, given)
        rows.append(
            (
                names.get(rank, str(rank)),
                _link(_members_address(asked, rank), f"{count:,}") if count else "0",
                _bar(share),
                _rows_link("benefits", asked, rank, money(total)) if one else money(total),
                _bar(part),
                money(total / count) if count else "–",
            )
        )
        plain.append((names.get(rank, str(rank)), count, share, total, part))
    columns = [_("等级"), pgettext("plural", "会员"), _("会员占比"), _("会员价优惠"), _("优惠占比"), _("人均优惠")]
    note = _("会员按现在的等级；优惠按付款时的等级。")
    return Panel("shares", _("会员与权益的分布"), note, columns, rows, columns[:-1], plain)


def _flows(asked: Asked, names: dict[int, str]) -> Panel:
    found = sorted(fairness.flows(asked), key=lambda flow: (-flow.members, flow.before, flow.after))
    rows = [
        (
            names.get(flow.before, str(flow.before)),
            names.get(flow.after, str(flow.after)),
            _link(_decisions_address(asked, flow.before, flow.after), f"{flow.members:,}"),
        )
        for flow in found
    ]
    plain = [(names.get(one.before, one.before), names.get(one.after, one.after), one.members) for one in found]
    columns = [_("原等级"), _("新等级"), _("次数")]
    return Panel("flows", _("升级与降级的流向"), "", columns, rows, columns, plain)


def _stays(asked: Asked, names: dict[int, str]) -> Panel:
    every = _figures("stays", asked)
    over = {one.rank: one for one in fairness.by_tier("stays", asked, only_over=True)}
    rows, plain = [], []
    for rank, one in every.items():
        ended = over.get(rank)
        days = _days(ended.median if ended else None)
        rows.append(
            (
                names.get(rank, str(rank)),
                days,
                f"{ended.rows if ended else 0:,}",
                _days(one.median),
                _rows_link("stays", asked, rank, f"{one.rows:,}"),
            )
        )
        plain.append((names.get(rank, str(rank)), days, ended.rows if ended else 0, _days(one.median), one.rows))
    columns = [_("等级"), _("中位停留（已结束）"), _("已结束"), _("中位停留（含进行中）"), _("全部停留")]
    return Panel("stays", _("在每一级停留多久"), _("进行中的停留计到所选时间的末尾。"), columns, rows, columns, plain)


def _newcomers(asked: Asked, names: dict[int, str]) -> Panel:
    rows, plain = [], []
    for rank, one in _figures("newcomers", asked).items():
        bought, came = _percent(one.known, one.rows), _percent(one.open, one.rows)
        hours = "–" if one.median is None else _("%(hours)s 小时") % {"hours": f"{one.median:.1f}"}
        people = _rows_link("newcomers", asked, rank, f"{one.rows:,}")
        rows.append((names.get(rank, str(rank)), people, _bar(bought), hours, _bar(came)))
        plain.append((names.get(rank, str(rank)), one.rows, bought, one.median, came))
    columns = [_("一周后的等级"), _("新会员"), _("一周内下单"), _("首单用时中位数"), _("一周内签到")]
    note = _("在所选日子加入、并已满一周的会员。")
    return Panel("newcomers", _("新会员的第一周"), note, columns, rows, columns, plain)


def _waiting(asked: Asked, names: dict[int, str]) -> Panel:
    found = _figures("waiting", asked)
    rows = [
        (
            names.get(rank, str(rank)),
            _rows_link("waiting", asked, rank, f"{one.rows:,}"),
            _seconds(one.median),
            _seconds(one.p95),
        )
        for rank, one in found.items()
    ]
    plain = [(names.get(rank, str(rank)), one.rows, one.median, one.p95) for rank, one in found.items()]
    medians = [one.median for one in found.values() if one.median is not None]
    apart = max(medians, default=Decimal(0)) - min(medians, default=Decimal(0))
    alike = apart <= ALIKE_SECONDS
    verdict = (
        _("各等级的等待时间没有差别：发货顺序只看付款先后。")
        if alike
        else _("各等级的中位等待相差 %(seconds)s，请查看订单找出原因。") % {"seconds": _seconds(apart)}
    )
    columns = [_("付款时的等级"), pgettext("plural", "订单"), _("中位等待"), _("95% 不超过")]
    note = _("自动发货的商品，从付款到发完。")
    tone = "success" if alike else "warning"
    return Panel("waiting", _("不同等级等多久"), note, columns, rows, columns, plain, tone, verdict if medians else "")


def _figures(table: str, asked: Asked) -> dict[int, Figures]:
    return {one.rank: one for one in fairness.by_tier(table, asked)}


def _moved(asked: Asked, band: Band, names: dict[int, str]) -> Moved:
    told = _("%(before)s → %(after)s：%(count)s 次") % {
        "before": names.get(band.flow.before, str(band.flow.before)),
        "after": names.get(band.flow.after, str(band.flow.after)),
        "count": f"{band.flow.members:,}",
    }
    return Moved(band, told, _decisions_address(asked, band.flow.before, band.flow.after))


# The rows behind a figure


def row_columns(table: str) -> list[str]:
    what = {
        "benefits": _("会员价优惠"),
        "waiting": _("等待"),
        "stays": _("停留"),
        "newcomers": _("首单用时"),
    }[table]
    when_ = {"stays": _("开始时间"), "newcomers": _("加入时间")}.get(table, _("支付时间"))
    return [_("等级"), _("用户"), what, when_, pgettext("plural", "订单")]


def row_title(table: str) -> str:
    titles = {
        "benefits": _("会员价优惠的订单"),
        "waiting": _("自动发货的订单"),
        "stays": _("每一段停留"),
        "newcomers": _("新会员"),
    }
    return titles[table]


def row_cells(table: str, rows: list[FairRow], asked: Asked, user: User) -> list[tuple[Any, ...]]:
    names = tier_names(asked)
    people = {one.pk: one for one in User.objects.filter(pk__in=[row.user_id for row in rows])}
    orders = {one.pk: one for one in Order.objects.filter(pk__in=[row.order_id for row in rows if row.order_id])}
    told = {"benefits": money, "waiting": _seconds, "stays": _days, "newcomers": _hours}[table]
    return [
        (
            names.get(row.rank, str(row.rank)),
            link_to(people.get(row.user_id), user),
            told(row.value),
            when(row.at),
            link_to(orders.get(row.order_id), user) or "–",
        )
        for row in rows
    ]


def _hours(value: Decimal | None) -> str:
    return _("一周内没有下单") if value is None else _("%(hours)s 小时") % {"hours": f"{value:.1f}"}


def _days(value: Decimal | None) -> str:
    return "–" if value is None else _("%(days)s 天") % {"days": f"{value:.1f}"}


def _seconds(value: Decimal | None) -> str:
    if value is None:
        return "–"
    return (
        _("%(seconds)s 秒") % {"seconds": f"{value:.1f}"}
        if value < 120
        else _("%(minutes)s 分钟") % {"minutes": f"{value / 60:.1f}"}
    )


def _percent(part: Decimal | int, whole: Decimal | int) -> Decimal:
    return (Decimal(100) * part / whole).quantize(Decimal("0.1")) if whole else Decimal("0.0")


def _bar(percent: Decimal) -> Any:
    return format_html(
        '<span class="desk-share"><progress max="100" value="{}" aria-hidden="true"></progress>{}%</span>',
        percent,
        percent,
    )


def _link(address: str, text: Any) -> Any:
    return format_html('<a class="desk-link" href="{}">{}</a>', address, text)


def _rows_link(table: str, asked: Asked, rank: int, text: Any) -> Any:
    return _link(f"{reverse('fairness_rows', args=[table])}{query_of(asked)}&rank={rank}", text)


def _members_address(asked: Asked, rank: int) -> str:
    filters = {"program__id__exact": asked.program.pk, "rank": rank}
    return f"{reverse('admin:membership_membertier_changelist')}?{urlencode(filters)}"


def _decisions_address(asked: Asked, before: int, after: int) -> str:
    filters = {
        "from_rank": before,
        "to_rank": after,
        "member__program__id__exact": asked.program.pk,
        "at_from": asked.span.first.isoformat(),
        "at_to": asked.span.last.isoformat(),
    }
    return f"{reverse('admin:membership_tierdecision_changelist')}?{urlencode(filters)}"
