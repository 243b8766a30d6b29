"""What this room tells of an order; rooms above add their own to the same timeline."""

from collections.abc import Iterable

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.selectors import history_of
from common.registries import TimelineEntry, act_names, timelines
from orders.models import Order, OrderMove, OrderRefund
from orders.services.crediting import GIVE, PAY_OUT
from orders.services.holding import HOLD, RELEASE
from orders.services.staff import NOTE, REVEAL

act_names.update(
    {
        "order.refund": _("退款"),
        "order.deliver_by_hand": _("人工发货"),
        "order.redeliver": _("补发"),
        GIVE: _("待退款转给会员"),
        PAY_OUT: _("待退款已人工打款"),
        HOLD: _("暂缓发货"),
        RELEASE: _("放行"),
        REVEAL: _("查看卡密"),
        NOTE: _("修改内部备注"),
    }
)

# By what caused a move: how it reads, its icon, its tone.
CAUSES = {
    "placed": (_("下单"), "shopping_cart", ""),
    "wallet": (_("余额支付"), "account_balance_wallet", "success"),
    "gateway": (_("渠道支付到账"), "payments", "success"),
    "late_payment": (_("逾期到账，仍予发货"), "payments", "warning"),
    "credited": (_("款项转为余额"), "savings", "warning"),
    "cancelled": (_("取消订单"), "cancel", ""),
    "staff_cancelled": (_("取消订单"), "cancel", ""),
    "expired": (_("超时未支付，自动关闭"), "timer_off", ""),
    "redeliver": (_("补发"), "redo", "info"),
    "hold": (_("暂缓发货"), "lock", "warning"),
    "release": (_("放行"), "lock_open", "info"),
    "deliver_by_hand": (_("人工发货"), "front_hand", "info"),
    "refund": (_("退款"), "undo", "danger"),
    "refund_returned": (_("渠道已原路退回"), "check_circle", "success"),
    "refund_credited": (_("未能原路退回，转入买家账户"), "savings", "warning"),
    "disputed": (_("买家提交售后"), "report", "warning"),
    "replaced": (_("售后换新"), "autorenew", "success"),
    "credit_claimed": (_("买家领取待退款"), "savings", "success"),
    "credit_given": (_("待退款转给会员"), "savings", "warning"),
    "credit_paid_out": (_("待退款已人工打款"), "payments", "warning"),
}
# What the reason of a refund begins with that a case of after-sale made.
OF_DISPUTE = "dispute:"
DELIVERED = (_("全部发货"), "check_circle", "success")


def moves_of(order: Order, viewer: User) -> Iterable[TimelineEntry]:
    for move in order.moves.all():
        if move.cause == "refund" and (move.from_state == move.to_state or move.to_state == Order.State.REFUNDED):
            continue  # told with its lines by `refunds_of`
        yield _entry(move)


def _entry(move: OrderMove) -> TimelineEntry:
    title, icon, tone = CAUSES.get(move.cause, (move.cause, "circle", ""))
    if move.to_state == Order.State.DELIVERED and move.from_state == Order.State.PAID:
        # The note of an act is on the act's own entry, which stands before this one.
        title, icon, tone = DELIVERED
    note = move.note
    if move.cause == "redeliver" and note.isdigit():
        note = gettext("补发 %(count)s 件") % {"count": note}
    return TimelineEntry(at=move.at, title=title, icon=icon, tone=tone, detail=note, actor_id=move.actor_id)


def refunds_of(order: Order, viewer: User) -> Iterable[TimelineEntry]:
    names = {str(line.pk): str(line) for line in order.lines.all()}
    for refund in order.refunds.order_by("pk"):
        pending = [(_("状态"), refund.get_state_display())] if refund.state == OrderRefund.State.PENDING else []
        yield TimelineEntry(
            at=refund.at,
            title=gettext("退款 %(amount)s 至%(target)s")
            % {"amount": f"¥{refund.amount:,}", "target": refund.get_target_display()},
            icon="undo",
            tone="danger",
            detail=reason_of(refund),
            actor_id=refund.actor_id,
            facts=(*((names.get(pk, f"#{pk}"), money_of(amount)) for pk, amount in refund.lines.items()), *pending),
        )


def money_of(amount: str) -> str:
    return f"¥{amount}"


def reason_of(refund: OrderRefund) -> str:
    if refund.reason.startswith(OF_DISPUTE):
        return gettext("售后单 %(number)s") % {"number": refund.reason.removeprefix(OF_DISPUTE)}
    return gettext("缺货超时，自动退款") if refund.reason == "short" else refund.reason


def looks_of(order: Order, viewer: User) -> Iterable[TimelineEntry]:
    return history_of(order, but=["order.refund", "order.redeliver", GIVE, PAY_OUT])


timelines.add("orders.Order", moves_of)
timelines.add("orders.Order", refunds_of)
timelines.add("orders.Order", looks_of)
