"""Words and colours of states."""

from decimal import Decimal

from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from common.admin import chip
from common.registries import pay_names
from orders.models import Dispute, Order, OrderLine, OrderRefund
from orders.services.paying import WALLET

pay_names[WALLET] = _("余额")

ORDER_TONES = {
    Order.State.UNPAID: "neutral",
    Order.State.PAID: "warning",
    Order.State.DELIVERED: "success",
    Order.State.EXPIRED: "neutral",
    Order.State.CANCELLED: "neutral",
    Order.State.REFUNDED: "danger",
}
LINE_TONES = {
    OrderLine.State.WAITING: "neutral",
    OrderLine.State.CLOSED: "neutral",
    OrderLine.State.QUEUED: "info",
    OrderLine.State.HELD: "warning",
    OrderLine.State.SHORT: "danger",
    OrderLine.State.DELIVERED: "success",
    OrderLine.State.REFUNDED: "danger",
}
DISPUTE_TONES = {
    Dispute.State.SELLER: "info",
    Dispute.State.OPERATOR: "warning",
    Dispute.State.RESTOCK: "info",
    Dispute.State.DECIDED: "success",
    Dispute.State.APPEALED: "warning",
    Dispute.State.CLOSED: "neutral",
    Dispute.State.WITHDRAWN: "neutral",
}

REFUND_TONES = {
    OrderRefund.State.PENDING: "info",
    OrderRefund.State.DONE: "success",
    OrderRefund.State.FAILED: "warning",
}


def refund_chip(refund: OrderRefund) -> SafeString:
    return chip(refund.get_state_display(), REFUND_TONES[OrderRefund.State(refund.state)])


def order_chip(order: Order) -> SafeString:
    return chip(order.get_state_display(), ORDER_TONES[Order.State(order.state)])


def line_chip(line: OrderLine) -> SafeString:
    return chip(line.get_state_display(), LINE_TONES[OrderLine.State(line.state)])


def dispute_chip(dispute: Dispute) -> SafeString:
    return chip(dispute.get_state_display(), DISPUTE_TONES[Dispute.State(dispute.state)])


def priority_chip(priority: Decimal | None) -> SafeString | str:
    """The buyer's place in the service queue, by their tier. It changes who is answered first, never who gets goods first."""
    return chip(_("优先 %(priority)d") % {"priority": priority}, "vip") if priority else "–"


def paid_with(order: Order) -> str:
    return str(pay_names.get(order.paid_with, order.paid_with)) or "–"
