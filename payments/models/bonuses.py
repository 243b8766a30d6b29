"""What the shop gives on top of a top-up (充值赠送), and top-ups that were given back."""

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.texts import in_language
from payments.models.paying import TopUp


class BonusRule(models.Model):
    """From which amount how much is given, when and to whom. Of several that fit, the one that gives most counts."""

    class Kind(models.TextChoices):
        AMOUNT = "amount", _("固定金额")
        RATE = "rate", _("按比例")

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    from_amount = models.DecimalField(_("单笔充值满"), max_digits=12, decimal_places=2)
    kind = models.CharField(_("赠送方式"), max_length=10, choices=Kind, default=Kind.AMOUNT)
    amount = models.DecimalField(_("赠送金额"), max_digits=12, decimal_places=2, null=True, blank=True)
    rate = models.DecimalField(
        _("赠送比例"), max_digits=5, decimal_places=4, null=True, blank=True, help_text=_("例如 0.05 表示 5%")
    )
    cap = models.DecimalField(
        _("最多赠送"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("按比例时的封顶金额，留空不封顶"),
    )
    starts_at = models.DateTimeField(_("开始时间"))
    ends_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    per_member = models.PositiveSmallIntegerField(_("每人次数"), null=True, blank=True, help_text=_("留空不限"))
    min_rank = models.PositiveSmallIntegerField(
        _("最低等级序号"), null=True, blank=True, help_text=_("会员等级的序号不低于它才赠送，留空表示所有会员")
    )
    group = models.ForeignKey(
        Group,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("限定会员组"),
        help_text=_("留空表示所有会员"),
    )
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("充值赠送")
        verbose_name_plural = pgettext_lazy("plural", "充值赠送")
        ordering = ["from_amount", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(from_amount__gt=0),
                name="bonus_rule_from_amount",
                violation_error_message=_("单笔充值金额必须大于零"),
            ),
            models.CheckConstraint(
                condition=Q(kind="amount", amount__isnull=False, amount__gt=0, rate=None, cap=None)
                | Q(
                    Q(kind="rate", rate__isnull=False, rate__gt=0, rate__lte=1, amount=None), Q(cap=None) | Q(cap__gt=0)
                ),
                name="bonus_rule_has_its_value",
                violation_error_message=_("固定金额填“赠送金额”；按比例填 0 到 1 之间的“赠送比例”，可加“最多赠送”"),
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="bonus_rule_window",
                violation_error_message=_("结束时间要晚于开始时间"),
            ),
            models.CheckConstraint(
                condition=Q(per_member=None) | Q(per_member__gte=1),
                name="bonus_rule_per_member",
                violation_error_message=_("每人次数至少为 1，或留空"),
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)

    @property
    def percent(self) -> str:
        """The rate as people say it: 5 or 2.5."""
        return f"{(self.rate or 0) * 100:f}".rstrip("0").rstrip(".")


class BonusGrant(models.Model):
    """What was given for one top-up. `number` counts the member's grants by this rule, which makes its limit unique."""

    id = models.BigAutoField(primary_key=True)
    top_up = models.OneToOneField(TopUp, on_delete=models.PROTECT, related_name="grant", verbose_name=_("充值单"))
    rule = models.ForeignKey(
        BonusRule, on_delete=models.PROTECT, related_name="grants", db_index=False, verbose_name=_("充值赠送")
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("用户"))
    number = models.PositiveIntegerField(_("第几次"))
    amount = models.DecimalField(_("赠送金额"), max_digits=12, decimal_places=2)
    taken_back = models.DecimalField(_("已收回"), max_digits=12, decimal_places=2, default=0)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("赠送记录")
        verbose_name_plural = pgettext_lazy("plural", "赠送记录")
        constraints = [
            models.UniqueConstraint(fields=["rule", "user", "number"], name="bonus_number_once_per_member"),
            models.CheckConstraint(
                condition=Q(amount__gt=0, taken_back__gte=0, taken_back__lte=F("amount")),
                name="bonus_taken_back_within_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"¥{self.amount}"


class TopUpRefund(models.Model):
    """Money of a top-up that staff gave back outside the shop; `bonus` is what went back with it."""

    id = models.BigAutoField(primary_key=True)
    ref = models.CharField(_("业务编号"), max_length=80, unique=True)
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("充值单"))
    amount = models.DecimalField(_("退款金额"), max_digits=12, decimal_places=2)
    bonus = models.DecimalField(_("收回赠送"), max_digits=12, decimal_places=2, default=0)
    reason = models.CharField(_("原因"), max_length=200)
    actor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("操作者"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("充值退款")
        verbose_name_plural = pgettext_lazy("plural", "充值退款")
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0, bonus__gte=0), name="top_up_refund_positive"),
        ]

    def __str__(self) -> str:
        return f"¥{self.amount}"
