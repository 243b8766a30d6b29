"""The double-entry ledger. Amounts in yuan; a positive entry raises what the account is owed, entries of a transfer sum to 0.

Accounts of people (members, guests' orders) keep a cached balance that can never go below zero. The shop's own accounts
are sums of their entries, so that no row is shared by all sales. Corrections are reversals: nothing here is edited.

A part of a wallet may be `restricted`: it buys goods and leaves the shop no other way. Gifts of the shop, cards and money
on credit come in so; docs/money.md says what happens to it.
"""

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User

BALANCED = """
DECLARE
    difference numeric;
BEGIN
    SELECT COALESCE(SUM(amount), 0) INTO difference FROM wallet_entry WHERE transfer_id = NEW.transfer_id;
    IF difference <> 0 THEN
        RAISE EXCEPTION 'transfer % is out of balance by %', NEW.transfer_id, difference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_sums_to_zero';
    END IF;
    RETURN NULL;
END;
"""


class Account(models.Model):
    class Purpose(models.TextChoices):
        WALLET = "wallet", _("会员余额")
        ORDER_CREDIT = "order_credit", _("订单待退款")
        SALES = "sales", _("销售收入")
        CLEARING = "clearing", _("渠道清算")
        ADJUSTMENT = "adjustment", _("人工调整")
        UNCLAIMED = "unclaimed", _("待认领款项")
        FEES = "fees", _("代收手续费")
        PAYOUT = "payout", _("人工打款")
        REBATES = "rebates", pgettext_lazy("plural", "返利")
        REFUNDING = "refunding", _("在途退款")
        CARDS = "cards", pgettext_lazy("plural", "卡券兑付")
        BONUSES = "bonuses", pgettext_lazy("plural", "充值赠送")
        HOLD = "hold", _("提现冻结")
        RECEIVABLE = "receivable", _("授信应收")

    id = models.BigAutoField(primary_key=True)
    code = models.CharField(_("账户代码"), max_length=80, unique=True, help_text=_("例如 user:12:wallet、shop:sales"))
    purpose = models.CharField(_("用途"), max_length=20, choices=Purpose)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="ledger_accounts", verbose_name=_("用户")
    )
    # The order's id for a guest's credit; orders live on a higher floor, so this is a plain number.
    order_id = models.BigIntegerField(_("订单编号"), null=True)
    balance = models.DecimalField(_("余额"), max_digits=14, decimal_places=2, null=True)
    restricted = models.DecimalField(_("不可提现部分"), max_digits=14, decimal_places=2, default=0)
    version = models.BigIntegerField(_("版本"), default=0)

    class Meta:
        verbose_name = _("账户")
        verbose_name_plural = pgettext_lazy("plural", "账户")
        permissions = [("adjust_wallet", _("人工调整会员余额"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(balance=None) | models.Q(balance__gte=0),
                name="account_never_negative",
                violation_error_message=_("余额不足"),
            ),
            models.CheckConstraint(
                condition=models.Q(restricted=0)
                | models.Q(restricted__gt=0, balance__isnull=False, restricted__lte=models.F("balance")),
                name="account_restricted_within_balance",
                violation_error_message=_("余额不足"),
            ),
            models.CheckConstraint(
                condition=models.Q(user=None, order_id=None, balance=None)
                | models.Q(user__isnull=False, order_id=None, balance__isnull=False)
                | models.Q(user=None, order_id__isnull=False, balance__isnull=False),
                name="account_has_one_owner",
            ),
            models.UniqueConstraint(
                fields=["user", "purpose"], condition=models.Q(user__isnull=False), name="account_once_per_user"
            ),
            models.UniqueConstraint(
                fields=["order_id", "purpose"],
                condition=models.Q(order_id__isnull=False),
                name="account_once_per_order",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class TransferRef(models.Model):
    """References that were posted. Small and never partitioned, so that a transfer can happen only once."""

    ref = models.CharField(_("业务编号"), max_length=80, primary_key=True)
    transfer_id = models.BigIntegerField(_("转账编号"))

    class Meta:
        verbose_name = _("转账业务编号")
        verbose_name_plural = pgettext_lazy("plural", "转账业务编号")

    def __str__(self) -> str:
        return self.ref


class Transfer(models.Model):
    class Kind(models.TextChoices):
        TOP_UP = "top_up", _("充值")
        PAYMENT = "payment", _("支付订单")
        GATEWAY_PAYMENT = "gateway_payment", _("渠道支付订单")
        REFUND = "refund", _("退款")
        LATE_PAYMENT = "late_payment", _("逾期到账转余额")
        ADJUSTMENT = "adjustment", _("人工调整")
        UNCLAIMED = "unclaimed", _("待认领款项")
        CREDIT_CLAIMED = "credit_claimed", _("订单待退款转入余额")
        PAID_OUT = "paid_out", _("人工打款")
        ASSIGNED = "assigned", _("待认领款项转入余额")
        REBATE = "rebate", _("返利")
        CARD = "card", _("卡券兑换")
        BONUS = "bonus", _("充值赠送")
        BONUS_BACK = "bonus_back", _("收回充值赠送")
        TOP_UP_REFUND = "top_up_refund", _("充值退款")
        WITHDRAWAL = "withdrawal", _("申请提现")
        WITHDRAWAL_BACK = "withdrawal_back", _("提现退回")
        WITHDRAWN = "withdrawn", _("提现打款")
        CREDIT_DRAWN = "credit_drawn", _("授信转入余额")
        CREDIT_REPAID = "credit_repaid", _("归还授信")
        REVERSAL = "reversal", _("冲正")
        SENT_BACK = "sent_back", _("转出原路退回")
        RETURNED = "returned", _("原路退款完成")
        FELL_BACK = "fell_back", _("原路退款未成，转回")

    id = models.BigAutoField(primary_key=True)
    ref = models.CharField(_("业务编号"), max_length=80, db_index=True)
    kind = models.CharField(_("类型"), max_length=20, choices=Kind)
    at = models.DateTimeField(_("时间"), db_index=True)
    memo = models.CharField(_("说明"), max_length=200, blank=True)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)

    class Meta:
        verbose_name = _("转账")
        verbose_name_plural = pgettext_lazy("plural", "转账")
        indexes = [models.Index(fields=["memo"], condition=~models.Q(memo=""), name="transfer_memo")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.ref


class Entry(models.Model):
    id = models.BigAutoField(primary_key=True)
    transfer = models.ForeignKey(
        Transfer, on_delete=models.DO_NOTHING, db_constraint=False, related_name="entries", verbose_name=_("转账")
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="entries", db_index=False, verbose_name=_("账户")
    )
    amount = models.DecimalField(_("金额"), max_digits=14, decimal_places=2)
    balance_after = models.DecimalField(_("变动后余额"), max_digits=14, decimal_places=2, null=True)
    # How the part of the balance that cannot be withdrawn changed by this entry.
    restricted = models.DecimalField(_("其中不可提现"), max_digits=14, decimal_places=2, default=0, db_default=0)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("流水")
        verbose_name_plural = pgettext_lazy("plural", "流水")
        constraints = [models.CheckConstraint(condition=~models.Q(amount=0), name="entry_is_not_zero")]
        indexes = [models.Index(fields=["account", "-id"], name="entry_account")]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="transfer_sums_to_zero",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=BALANCED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.amount:+}"


class PayGuard(models.Model):
    """A member's wish to say yes to payments from the wallet once more. Payments of more than `above` yuan are asked about."""

    user = models.OneToOneField(
        User, on_delete=models.PROTECT, primary_key=True, related_name="pay_guard", verbose_name=_("用户")
    )
    above = models.DecimalField(_("超过多少元时验证"), max_digits=14, decimal_places=2, default=0)
    since = models.DateTimeField(_("开启时间"))

    class Meta:
        verbose_name = _("余额支付验证")
        verbose_name_plural = pgettext_lazy("plural", "余额支付验证")
        constraints = [models.CheckConstraint(condition=models.Q(above__gte=0), name="pay_guard_above_zero")]

    def __str__(self) -> str:
        return f"{self.user_id} > {self.above}"


class PayConfirmation(models.Model):
    """One yes: to the payment with this reference, of this amount. The payment uses it up."""

    class Method(models.TextChoices):
        PASSKEY = "passkey", _("通行密钥")
        CODE = "code", _("验证码")
        PASSWORD = "password", _("密码")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("用户"))
    ref = models.CharField(_("业务编号"), max_length=80, db_index=True)
    amount = models.DecimalField(_("金额"), max_digits=14, decimal_places=2)
    method = models.CharField(_("验证方式"), max_length=10, choices=Method)
    at = models.DateTimeField(_("时间"))
    used_at = models.DateTimeField(_("使用时间"), null=True)

    class Meta:
        verbose_name = _("支付确认")
        verbose_name_plural = pgettext_lazy("plural", "支付确认")

    def __str__(self) -> str:
        return self.ref
