from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict


class InsufficientBalance(Conflict):
    code = "insufficient_balance"
    message = _("余额不足，请先充值或选择其他支付方式")


class ReferenceReused(Conflict):
    """A transfer with this reference exists and says something else."""

    code = "reference_reused"
    message = _("同一业务编号的转账内容不一致")


class BadTransfer(BadInput):
    code = "bad_transfer"
    message = _("转账金额不正确")


class ReasonNeeded(BadInput):
    code = "reason_needed"
    message = _("请填写原因")


class ConfirmationNeeded(Conflict):
    """The member wants to say yes to payments like this one, and has not."""

    code = "confirmation_needed"
    status = 403
    message = _("你开启了余额支付验证，请在订单页确认这笔付款")
