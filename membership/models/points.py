"""Points: earned by acts, spent on coupons and passes, gone after their time. They buy things and never a tier.

The ledger is append-only. Points are earned in lots, each with its last moment; whoever spends draws on the lots that end
first. Balance and lots are kept beside the entries and follow them in one transaction. Points are a person's, whatever
storefront they came through.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.texts import in_language

MAX_MEMO = 200


class PointsAccount(models.Model):
    """What a person has. Whatever moves points locks this row first.

    `owed` was taken back after it had been spent; what is earned next pays it first, so that a balance is never negative.
    """

    user = models.OneToOneField(
        User, on_delete=models.PROTECT, primary_key=True, related_name="points", verbose_name=_("用户")
    )
    balance = models.PositiveIntegerField(_("积分"), default=0)
    owed = models.PositiveIntegerField(_("待扣回"), default=0)

    class Meta:
        verbose_name = _("积分账户")
        verbose_name_plural = pgettext_lazy("plural", "积分账户")
        permissions = [("adjust_points", _("人工调整积分"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(balance__gte=0, owed__gte=0),
                name="points_never_negative",
                violation_error_message=_("积分不足"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.user)


class PointsRef(models.Model):
    """References that were booked. Small and never partitioned. No entry: a cap left nothing of it."""

    ref = models.CharField(_("业务编号"), max_length=80, primary_key=True)
    entry_id = models.BigIntegerField(_("流水编号"), null=True)
    account = models.ForeignKey(
        PointsAccount, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("积分账户")
    )

    class Meta:
        verbose_name = _("积分业务编号")
        verbose_name_plural = pgettext_lazy("plural", "积分业务编号")

    def __str__(self) -> str:
        return self.ref


class PointsEntry(models.Model):
    class Kind(models.TextChoices):
        EARN = "earn", _("获得")
        SPEND = "spend", _("使用")
        EXPIRE = "expire", _("过期")
        REVERSAL = "reversal", _("冲回")
        SETTLE = "settle", _("扣回所欠")
        ADJUST = "adjust", _("人工调整")

    class Cause(models.TextChoices):
        CHECK_IN = "check_in", _("每日签到")
        STREAK = "streak", _("连续签到奖励")
        TASK = "task", _("任务奖励")
        INVITE = "invite", _("邀请奖励")
        INVITED = "invited", _("受邀奖励")
        FEEDBACK = "feedback", _("反馈采纳")
        BACK = "back", _("消费返积分")
        GIFT = "gift", _("会员礼物")
        COUPON = "coupon", _("兑换优惠券")
        PASS = "pass", _("兑换升级券")
        ORDER = "order", _("订单抵扣")
        EXPIRY = "expiry", _("积分过期")
        TAKEN_BACK = "taken_back", _("奖励收回")
        RETURNED = "returned", _("积分退回")
        ADJUSTMENT = "adjustment", _("人工调整")

    id = models.BigAutoField(primary_key=True)
    ref = models.CharField(_("业务编号"), max_length=80, db_index=True)
    account = models.ForeignKey(
        PointsAccount, on_delete=models.PROTECT, related_name="entries", db_index=False, verbose_name=_("积分账户")
    )
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    cause = models.CharField(_("事由"), max_length=12, choices=Cause)
    amount = models.IntegerField(_("积分"))
    # Of a reversal: what had been spent and stays owed.
    short = models.PositiveIntegerField(_("未能收回"), default=0)
    balance_after = models.PositiveIntegerField(_("变动后积分"))
    # The reference of the entry that this one takes back, in whole or in part.
    reverses = models.CharField(_("冲回"), max_length=80, blank=True)
    memo = models.CharField(_("说明"), max_length=MAX_MEMO, blank=True)
    memo_en = models.CharField(_("英文说明"), max_length=MAX_MEMO, blank=True)
    at = models.DateTimeField(_("时间"))
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)

    class Meta:
        verbose_name = _("积分流水")
        verbose_name_plural = pgettext_lazy("plural", "积分流水")
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="earn", amount__gt=0)
                | Q(kind__in=["spend", "expire", "settle"], amount__lt=0)
                | Q(Q(kind="adjust"), ~Q(amount=0))
                | Q(Q(kind="reversal"), ~Q(amount=0) | Q(short__gt=0)),
                name="points_entry_has_its_sign",
            ),
            models.CheckConstraint(condition=Q(short=0) | Q(kind="reversal"), name="points_short_is_of_a_reversal"),
            models.CheckConstraint(
                condition=Q(~Q(kind="reversal"), reverses="") | Q(Q(kind="reversal"), ~Q(reverses="")),
                name="points_reversal_says_of_what",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="points_entry_account"),
            models.Index(fields=["account", "at"], name="points_entry_time"),
            models.Index(fields=["account", "reverses"], condition=~Q(reverses=""), name="points_entry_reverses"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.ref} {self.amount:+}"

    @property
    def told(self) -> str:
        """What the points were for, in the reader's language."""
        return in_language(self.memo, self.memo_en)


