"""Withdrawals (提现): where the money shall go, what was asked for, and every step until it is there or back.

Four eyes: one person approves, another pays; neither is the member. The database holds it.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.constraints import apart
from common.ids import public_id


class PayoutAccount(models.Model):
    """Where a member's withdrawals go. Name and number are sealed; lists show the hint. A change is a new row."""

    class Kind(models.TextChoices):
        ALIPAY = "alipay", _("支付宝")
        WECHAT = "wechat", _("微信")
        BANK = "bank", _("银行卡")

    class State(models.TextChoices):
        WAITING = "waiting", _("待核实")
        VERIFIED = "verified", _("已核实")
        REFUSED = "refused", _("未通过")
        REMOVED = "removed", _("已移除")

    MOVES = {
        State.WAITING: {State.VERIFIED, State.REFUSED, State.REMOVED},
        State.VERIFIED: {State.REMOVED, State.REFUSED},
        State.REFUSED: set(),
        State.REMOVED: set(),
    }
    LIVE = (State.WAITING, State.VERIFIED)

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="payout_accounts", verbose_name=_("用户"))
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    sealed = models.TextField(_("密文"), editable=False)
    hint = models.CharField(_("账号"), max_length=40)
    # Tells the same account under several members, and nothing else.
    digest = models.BinaryField(_("摘要"), max_length=32, editable=False, db_index=True)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(_("添加时间"))
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("核实人")
    )
    decided_at = models.DateTimeField(_("核实时间"), null=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("收款账号")
        verbose_name_plural = pgettext_lazy("plural", "收款账号")
        permissions = [("verify_payout", _("核实收款账号")), ("reveal_payout", _("查看完整收款账号"))]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state__in=["waiting", "verified"]), name="payout_account_one_live"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | apart("decided_by", "user"),
                name="payout_account_verified_by_another",
                violation_error_message=_("不能核实自己的收款账号"),
            ),
            models.CheckConstraint(
                condition=~Q(state="verified") | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="payout_account_verified_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.hint}"


class Withdrawal(models.Model):
    class State(models.TextChoices):
        ASKED = "asked", _("待审核")
        APPROVED = "approved", _("待打款")
        PAID = "paid", _("已打款")
        REJECTED = "rejected", _("已退回")
        CANCELLED = "cancelled", _("已取消")

    MOVES = {
        State.ASKED: {State.APPROVED, State.REJECTED, State.CANCELLED},
        State.APPROVED: {State.PAID, State.REJECTED},
        State.PAID: set(),
        State.REJECTED: set(),
        State.CANCELLED: set(),
    }
    OPEN = (State.ASKED, State.APPROVED)

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    number = models.CharField(_("提现单号"), max_length=32, unique=True)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="withdrawals", db_index=False, verbose_name=_("用户")
    )
    account = models.ForeignKey(
        PayoutAccount, on_delete=models.PROTECT, related_name="withdrawals", verbose_name=_("收款账号")
    )
    amount = models.DecimalField(_("提现金额"), max_digits=12, decimal_places=2)
    fee = models.DecimalField(_("手续费"), max_digits=12, decimal_places=2, default=0)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.ASKED)
    asked_at = models.DateTimeField(_("申请时间"))
    approved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("审核人")
    )
    approved_at = models.DateTimeField(_("审核时间"), null=True)
    paid_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("打款人"))
    paid_at = models.DateTimeField(_("打款时间"), null=True)
    proof = models.CharField(_("打款凭证号"), max_length=100, blank=True)
    reason = models.CharField(_("退回原因"), max_length=200, blank=True)
    closed_at = models.DateTimeField(_("结束时间"), null=True)

    class Meta:
        verbose_name = _("提现")
        verbose_name_plural = pgettext_lazy("plural", "提现")
        ordering = ["-id"]
        permissions = [
            ("approve_withdrawal", _("审核提现")),
            ("pay_withdrawal", _("确认提现打款")),
            ("reject_withdrawal", _("退回提现")),
            ("export_withdrawal", _("导出提现")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(fee__gte=0, amount__gt=F("fee")), name="withdrawal_amount_over_fee"),
            models.CheckConstraint(
                condition=Q(paid_by=None) | apart("paid_by", "approved_by"),
                name="withdrawal_four_eyes",
                violation_error_message=_("审核和打款要由两名不同的员工完成"),
            ),
            models.CheckConstraint(
                condition=Q(
                    Q(approved_by=None) | apart("approved_by", "user"), Q(paid_by=None) | apart("paid_by", "user")
                ),
                name="withdrawal_not_by_its_member",
                violation_error_message=_("不能处理自己的提现"),
            ),
            models.CheckConstraint(
                condition=Q(~Q(proof=""), state="paid", paid_by__isnull=False, paid_at__isnull=False)
                | Q(~Q(state="paid"), paid_by=None, paid_at=None, proof=""),
                name="withdrawal_paid_has_proof",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="withdrawal_approved_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "approved"], closed_at=None)
                | Q(state__in=["paid", "rejected", "cancelled"], closed_at__isnull=False),
                name="withdrawal_closed_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="withdrawal_user"),
            models.Index(fields=["id"], condition=Q(state__in=["asked", "approved"]), name="withdrawal_open"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def net(self):
        """What arrives, in yuan."""
        return self.amount - self.fee


class WithdrawalMove(models.Model):
    """One change of a withdrawal's state."""

    id = models.BigAutoField(primary_key=True)
    withdrawal = models.ForeignKey(Withdrawal, on_delete=models.PROTECT, related_name="moves", verbose_name=_("提现"))
    from_state = models.CharField(_("原状态"), max_length=10, choices=Withdrawal.State, blank=True)
    to_state = models.CharField(_("新状态"), max_length=10, choices=Withdrawal.State)
    at = models.DateTimeField(_("时间"))
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    note = models.CharField(_("备注"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("提现状态记录")
        verbose_name_plural = pgettext_lazy("plural", "提现状态记录")

    def __str__(self) -> str:
        return f"{self.withdrawal_id}: {self.to_state}"


class WithdrawalRules(models.Model):
    """What the operator sets about withdrawals. One row, which a migration makes."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    is_open = models.BooleanField(_("开放提现"), default=False)
    minimum = models.DecimalField(_("单笔最低"), max_digits=12, decimal_places=2, default=10)
    maximum = models.DecimalField(_("单笔最高"), max_digits=12, decimal_places=2, default=20000)
    daily = models.DecimalField(_("每日上限"), max_digits=12, decimal_places=2, default=20000)
    monthly = models.DecimalField(_("每月上限"), max_digits=12, decimal_places=2, default=100000)
    fee_rate = models.DecimalField(
        _("手续费率"), max_digits=5, decimal_places=4, default=0, help_text=_("例如 0.01 表示 1%")
    )
    fee_min = models.DecimalField(_("最低手续费"), max_digits=8, decimal_places=2, default=0)
    fee_max = models.DecimalField(
        _("最高手续费"), max_digits=8, decimal_places=2, null=True, blank=True, help_text=_("留空不封顶")
    )
    cooling_hours = models.PositiveSmallIntegerField(
        _("冷静期（小时）"), default=24, help_text=_("修改密码或更换收款账号之后这么久内不能提现")
    )
    top_up_days = models.PositiveSmallIntegerField(
        _("充值锁定（天）"),
        default=7,
        help_text=_("最近这么多天内充值或经支付渠道转入余额的金额不能提现，0 表示不锁定"),
    )

    class Meta:
        verbose_name = _("提现规则")
        verbose_name_plural = pgettext_lazy("plural", "提现规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="withdrawal_rules_one_row"),
            models.CheckConstraint(
                condition=Q(minimum__gt=0, maximum__gte=F("minimum")),
                name="withdrawal_rules_range",
                violation_error_message=_("单笔最高不能低于单笔最低"),
            ),
            models.CheckConstraint(
                condition=Q(fee_rate__gte=0, fee_rate__lt=1, fee_min__gte=0)
                & (Q(fee_max=None) | Q(fee_max__gte=F("fee_min"))),
                name="withdrawal_rules_fee",
                violation_error_message=_("手续费率在 0 到 1 之间，最高手续费不能低于最低手续费"),
            ),
            models.CheckConstraint(
                condition=Q(minimum__gt=F("fee_min")),
                name="withdrawal_rules_minimum_over_fee",
                violation_error_message=_("单笔最低要大于最低手续费"),
            ),
            models.CheckConstraint(
                condition=Q(daily__gte=F("minimum"), monthly__gte=F("daily")),
                name="withdrawal_rules_limits",
                violation_error_message=_("每日上限不低于单笔最低，每月上限不低于每日上限"),
            ),
        ]

    def __str__(self) -> str:
        return str(_("提现规则"))

    @property
    def percent(self) -> str:
        """The rate as people say it: 1 or 0.5."""
        return f"{self.fee_rate * 100:f}".rstrip("0").rstrip(".") or "0"
