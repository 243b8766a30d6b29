from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict, NotFound


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


class CardUnusable(Conflict):
    """No such card, not usable any more, or used by another: the answer is the same, so that guessing learns nothing."""

    code = "card_unusable"
    message = _("卡号不正确，或这张卡已不能使用")


class CardRedeemed(Conflict):
    """A card that became balance is not worth its price a second time."""

    code = "card_redeemed"
    message = _("充值卡 %(card)s 已被 %(who)s 兑换，不能换新或退款。如确需处理，请先在卡券页收回这笔余额")


class Moved(Conflict):
    """Somebody else was faster, or it is not the turn of this act."""

    code = "moved"
    message = _("状态已经变化，请刷新后再看")


class SecondPersonNeeded(Conflict):
    """More than one person may do by hand in a day; it has been asked of another."""

    code = "second_person_needed"
    message = _(
        "超过单人每日手工款项限额 ¥%(limit)s（你今天还可办理 ¥%(left)s）。"
        "已提交复核：另一名员工在“大额手工款项”里批准后，请按同样的内容再做一次"
    )


class CodesGone(Conflict):
    """The codes of a batch leave once."""

    code = "codes_gone"
    message = _("这批卡号已经导出或放入库存，不能再次取出")


class NoCredit(Conflict):
    """No line, or it is frozen."""

    code = "no_credit"
    message = _("没有可用的授信，或授信已冻结")


class CreditExhausted(Conflict):
    code = "credit_exhausted"
    message = _("授信还可使用 ¥%(left)s")


class NothingOwed(Conflict):
    code = "nothing_owed"
    message = _("没有需要归还的授信")


class BadCreditTerms(BadInput):
    code = "bad_credit_terms"
    message = _("额度不能为负，还款日为 1 到 28 日")


class CreditNotFound(NotFound):
    code = "credit_not_found"
    message = _("没有开通授信")


class ConfirmationNeeded(Conflict):
    """The member wants to say yes to payments like this one, and has not."""

    code = "confirmation_needed"
    status = 403
    message = _("你开启了余额支付验证：请在网站的订单页确认这笔付款；程序付款请先给令牌设限额")


class TokenLimit(Conflict):
    """More than the owner lets this token pay, at once or today."""

    code = "token_limit"
    status = 403
    message = _("超出这个令牌的付款限额：每笔最多 ¥%(once)s，今天还可付 ¥%(left)s")


class BadAllowance(BadInput):
    code = "bad_allowance"
    message = _("每笔和每天的限额要一起填，每天不能少于每笔")