class PointsLot(models.Model):
    """Points that were earned together and end together. `entry_id` is the entry that brought them."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(
        PointsAccount, on_delete=models.PROTECT, related_name="lots", db_index=False, verbose_name=_("积分账户")
    )
    entry_id = models.BigIntegerField(_("流水编号"), db_index=True)
    amount = models.PositiveIntegerField(_("积分"))
    left = models.PositiveIntegerField(_("剩余"))
    expires_at = models.DateTimeField(_("到期时间"))

    class Meta:
        verbose_name = _("积分批次")
        verbose_name_plural = pgettext_lazy("plural", "积分批次")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, left__gte=0, left__lte=F("amount")), name="points_lot_within_amount"
            )
        ]
        indexes = [
            models.Index(fields=["account", "expires_at", "id"], condition=Q(left__gt=0), name="points_lot_open"),
            models.Index(fields=["expires_at"], condition=Q(left__gt=0), name="points_lot_due"),
        ]

    def __str__(self) -> str:
        return f"{self.left}/{self.amount}"


class PointsDraw(models.Model):
    """What an entry took from a lot. Append-only; what comes back comes as a lot of its own."""

    id = models.BigAutoField(primary_key=True)
    entry_id = models.BigIntegerField(_("流水编号"), db_index=True)
    lot = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="draws", verbose_name=_("积分批次"))
    amount = models.PositiveIntegerField(_("积分"))

    class Meta:
        verbose_name = _("积分扣减")
        verbose_name_plural = pgettext_lazy("plural", "积分扣减")
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="points_draw_takes_something")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.lot_id} -{self.amount}"


class EarningRules(models.Model):
    """What the operator sets about earning. One row, which a migration makes."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    points_months = models.PositiveSmallIntegerField(
        _("积分有效期（月）"), default=12, help_text=_("从获得的当月月底起算，到期当天零点失效")
    )
    daily_points = models.PositiveIntegerField(
        _("每日积分上限"), default=200, help_text=_("签到和任务合计；0 表示不限")
    )
    weekly_points = models.PositiveIntegerField(
        _("每周积分上限"), default=800, help_text=_("签到和任务合计；0 表示不限")
    )

    quiet_days = models.PositiveSmallIntegerField(
        _("低频会员"), default=4, help_text=_("30 天里活跃不超过这么多天的老会员算低频会员")
    )
    invite_days = models.PositiveSmallIntegerField(
        _("好友活跃天数"), default=30, help_text=_("好友在这么多个不同的日子活跃过，双方得到奖励")
    )
    inviter_points = models.PositiveSmallIntegerField(
        _("邀请人奖励"), default=200, help_text=_("100 到 500；同样多计入贡献值")
    )
    invitee_points = models.PositiveSmallIntegerField(_("受邀人奖励"), default=100, help_text=_("最多 500"))
    invites_a_month = models.PositiveSmallIntegerField(
        _("每月奖励邀请数"), default=20, help_text=_("超出的好友仍计入邀请人数，不再发积分")
    )
    feedback_a_month = models.PositiveSmallIntegerField(_("每月奖励反馈数"), default=5)

    class Meta:
        verbose_name = _("积分规则")
        verbose_name_plural = pgettext_lazy("plural", "积分规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="earning_rules_one_row"),
            models.CheckConstraint(
                condition=Q(inviter_points__gte=100, inviter_points__lte=500),
                name="earning_inviter_points",
                violation_error_message=_("邀请人奖励须为 100 到 500"),
            ),
            models.CheckConstraint(
                condition=Q(invitee_points__lte=500),
                name="earning_invitee_points",
                violation_error_message=_("受邀人奖励最多 500"),
            ),
            models.CheckConstraint(
                condition=Q(invite_days__gte=1, invite_days__lte=365),
                name="earning_invite_days",
                violation_error_message=_("好友活跃天数须为 1 到 365"),
            ),
            models.CheckConstraint(
                condition=Q(quiet_days__lte=29),
                name="earning_quiet_days",
                violation_error_message=_("低频会员的活跃天数须少于 30"),
            ),
            models.CheckConstraint(
                condition=Q(points_months__gte=1, points_months__lte=60),
                name="earning_points_months",
                violation_error_message=_("积分有效期须为 1 到 60 个月"),
            ),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)
