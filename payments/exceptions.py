from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, NotFound
from wallet.exceptions import ConfirmationNeeded


class ChangeWaits(Conflict):
    """A second person looks at the channel as it is to be: it does not become another meanwhile."""

    code = "change_waits"
    message = _("这个渠道有一项变更正在等待复核；请先在“渠道变更”里批准、拒绝或撤回")


class ChannelMoved(Conflict):
    """The channel is not any more what it was when a change of it was asked for."""

    code = "channel_moved"
    message = _("渠道在申请之后已经变动，这项变更不再适用；请拒绝后重新申请")


class AttemptNotFound(NotFound):
    code = "payment_not_found"
    message = _("没有找到这笔支付")


class NotPayable(Conflict):
    """Paid already, closed, or past its deadline."""

    code = "not_payable"
    message = _("已支付或已过支付时间，请查看最新状态")


class MethodUnavailable(Conflict):
    code = "method_unavailable"
    message = _("该支付方式现在不可用，请换一种")


class GatewayRefused(Conflict):
    """The gateway said no; nothing was created there."""

    code = "gateway_refused"
    message = _("支付渠道拒绝了请求，请换一种支付方式")


class GatewaySilent(Conflict):
    """No clear answer of the gateway came: the payment may exist there, and is asked for again under the same number."""

    code = "gateway_silent"
    status = 503
    message = _("支付渠道没有明确答复，请再试一次或换一种支付方式")


class AlreadyAssigned(Conflict):
    code = "already_assigned"
    message = _("这笔款项已经认领，或正在原路退回")


class TransactionTaken(Conflict):
    """A gateway's transaction that was booked already, for something else."""

    code = "transaction_taken"
    message = _("这笔渠道流水已用于另一笔支付")


class NotifyDecided(Conflict):
    code = "notify_decided"
    message = _("这条通知已经处理过，请刷新后再看")


class WaitsForNobody(Conflict):
    """Paid by now, closed, or still being asked about."""

    code = "not_parked"
    message = _("这笔支付现在不需要人工处理，请刷新后再看")


class NotReturnable(Conflict):
    """More than this attempt brought in and is not spent, or a gateway that takes nothing back."""

    code = "not_returnable"
    message = _("这笔支付最多还能原路退回 ¥%(left)s")


class RefundSettled(Conflict):
    code = "refund_settled"
    message = _("这笔退款已有结果，或正在发送，请刷新后再看")


class BadTopUpAmount(BadInput):
    code = "bad_top_up_amount"
    message = _("充值金额须在 ¥%(min)s 到 ¥%(max)s 之间")


class TooManyTopUps(Conflict):
    code = "too_many_top_ups"
    status = 429
    message = _("待支付的充值太多，请先完成支付或稍后再试")


class FactsNeeded(BadInput):
    code = "reason_needed"
    message = _("请填写渠道流水号、金额和原因")


class MoreThanAsked(BadInput):
    """Staff cannot confirm more than was to be paid."""

    code = "more_than_asked"
    message = _("最多确认应收的 ¥%(asked)s；多付的部分请在渠道后台退回付款人")


class RefundTooLarge(BadInput):
    code = "refund_too_large"
    message = _("最多还能退 ¥%(left)s")


class RefUsed(Conflict):
    code = "ref_used"
    message = _("这次提交已用于另一笔退款，请重新打开页面再试")


class WithdrawalNotFound(NotFound):
    code = "withdrawal_not_found"
    message = _("没有找到这笔提现")


class WithdrawalsClosed(Conflict):
    code = "withdrawals_closed"
    message = _("本店暂不开放提现")


class NoPayoutAccount(Conflict):
    code = "no_payout_account"
    message = _("请先添加收款账号，核实通过后才能提现")


class Cooling(Conflict):
    """Too soon after the password or the payout account was changed."""

    code = "cooling"
    message = _("修改密码或收款账号后的冷静期内不能提现，请在 %(until)s 之后再试")


class BadWithdrawalAmount(BadInput):
    code = "bad_withdrawal_amount"
    message = _("提现金额须在 ¥%(min)s 到 ¥%(max)s 之间")


class NotWithdrawable(Conflict):
    """Less than that can be withdrawn now."""

    code = "not_withdrawable"
    message = _("现在最多可提现 ¥%(left)s")


class WithdrawalLimit(Conflict):
    """The limit of the day or the month."""

    code = "withdrawal_limit"
    message = _("超出每日或每月提现上限，现在还可以提现 ¥%(left)s")


class WithdrawalMoved(Conflict):
    """Somebody else was faster, or it is not the turn of this act."""

    code = "withdrawal_moved"
    message = _("状态已经变化，请刷新后再看")


class WithdrawalUnconfirmed(ConfirmationNeeded):
    """The member wants to be asked before money leaves the wallet, and whoever asks here cannot be."""

    message = _("你开启了余额支付验证，请在网站的提现页申请这笔提现")


class PayoutStopped(Conflict):
    """Since it was asked for, the account was refused or replaced, or the member was blocked."""

    code = "payout_stopped"
    message = _("收款账号已被拒绝或更换，或会员已被停用：请退回这笔提现")


class BadPayoutAccount(BadInput):
    code = "bad_payout_account"
    message = _("请填写真实姓名和正确的收款账号")
