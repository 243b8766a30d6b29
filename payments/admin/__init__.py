"""Channels to set up, attempts and notifies to read, and what payments tell on the pages of orders and members."""

from django.utils.translation import gettext_lazy as _

from common.registries import act_names, pay_names
from payments.admin import attempts, cases, channels, notifies, reconciliations, telling, top_ups, unclaimed
from payments.models import Channel
from payments.reconciling.cases import ASSIGN as ASSIGN_CASE
from payments.reconciling.cases import CLOSE, DROP, REOPEN
from payments.reconciling.cases import CONFIRM as CONFIRM_RUN
from payments.services.staff import ASSIGN, CONFIRM

__all__ = ["attempts", "cases", "channels", "notifies", "reconciliations", "telling", "top_ups", "unclaimed"]

pay_names.update(Channel.Method.choices)
act_names.update({CONFIRM: _("人工确认到账"), ASSIGN: _("认领款项")})
act_names.update(
    {
        CONFIRM_RUN: _("确认对账"),
        DROP: _("放弃对账"),
        ASSIGN_CASE: _("分派对账差异"),
        CLOSE: _("对账差异结案"),
        REOPEN: _("重新打开对账差异"),
        "channel.statement": _("设置账单格式"),
    }
)
