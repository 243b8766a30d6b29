"""The operator's board: what each figure is called, who may see it, and the list that it opens.

A figure's address filters its list to exactly the rows that were counted; tests/insights holds each to that.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import User
from audit.models import ChainCheck
from audit.selectors import alarming_checks, open_approvals
from catalog.models import KeyExport, Review, Sku
from catalog.selectors import low_stock, pending_reviews
from catalog.services.exporting import KIND as EXPORT
from common.admin import link_to, money
from common.clock import SHANGHAI
from common.registries import label_rows
from common.texts import listed
from events.models import Delivery
from events.selectors import parked_count, silence_of
from insights.charts import Chart, Point, draw
from insights.periods import LENGTHS, Period
from insights.selectors import board as selectors
from insights.selectors.board import Figure
from membership.models import Difference, TierDecision
from membership.selectors import open_differences
from orders.models import Dispute, Order
from orders.selectors import overdue_disputes, stuck_orders, waiting_disputes
from payments.models import ChannelChange, NotifyLog, PaymentAttempt, ReconciliationCase, Refund
from payments.selectors import held_notifies, live_cases, parked_attempts, parked_refunds
from payments.services.channel_changes import KIND as CHANNEL
from wallet.models import ByHandApproval
from wallet.services.hands import KIND as BY_HAND

SHOWN = 5
# A worker reports every minute; silence longer than this means that nothing runs in the background.
SILENT_AFTER_SECONDS = 180


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


@dataclass
class Board:
    period: Period
    lengths: list[tuple[int, str, bool]]
    business: list[Tile] = field(default_factory=list)
    todo: list[Tile] = field(default_factory=list)
    chart: Chart | None = None
    chart_total: Any = ""
    tables: list[Table] = field(default_factory=list)
    worker: tuple[str, str] = ("", "")

    @property
    def is_empty(self) -> bool:
        return not (self.business or self.todo)

    @cached_property
    def approvals(self) -> Counter[str]:
        """What waits for a second person, by kind."""
        return open_approvals(at=self.period.at)


def board_for(user: User, period: Period) -> Board:
    """Everything on the board that `user` may see."""
    lengths = [(days, _length_name(days), days == period.days) for days in LENGTHS]
    board = Board(period=period, lengths=lengths)
    for model, fill in PARTS:
        if _may_open(model, user):
            fill(board, user)
    if not board.is_empty:
        board.worker = _worker(period.at)
    return board


def _orders(board: Board, user: User) -> None:
    period = board.period
    flow = selectors.order_flow(period)
    placed = _days("placed_at", period)
    board.business += [
        _tile("orders", pgettext("plural", "订单"), flow.placed, _list("orders_order", **placed), period),
        _tile("income", _("收入"), selectors.income(period), _list("orders_order", **_days("paid_at", period)), period),
        _paid_rate(flow, _list("orders_order", **placed, money="paid"), period),
        _tile(
            "refunds",
            pgettext("plural", "退款"),
            selectors.refunded(period),
            _list("orders_orderrefund", **_days("at", period)),
            period,
            more_is_good=False,
        ),
    ]
    waiting = selectors.waiting(period.at)
    line_list = {state: _list("orders_orderline", state__exact=state) for state in ("queued", "short", "held")}
    board.todo += [
        _todo("stuck", _("卡单"), waiting.stuck, _list("orders_order", waiting="stuck"), _("付款超过 30 分钟未发完")),
        _todo("queued", _("待人工发货"), waiting.queued, line_list["queued"], _("件商品等待员工"), "warning"),
        _todo("short", _("缺货待补"), waiting.short, line_list["short"], _("已付款，库存不足")),
    ]
    if waiting.held:
        board.todo.append(_todo("held", _("暂缓发货"), waiting.held, line_list["held"], _("待放行"), "warning"))
    _chart(board)
    board.tables += [_stuck_table(period.at, user), _sellers_table(period, user)]


def _disputes(board: Board, user: User) -> None:
    late, waiting = overdue_disputes(board.period.at).count(), waiting_disputes().count()
    board.todo += [
        _todo("disputes", _("待处理售后"), waiting, _list("orders_dispute", turn="desk"), _("买家在等答复"), "warning"),
        _todo("late_disputes", _("超时售后"), late, _list("orders_dispute", turn="overdue"), _("已过裁定时限")),
    ]


def _chart(board: Board) -> None:
    bars = selectors.income_bars(board.period)
    hourly = board.period.days == 1
    points = []
    for bar in bars:
        local = bar.start.astimezone(SHANGHAI)
        label = f"{local:%H}" if hourly else f"{local.month}/{local.day}"
        told = _("%(when)s：¥%(amount)s，%(orders)s 单") % {
            "when": f"{local:%H:00}" if hourly else f"{local:%F}",
            "amount": f"{bar.amount:,}",
            "orders": bar.orders,
        }
        address = "" if hourly else _list("orders_order", **_between("paid_at", local.date(), local.date()))
        points.append(Point(label, bar.amount, bar.before, told, address))
    board.chart = draw(points)
    board.chart_total = money(sum((bar.amount for bar in bars), Decimal("0.00")))


def _stuck_table(at: datetime, user: User) -> Table:
    rows = [
        (
            _two_lines(link_to(order, user, order.number), listed(line.product_title for line in order.lines.all())),
            money(order.total),
            _minutes(int((at - order.paid_at).total_seconds() // 60)),
        )
        for order in stuck_orders(at).prefetch_related("lines")[:SHOWN]
    ]
    return Table(
        title=_("等得最久的订单"),
        columns=[_("订单"), _("金额"), _("已等待")],
        rows=rows,
        empty=_("没有卡单，买家都拿到货了。"),
        address=_list("orders_order", waiting="stuck"),
    )


def _sellers_table(period: Period, user: User) -> Table:
    may = user.has_perm("catalog.view_product")
    rows = [
        (
            _product_link(seller.product_id, seller.name) if may else seller.name,
            f"{seller.pieces:,}",
            money(seller.amount),
        )
        for seller in selectors.best_sellers(period, limit=SHOWN)
    ]
    return Table(
        title=_("热销商品"),
        columns=[_("商品"), _("售出"), _("金额")],
        rows=rows,
        empty=_("这段时间还没有付款的订单。"),
        address=_list("orders_order", **_days("paid_at", period)),
    )


def _people(board: Board, user: User) -> None:
    address = _list("accounts_user", **_days("date_joined", board.period))
    figure = selectors.registrations(board.period)
    board.business.append(_tile("registrations", _("新注册"), figure, address, board.period))


def _tiers(board: Board, user: User) -> None:
    flow, days = selectors.tier_flow(board.period), _days("at", board.period)
    for key, label, figure in (("up", _("升级"), flow.up), ("down", _("降级"), flow.down)):
        address = _list("membership_tierdecision", direction=key, **days)
        rise = key == "up"
        board.business.append(_tile(f"tiers_{key}", label, figure, address, board.period, more_is_good=rise))


def _stock(board: Board, user: User) -> None:
    low, address = low_stock(), _list("catalog_sku", stock="low")
    board.todo.append(_todo("low_stock", _("低库存"), low.count(), address, _("个规格低于提醒线"), "warning"))
    rows = [
        (link_to(sku, user, f"{sku.product} · {sku}"), f"{_available(sku):,}", f"{sku.low_stock_at:,}")
        for sku in low[:SHOWN]
    ]
    board.tables.append(
        Table(
            title=_("最缺货的规格"),
            columns=[_("规格"), _("可售"), _("提醒线")],
            rows=rows,
            empty=_("库存都在提醒线以上。"),
            address=address,
        )
    )


def _available(sku: Sku) -> int:
    """Pieces by the sheet of figures; none where no sheet was ever written."""
    return sku.figure.available if hasattr(sku, "figure") else 0


def _reviews(board: Board, user: User) -> None:
    address = _list("catalog_review", state__exact="pending")
    count = pending_reviews().order_by().count()
    board.todo.append(_todo("reviews", _("待审核评价"), count, address, _("条评价等待审核"), "warning"))


def _attempts(board: Board, user: User) -> None:
    address = _list("payments_paymentattempt", needs="parked")
    count = parked_attempts().count()
    board.todo.append(_todo("unknown", _("结果未知的支付"), count, address, _("渠道没有答复，需人工核对")))


def _notifies(board: Board, user: User) -> None:
    address = _list("payments_notifylog", needs="held")
    count = held_notifies(board.period.at).count()
    if count:
        board.todo.append(_todo("notifies", _("待核对的支付通知"), count, address, _("有签名而未入账，需人工核对")))


def _refunds(board: Board, user: User) -> None:
    address = _list("payments_refund", needs="parked")
    count = parked_refunds().count()
    board.todo.append(_todo("refunds", _("结果未知的退款"), count, address, _("渠道没有给出结果，需人工核对")))


def _cases(board: Board, user: User) -> None:
    address = _list("payments_reconciliationcase", work="live")
    board.todo.append(_todo("cases", _("对账差异"), live_cases().count(), address, _("处差异等待处理")))


def _deliveries(board: Board, user: User) -> None:
    address = _list("events_delivery", state__exact="parked")
    board.todo.append(_todo("parked", _("搁置的事件"), parked_count(), address, _("多次失败，等人重试")))


def _differences(board: Board, user: User) -> None:
    address, count = _list("membership_difference", state="open"), open_differences().count()
    board.todo.append(_todo("differences", _("等级差异"), count, address, _("位会员与重算结果不一致，等人核对")))


def _exports(board: Board, user: User) -> None:
    count = board.approvals[EXPORT]
    if count:
        address = _list("catalog_keyexport", approval__state__exact="asked")
        board.todo.append(_todo("key_exports", _("待复核的卡密导出"), count, address, _("有人申请导出卡密明文")))


def _by_hand(board: Board, user: User) -> None:
    count = board.approvals[BY_HAND]
    if count:
        address = _list("wallet_byhandapproval", state__exact="asked")
        board.todo.append(_todo("by_hand", _("待复核的大额手工款项"), count, address, _("超过单人每日限额")))


def _channels(board: Board, user: User) -> None:
    count = board.approvals[CHANNEL]
    if count:
        address = _list("payments_channelchange", approval__state__exact="asked")
        board.todo.append(_todo("channel_changes", _("待复核的渠道变更"), count, address, _("批准之后才会生效")))


def _chain(board: Board, user: User) -> None:
    count = alarming_checks().count()
    if count:
        address = _list("audit_chaincheck", alarm="1")
        board.todo.append(_todo("audit_chain", _("审计链"), count, address, _("次核对发现审计记录可能被改动")))


# Who sees what: whoever may open the list sees its figures.
PARTS: list[tuple[type[Model], Callable[[Board, User], None]]] = [
    (Order, _orders),
    (Dispute, _disputes),
    (User, _people),
    (TierDecision, _tiers),
    (Difference, _differences),
    (Sku, _stock),
    (Review, _reviews),
    (PaymentAttempt, _attempts),
    (NotifyLog, _notifies),
    (Refund, _refunds),
    (ReconciliationCase, _cases),
    (Delivery, _deliveries),
    (KeyExport, _exports),
    (ByHandApproval, _by_hand),
    (ChannelChange, _channels),
    (ChainCheck, _chain),
]


def _may_open(model: type[Model], user: User) -> bool:
    meta = model._meta
    return user.has_perm(f"{meta.app_label}.view_{meta.model_name}")


def _tile(key: str, label: str, figure: Figure, address: str, period: Period, *, more_is_good: bool = True) -> Tile:
    is_money = isinstance(figure.now, Decimal)
    shown = money(figure.now) if is_money else f"{figure.now:,}"
    before = f"¥{figure.before:,}" if is_money else f"{figure.before:,}"
    change, rises = _change(figure)
    note = _before_name(period) % {"value": before}
    good = None if rises is None else rises == more_is_good
    return Tile(key, label, figure.now, shown, address, note, change, good)


def _paid_rate(flow: selectors.OrderFlow, address: str, period: Period) -> Tile:
    note = _("%(placed)s 单中 %(paid)s 单已付款") % {"placed": f"{flow.placed.now:,}", "paid": f"{flow.paid.now:,}"}
    rate, before = _rate(flow.paid.now, flow.placed.now), _rate(flow.paid.before, flow.placed.before)
    change = "" if rate is None or before is None else f"{rate - before:+.1f}".replace("-", "−") + _(" 个百分点")
    rises = None if not change or rate == before else rate > before
    shown = "–" if rate is None else f"{rate:.1f}%"
    return Tile("paid_rate", _("付款率"), flow.paid.now, shown, address, note, change, rises)


def _todo(key: str, label: str, count: int, address: str, note: str, tone: str = "danger") -> Tile:
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


def _length_name(days: int) -> str:
    return _("今日") if days == 1 else _("近 %(days)s 天") % {"days": days}


def _minutes(minutes: int) -> str:
    if minutes < 120:
        return _("%(count)s 分钟") % {"count": minutes}
    if minutes < 48 * 60:
        return _("%(count)s 小时") % {"count": minutes // 60}
    return _("%(count)s 天") % {"count": minutes // (24 * 60)}


def _worker(at: datetime) -> tuple[str, str]:
    """(tone, words) about the background work."""
    silence = silence_of("worker", at=at)
    if silence is None:
        return "warning", _("后台任务还没有运行过")
    if silence.total_seconds() > SILENT_AFTER_SECONDS:
        return "danger", _("后台任务已停止 %(time)s") % {"time": _minutes(int(silence.total_seconds() // 60))}
    return "success", _("后台任务正常")


def _two_lines(first: Any, second: str):
    return format_html('{}<br><span class="desk-sub">{}</span>', first, second)


def _product_link(product_id: int, name: str):
    return format_html(
        '<a class="desk-link" href="{}">{}</a>', reverse("admin:catalog_product_change", args=[product_id]), name
    )


def _list(model: str, **filters: Any) -> str:
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(filters)}"


def _days(field: str, period: Period) -> dict[str, str]:
    return _between(field, period.first, period.last)


def _between(field: str, first: date, last: date) -> dict[str, str]:
    return {f"{field}_from": first.isoformat(), f"{field}_to": last.isoformat()}
