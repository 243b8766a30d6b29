"""Credit lines (授信): money lent to a member's wallet up to a limit, and paid back by a day of the next month.

What is owed stands on a receivable account of the shop, so that no wallet is ever negative. A limit that is lowered takes
nothing back: `used` may lie above it, and nothing more is lent until it does not.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.constraints import apart


class CreditLine(models.Model):
    class State(models.TextChoices):
        ACTIVE = "active", _("正常")
        OVERDUE = "overdue", _("逾期冻结")
        FROZEN = "frozen", _("人工冻结")

    MOVES = {
        State.ACTIVE: {State.OVERDUE, State.FROZEN},
        State.OVERDUE: {State.ACTIVE, State.FROZEN},
        State.FROZEN: {State.ACTIVE, State.OVERDUE},
    }

    id = models.BigAutoField(primary_key=True)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="credit_line", verbose_name=_("用户"))
    limit = models.DecimalField(_("额度"), max_digits=12, decimal_places=2)
    due_day = models.PositiveSmallIntegerField(_("还款日"), help_text=_("本月用掉的，下个月这一天前还清"))
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.ACTIVE)
    used = models.DecimalField(_("已用"), max_digits=12, decimal_places=2, default=0)
    auto_use = models.BooleanField(_("余额不足时自动使用"), default=False)
    # The due day of which the member was warned last.
    warned_for = models.DateField(_("已提醒的还款日"), null=True)
    created_at = models.DateTimeField(_("开通时间"))

    class Meta:
        verbose_name = _("授信")
        verbose_name_plural = pgettext_lazy("plural", "授信")
        permissions = [
            ("propose_credit", _("提交授信额度")),
            ("approve_credit", _("审批授信额度")),
            ("freeze_credit", _("冻结和解冻授信")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(limit__gte=0, used__gte=0), name="credit_not_negative"),
            models.CheckConstraint(condition=Q(due_day__gte=1, due_day__lte=28), name="credit_due_day"),
        ]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def free(self):
        """What may still be used, in yuan."""
        return max(self.limit - self.used, 0) if self.state == self.State.ACTIVE else 0


class CreditTerms(models.Model):
    """A limit and a due day that one member of staff asks for and another grants."""

    class State(models.TextChoices):
        WAITING = "waiting", _("待审批")
        GRANTED = "granted", _("已批准")
        REFUSED = "refused", _("已驳回")

    MOVES = {State.WAITING: {State.GRANTED, State.REFUSED}, State.GRANTED: set(), State.REFUSED: set()}

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("会员"))
    limit = models.DecimalField(_("额度"), max_digits=12, decimal_places=2)
    due_day = models.PositiveSmallIntegerField(_("还款日"))
    reason = models.CharField(_("原因"), max_length=200)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.WAITING)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("提交人"))
    asked_at = models.DateTimeField(_("提交时间"))
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("审批人")
    )
    decided_at = models.DateTimeField(_("审批时间"), null=True)

    class Meta:
        verbose_name = _("授信审批")
        verbose_name_plural = pgettext_lazy("plural", "授信审批")
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(state="waiting"), name="credit_terms_one_waiting"),
            models.CheckConstraint(
                condition=Q(limit__gte=0, due_day__gte=1, due_day__lte=28), name="credit_terms_range"
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_by=None, decided_at=None)
                | Q(
                    apart("decided_by", "asked_by"),
                    apart("decided_by", "user"),
                    state__in=["granted", "refused"],
                    decided_at__isnull=False,
                ),
                name="credit_terms_second_person",
                violation_error_message=_("审批人不能是提交人或会员本人"),
            ),
            models.CheckConstraint(condition=apart("asked_by", "user"), name="credit_terms_not_ones_own"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ¥{self.limit}"


class CreditDraw(models.Model):
    """Money that was lent; what is paid back goes to the oldest first."""

    id = models.BigAutoField(primary_key=True)
    line = models.ForeignKey(
        CreditLine, on_delete=models.PROTECT, related_name="draws", db_index=False, verbose_name=_("授信")
    )
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    repaid = models.DecimalField(_("已还"), max_digits=12, decimal_places=2, default=0)
    at = models.DateTimeField(_("时间"))
    due_on = models.DateField(_("最后还款日"))
    memo = models.CharField(_("说明"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("授信使用")
        verbose_name_plural = pgettext_lazy("plural", "授信使用")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, repaid__gte=0, repaid__lte=F("amount")), name="credit_draw_repaid_within"
            )
        ]
        indexes = [
            models.Index(fields=["line", "-id"], name="credit_draw_line"),
            models.Index(fields=["due_on"], condition=Q(repaid__lt=F("amount")), name="credit_draw_open"),
        ]

    def __str__(self) -> str:
        return f"¥{self.amount}"

    @property
    def left(self):
        return self.amount - self.repaid


class CreditRepayment(models.Model):
    id = models.BigAutoField(primary_key=True)
    line = models.ForeignKey(CreditLine, on_delete=models.PROTECT, related_name="repayments", verbose_name=_("授信"))
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("授信还款")
        verbose_name_plural = pgettext_lazy("plural", "授信还款")
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="credit_repayment_positive")]

    def __str__(self) -> str:
        return f"¥{self.amount}"


class CreditMove(models.Model):
    """One change of a line's state or limit."""

    id = models.BigAutoField(primary_key=True)
    line = models.ForeignKey(CreditLine, on_delete=models.PROTECT, related_name="moves", verbose_name=_("授信"))
    from_state = models.CharField(_("原状态"), max_length=10, choices=CreditLine.State, blank=True)
    to_state = models.CharField(_("新状态"), max_length=10, choices=CreditLine.State)
    limit = models.DecimalField(_("额度"), max_digits=12, decimal_places=2)
    at = models.DateTimeField(_("时间"))
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    note = models.CharField(_("备注"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("授信状态记录")
        verbose_name_plural = pgettext_lazy("plural", "授信状态记录")

    def __str__(self) -> str:
        return f"{self.line_id}: {self.to_state}"
