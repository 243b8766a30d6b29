"""The operator's board: what each figure is called, who may see it, and the list that it opens.

A figure's address filters its list to exactly the rows that were counted; tests/insights holds each to that.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Model
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
from common.texts import listed
from events.models import Delivery
from events.selectors import parked_count, silence_of
from insights.charts import Chart, Point, draw
from insights.periods import LENGTHS, Period
from insights.selectors import board as selectors
from insights.tiles import (
    Table,
    Tile,
    between,
    days_of,
    length_name,
    list_of,
    minutes_long,
    paid_rate,
    product_link,
    tile,
    todo,
    two_lines,
)
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
    lengths = [(days, length_name(days), days == period.days) for days in LENGTHS]
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
    placed = days_of("placed_at", period)
    board.business += [
        tile("orders", pgettext("plural", "订单"), flow.placed, list_of("orders_order", **placed), period),
        tile(
            "income", _("收入"), selectors.income(period), list_of("orders_order", **days_of("paid_at", period)), period
        ),
        paid_rate(flow, list_of("orders_order", **placed, money="paid"), period),
        tile(
            "refunds",
            pgettext("plural", "退款"),
            selectors.refunded(period),
            list_of("orders_orderrefund", **days_of("at", period)),
            period,
            more_is_good=False,
        ),
    ]
    waiting = selectors.waiting(period.at)
    line_list = {state: list_of("orders_orderline", state__exact=state) for state in ("queued", "short", "held")}
    board.todo += [
        todo("stuck", _("卡单"), waiting.stuck, list_of("orders_order", waiting="stuck"), _("付款超过 30 分钟未发完")),
        todo("queued", _("待人工发货"), waiting.queued, line_list["queued"], _("件商品等待员工"), "warning"),
        todo("short", _("缺货待补"), waiting.short, line_list["short"], _("已付款，库存不足")),
    ]
    if waiting.held:
        board.todo.append(todo("held", _("暂缓发货"), waiting.held, line_list["held"], _("待放行"), "warning"))
    _chart(board)
    board.tables += [_stuck_table(period.at, user), _sellers_table(period, user)]


def _disputes(board: Board, user: User) -> None:
    late, waiting = overdue_disputes(board.period.at).count(), waiting_disputes().count()
    board.todo += [
        todo(
            "disputes", _("待处理售后"), waiting, list_of("orders_dispute", turn="desk"), _("买家在等答复"), "warning"
        ),
        todo("late_disputes", _("超时售后"), late, list_of("orders_dispute", turn="overdue"), _("已过裁定时限")),
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
        address = "" if hourly else list_of("orders_order", **between("paid_at", local.date(), local.date()))
        points.append(Point(label, bar.amount, bar.before, told, address))
    board.chart = draw(points)
    board.chart_total = money(sum((bar.amount for bar in bars), Decimal("0.00")))


def _stuck_table(at: datetime, user: User) -> Table:
    rows = [
        (
            two_lines(link_to(order, user, order.number), listed(line.product_title for line in order.lines.all())),
            money(order.total),
            minutes_long(int((at - order.paid_at).total_seconds() // 60)),
        )
        for order in stuck_orders(at).prefetch_related("lines")[:SHOWN]
    ]
    return Table(
        title=_("等得最久的订单"),
        columns=[_("订单"), _("金额"), _("已等待")],
        rows=rows,
        empty=_("没有卡单，买家都拿到货了。"),
        address=list_of("orders_order", waiting="stuck"),
    )


def _sellers_table(period: Period, user: User) -> Table:
    may = user.has_perm("catalog.view_product")
    rows = [
        (
            product_link(seller.product_id, seller.name) if may else seller.name,
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
        address=list_of("orders_order", **days_of("paid_at", period)),
    )


def _people(board: Board, user: User) -> None:
    address = list_of("accounts_user", **days_of("date_joined", board.period))
    figure = selectors.registrations(board.period)
    board.business.append(tile("registrations", _("新注册"), figure, address, board.period))


def _tiers(board: Board, user: User) -> None:
    flow, days = selectors.tier_flow(board.period), days_of("at", board.period)
    for key, label, figure in (("up", _("升级"), flow.up), ("down", _("降级"), flow.down)):
        address = list_of("membership_tierdecision", direction=key, **days)
        rise = key == "up"
        board.business.append(tile(f"tiers_{key}", label, figure, address, board.period, more_is_good=rise))


def _stock(board: Board, user: User) -> None:
    low, address = low_stock(), list_of("catalog_sku", stock="low")
    board.todo.append(todo("low_stock", _("低库存"), low.count(), address, _("个规格低于提醒线"), "warning"))
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
    address = list_of("catalog_review", state__exact="pending")
    count = pending_reviews().order_by().count()
    board.todo.append(todo("reviews", _("待审核评价"), count, address, _("条评价等待审核"), "warning"))


def _attempts(board: Board, user: User) -> None:
    address = list_of("payments_paymentattempt", needs="parked")
    count = parked_attempts().count()
    board.todo.append(todo("unknown", _("结果未知的支付"), count, address, _("渠道没有答复，需人工核对")))


def _notifies(board: Board, user: User) -> None:
    address = list_of("payments_notifylog", needs="held")
    count = held_notifies(board.period.at).count()
    if count:
        board.todo.append(todo("notifies", _("待核对的支付通知"), count, address, _("有签名而未入账，需人工核对")))


def _refunds(board: Board, user: User) -> None:
    address = list_of("payments_refund", needs="parked")
    count = parked_refunds().count()
    board.todo.append(todo("refunds", _("结果未知的退款"), count, address, _("渠道没有给出结果，需人工核对")))


def _cases(board: Board, user: User) -> None:
    address = list_of("payments_reconciliationcase", work="live")
    board.todo.append(todo("cases", _("对账差异"), live_cases().count(), address, _("处差异等待处理")))


def _deliveries(board: Board, user: User) -> None:
    address = list_of("events_delivery", state__exact="parked")
    board.todo.append(todo("parked", _("搁置的事件"), parked_count(), address, _("多次失败，等人重试")))


def _differences(board: Board, user: User) -> None:
    address, count = list_of("membership_difference", state="open"), open_differences().count()
    board.todo.append(todo("differences", _("等级差异"), count, address, _("位会员与重算结果不一致，等人核对")))


def _exports(board: Board, user: User) -> None:
    count = board.approvals[EXPORT]
    if count:
        address = list_of("catalog_keyexport", approval__state__exact="asked")
        board.todo.append(todo("key_exports", _("待复核的卡密导出"), count, address, _("有人申请导出卡密明文")))


def _by_hand(board: Board, user: User) -> None:
    count = board.approvals[BY_HAND]
    if count:
        address = list_of("wallet_byhandapproval", state__exact="asked")
        board.todo.append(todo("by_hand", _("待复核的大额手工款项"), count, address, _("超过单人每日限额")))


def _channels(board: Board, user: User) -> None:
    count = board.approvals[CHANNEL]
    if count:
        address = list_of("payments_channelchange", approval__state__exact="asked")
        board.todo.append(todo("channel_changes", _("待复核的渠道变更"), count, address, _("批准之后才会生效")))


def _chain(board: Board, user: User) -> None:
    count = alarming_checks().count()
    if count:
        address = list_of("audit_chaincheck", alarm="1")
        board.todo.append(todo("audit_chain", _("审计链"), count, address, _("次核对发现审计记录可能被改动")))


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


def _worker(at: datetime) -> tuple[str, str]:
    """(tone, words) about the background work."""
    silence = silence_of("worker", at=at)
    if silence is None:
        return "warning", _("后台任务还没有运行过")
    if silence.total_seconds() > SILENT_AFTER_SECONDS:
        return "danger", _("后台任务已停止 %(time)s") % {"time": minutes_long(int(silence.total_seconds() // 60))}
    return "success", _("后台任务正常")
