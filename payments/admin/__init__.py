"""Channels to set up, attempts and notifies to read, and what payments tell on the pages of orders and members."""

from django.utils.translation import gettext_lazy as _

from common.registries import act_names, pay_names
from payments.admin import (
    attempts,
    bonuses,
    cases,
    channel_changes,
    channels,
    notifies,
    reconciliations,
    refunds,
    telling,
    top_ups,
    unclaimed,
    withdrawals,
)
from payments.models import Channel
from payments.reconciling.cases import ASSIGN as ASSIGN_CASE
from payments.reconciling.cases import CLOSE, DROP, REOPEN
from payments.reconciling.cases import CONFIRM as CONFIRM_RUN
from payments.services.held import BOOK, DISMISS, UNPAID
from payments.services.refunding import SEND_BACK, SETTLE
from payments.services.staff import ASSIGN, CONFIRM
from payments.services.top_up_refunds import REFUND

__all__ = [
    "attempts",
    "bonuses",
    "cases",
    "channel_changes",
    "channels",
    "notifies",
    "reconciliations",
    "refunds",
    "telling",
    "top_ups",
    "unclaimed",
    "withdrawals",
]

pay_names.update(Channel.Method.choices)
act_names.update(
    {
        CONFIRM: _("人工确认到账"),
        ASSIGN: _("认领款项"),
        BOOK: _("人工入账支付通知"),
        DISMISS: _("驳回支付通知"),
        UNPAID: _("登记未到账"),
        SEND_BACK: _("原路退回"),
        SETTLE: _("人工登记退款结果"),
        REFUND: _("登记充值退款"),
        CONFIRM_RUN: _("确认对账"),
        DROP: _("放弃对账"),
        ASSIGN_CASE: _("分派对账差异"),
        CLOSE: _("对账差异结案"),
        REOPEN: _("重新打开对账差异"),
        "channel.statement": _("设置账单格式"),
    }
)
