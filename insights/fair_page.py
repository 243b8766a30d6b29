"""The fairness page: its tables and tiles, each figure with the way to the rows that it was counted over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from common.admin import money
from common.clock import day_of
from common.money import CENT
from common.registries import label_rows
from insights import fairness
from insights.fair_links import (
    bar,
    days,
    decisions_address,
    link,
    members_address,
    percent,
    query_of,
    rows_address,
    waited,
)
from insights.fairness import Asked, Figures
from insights.flows import NARROW_LABELS, NARROW_WIDTH, Band, Bar, Flow, Picture, draw_flows
from insights.spans import OFFERED_DAYS, last_days
from membership.models import Program
from membership.selectors.rules import programs_with_rules, version_in_force

# Automatic deliveries whose medians differ by no more than this are alike.
ALIKE_SECONDS = 2


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
class Tile:
    """A figure on top of the page, and the rows that it opens."""

    label: str
    figure: str
    note: str
    address: str


@dataclass(frozen=True)
class Moved:
    band: Band
    told: str
    address: str


@dataclass(frozen=True)
class Drawing:
    """The flows drawn for screens of a `kind`. Bands and bars come with the way to the decisions that they stand for."""

    kind: str
    picture: Picture
    moved: list[Moved]
    left: list[tuple[Bar, str]]
    right: list[tuple[Bar, str]]


@dataclass
class Page:
    program: Program
    programs: list[Program]
    asked: Asked
    ranges: list[tuple[str, str, bool]]
    tiles: list[Tile] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    drawings: list[Drawing] = field(default_factory=list)


def panel_makers() -> dict[str, Callable[[Asked, dict[int, str]], Panel]]:
    return {
        "shares": _shares,
        "flows": _flows,
        "stays": _stays,
        "newcomers": _newcomers,
        "waiting": _waiting,
        "by_hand": _by_hand,
    }


def fairness_page(asked: Asked) -> Page:
    names = tier_names(asked)
    page = Page(
        program=asked.program,
        programs=list(programs_with_rules().order_by("pk")),
        asked=asked,
        ranges=[_range(asked, days) for days in OFFERED_DAYS],
    )
    page.panels = [make(asked, names) for make in panel_makers().values()]
    found = fairness.flows(asked)
    wide = draw_flows(found, names)
    narrow = draw_flows(found, names, width=NARROW_WIDTH, labels=NARROW_LABELS)
    if wide is not None and narrow is not None:
        page.drawings = [_drawing("wide", wide, asked, names), _drawing("narrow", narrow, asked, names)]
    page.tiles = _tiles(asked, found)
    return page


def tier_names(asked: Asked) -> dict[int, str]:
    """The tiers of the rules in force; an earlier one that somebody held keeps its number."""
    return {rank: str(tier) for rank, tier in version_in_force(asked.program.pk, asked.at).tiers.items()}


def _range(asked: Asked, length: int) -> tuple[str, str, bool]:
    span = last_days(length, day_of(asked.at))
    return _("近 %(days)s 天") % {"days": length}, query_of(asked, span.query), span == asked.span


def _drawing(kind: str, picture: Picture, asked: Asked, names: dict[int, str]) -> Drawing:
    return Drawing(
        kind=kind,
        picture=picture,
        moved=[_moved(asked, band, names) for band in picture.bands],
        left=[(one, _ends(asked, from_rank=one.rank)) for one in picture.left],
        right=[(one, _ends(asked, to_rank=one.rank)) for one in picture.right],
    )


def _ends(asked: Asked, **rank: int) -> str:
    return decisions_address(asked, direction="moved", **rank)


def _tiles(asked: Asked, flows: list[Flow]) -> list[Tile]:
    gini = fairness.gini_of_benefits(asked)
    up = sum(flow.members for flow in flows if flow.after > flow.before)
    down = sum(flow.members for flow in flows if flow.after < flow.before)
    given = sum((one.total for one in fairness.by_tier("benefits", asked)), Decimal(0))
    return [
        Tile(
            _("权益基尼系数"),
            "–" if gini is None else f"{gini:.2f}",
            _("按会员价优惠算：0 为人人相同，1 为一人独得"),
            rows_address("members", asked),
        ),
        Tile(
            _("会员价优惠"),
            f"¥{given.quantize(CENT):,}",
            _("这些天里会员价省下的钱"),
            rows_address("benefits", asked),
        ),
        Tile(_("升级"), f"{up:,}", _("次等级变更"), decisions_address(asked, direction="up")),
        Tile(_("降级"), f"{down:,}", _("次等级变更"), decisions_address(asked, direction="down")),
    ]


def _shares(asked: Asked, names: dict[int, str]) -> Panel:
    members, got = fairness.members_by_tier(asked.program), _figures("benefits", asked)
    everybody, given = sum(members.values()), sum((one.total for one in got.values()), Decimal(0))
    rows, plain = [], []
    for rank in sorted({*names, *members, *got}):
        count, one = members.get(rank, 0), got.get(rank)
        total = one.total if one else Decimal(0)
        share, part = percent(count, everybody), percent(total, given)
        people, orders = members_address(asked, rank), rows_address("benefits", asked, rank)
        rows.append(
            (
                names.get(rank, str(rank)),
                link(people, f"{count:,}"),
                link(people, bar(share)),
                link(orders, money(total)),
                link(orders, bar(part)),
                link(orders, money(total / count)) if count else "–",
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
            link(decisions_address(asked, from_rank=flow.before, to_rank=flow.after), f"{flow.members:,}"),
        )
        for flow in found
    ]
    plain = [(names.get(one.before, one.before), names.get(one.after, one.after), one.members) for one in found]
    columns = [_("原等级"), _("新等级"), _("次数")]
    return Panel("flows", _("升级与降级的流向"), "", columns, rows, columns, plain)


def _stays(asked: Asked, names: dict[int, str]) -> Panel:
    over = _figures("stays", asked, only="over")
    rows, plain = [], []
    for rank, one in _figures("stays", asked).items():
        ended = over.get(rank)
        count, middle = ended.rows if ended else 0, ended.median if ended else None
        every, closed = rows_address("stays", asked, rank), rows_address("stays", asked, rank, "over")
        rows.append(
            (
                names.get(rank, str(rank)),
                link(closed, days(middle)),
                link(closed, f"{count:,}"),
                link(every, days(one.median)),
                link(every, f"{one.rows:,}"),
            )
        )
        plain.append((names.get(rank, str(rank)), days(middle), count, days(one.median), one.rows))
    columns = [_("等级"), _("中位停留（已结束）"), _("已结束"), _("中位停留（含进行中）"), _("全部停留")]
    return Panel("stays", _("在每一级停留多久"), _("进行中的停留计到所选时间的末尾。"), columns, rows, columns, plain)


def _newcomers(asked: Asked, names: dict[int, str]) -> Panel:
    rows, plain = [], []
    for rank, one in _figures("newcomers", asked).items():
        bought, came = percent(one.known, one.rows), percent(one.open, one.rows)
        taken = "–" if one.median is None else _("%(hours)s 小时") % {"hours": f"{one.median:.1f}"}
        buyers = rows_address("newcomers", asked, rank, "known")
        rows.append(
            (
                names.get(rank, str(rank)),
                link(rows_address("newcomers", asked, rank), f"{one.rows:,}"),
                link(buyers, bar(bought)),
                link(buyers, taken),
                link(rows_address("newcomers", asked, rank, "open"), bar(came)),
            )
        )
        plain.append((names.get(rank, str(rank)), one.rows, bought, one.median, came))
    columns = [_("一周后的等级"), _("新会员"), _("一周内下单"), _("首单用时中位数"), _("一周内签到")]
    note = _("在所选日子加入、并已满一周的会员。")
    return Panel("newcomers", _("新会员的第一周"), note, columns, rows, columns, plain)


def _waiting(asked: Asked, names: dict[int, str]) -> Panel:
    found, late = _figures("waiting", asked), _figures("waiting", asked, only="open")
    rows, plain = [], []
    for rank, one in found.items():
        short = late.get(rank)
        every, waits = rows_address("waiting", asked, rank), rows_address("waiting", asked, rank, "open")
        at_once = percent(one.rows - one.open, one.rows)
        rows.append(
            (
                names.get(rank, str(rank)),
                link(every, f"{one.rows:,}"),
                link(rows_address("waiting", asked, rank, "over"), bar(at_once)),
                link(every, waited(one.median)),
                link(waits, f"{one.open:,}"),
                link(waits, waited(short.median)) if short else "–",
            )
        )
        late_median = short.median if short else None
        plain.append((names.get(rank, str(rank)), one.rows, at_once, one.median, one.open, late_median))
    columns = [
        _("付款时的等级"),
        pgettext("plural", "订单"),
        _("付款即发"),
        _("中位等待"),
        _("缺货补发"),
        _("补发的中位等待"),
    ]
    note = _("自动发货的商品，从付款到发完。有货时付款和发货是同一步，等待就是 0；只有缺货补发的才要等。")
    tone, verdict = _told_apart(found)
    return Panel("waiting", _("不同等级等多久"), note, columns, rows, columns, plain, tone, verdict)


def _told_apart(found: dict[int, Figures]) -> tuple[str, str]:
    """Whether automatic deliveries treat tiers alike: tone and sentence; nothing where nothing was delivered."""
    medians = [one.median for one in found.values() if one.median is not None]
    if not medians:
        return "", ""
    apart = max(medians) - min(medians)
    if apart <= ALIKE_SECONDS:
        return "success", _("各等级的等待时间没有差别：发货顺序只看付款先后。")
    return "warning", _("各等级的中位等待相差 %(seconds)s，请查看订单找出原因。") % {"seconds": waited(apart)}


def _by_hand(asked: Asked, names: dict[int, str]) -> Panel:
    rows, plain = [], []
    for rank, one in _figures("by_hand", asked).items():
        every = rows_address("by_hand", asked, rank)
        rows.append(
            (
                names.get(rank, str(rank)),
                link(every, f"{one.rows:,}"),
                link(every, waited(one.median)),
                link(every, waited(one.p95)),
            )
        )
        plain.append((names.get(rank, str(rank)), one.rows, one.median, one.p95))
    columns = [_("付款时的等级"), pgettext("plural", "订单"), _("中位等待"), _("95% 不超过")]
    note = _("直充和人工发货的商品，从付款到员工办完。")
    return Panel("by_hand", _("人工处理要等多久"), note, columns, rows, columns, plain)


def _figures(table: str, asked: Asked, only: str = "") -> dict[int, Figures]:
    return {one.rank: one for one in fairness.by_tier(table, asked, only=only)}


def _moved(asked: Asked, band: Band, names: dict[int, str]) -> Moved:
    told = _("%(before)s → %(after)s：%(count)s 次") % {
        "before": names.get(band.flow.before, str(band.flow.before)),
        "after": names.get(band.flow.after, str(band.flow.after)),
        "count": f"{band.flow.members:,}",
    }
    return Moved(band, told, decisions_address(asked, from_rank=band.flow.before, to_rank=band.flow.after))
