"""Win-back (挽回): members who stay away, why as far as it is known, what was done about it, and whether it worked.

A spell begins when a member has not been seen or has not ordered for some days, and ends when neither is true any more.
What is done is done once in a spell. A share of the members is never written to and shows what would have happened anyway.
"""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from catalog.models import Sku
from marketing.models import Coupon, CouponTemplate

ONLY_ID = 1


class WinBackPlan(models.Model):
    """One row: when members count as away, and what is offered to them."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ID, editable=False)
    is_active = models.BooleanField(_("启用"), default=False)
    quiet_days = models.PositiveSmallIntegerField(_("多少天没来"), default=7)
    no_order_days = models.PositiveSmallIntegerField(_("多少天没下单"), default=30)
    coupon = models.ForeignKey(
        CouponTemplate,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("补货券"),
        help_text=_("因缺货离开的会员，货到后连同通知一起送；留空只发通知"),
    )
    control_percent = models.PositiveSmallIntegerField(
        _("对照组（%）"), default=10, help_text=_("这部分会员什么也不发，用来比较效果")
    )
    watch_days = models.PositiveSmallIntegerField(
        _("观察天数"), default=14, help_text=_("标记后这些天内下单算回来；满了天数才计入效果")
    )
    rest_days = models.PositiveSmallIntegerField(_("两次联系至少相隔（天）"), default=30)
    most_per_night = models.PositiveIntegerField(_("每晚最多联系"), default=1000)

    class Meta:
        verbose_name = _("流失挽回")
        verbose_name_plural = pgettext_lazy("plural", "流失挽回")
        constraints = [
            models.CheckConstraint(condition=Q(id=ONLY_ID), name="win_back_plan_only_one"),
            models.CheckConstraint(
                condition=Q(quiet_days__gte=1, no_order_days__gte=1, watch_days__gte=1),
                name="win_back_plan_days",
                violation_error_message=_("天数至少为 1"),
            ),
            models.CheckConstraint(
                condition=Q(control_percent__gte=1, control_percent__lte=50),
                name="win_back_plan_control",
                violation_error_message=_("对照组填 1 到 50；没有对照就看不出效果"),
            ),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class Spell(models.Model):
    """One time away of one member. `reason` is what their orders say, `stated` what they say themselves."""

    class Reason(models.TextChoices):
        STOCK = "stock", _("缺货")
        HARD = "hard", _("操作复杂")
        PRICE = "price", _("价格不合适")
        OTHER = "other", _("其他")
        UNKNOWN = "unknown", _("不清楚")

    class Group(models.TextChoices):
        TREATED = "treated", _("联系组")
        CONTROL = "control", _("对照组")
        LEFT_OUT = "left_out", _("不参与（已关闭这类消息）")

    class Action(models.TextChoices):
        NONE = "", _("尚未联系")
        RESTOCK = "restock", _("补货通知")
        GUIDE = "guide", _("三步教程")
        ASK = "ask", _("询问原因")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("会员"))
    flagged_at = models.DateTimeField(_("标记时间"), db_index=True)
    quiet = models.BooleanField(_("久未来访"))
    no_order = models.BooleanField(_("久未下单"))
    last_seen = models.DateField(_("最近来访"))
    last_order = models.DateField(_("最近下单"), null=True)
    reason = models.CharField(_("推断的原因"), max_length=10, choices=Reason)
    sku = models.ForeignKey(
        Sku, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("缺的规格")
    )
    stated = models.CharField(_("会员说的原因"), max_length=10, choices=Reason, blank=True)
    stated_at = models.DateTimeField(_("说明时间"), null=True)
    group = models.CharField(_("分组"), max_length=10, choices=Group)
    action = models.CharField(_("已做"), max_length=10, choices=Action, blank=True)
    acted_at = models.DateTimeField(_("联系时间"), null=True)
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("会员优惠券")
    )
    ordered_at = models.DateTimeField(_("再次下单"), null=True)
    ended_at = models.DateTimeField(_("结束时间"), null=True)

    class Meta:
        verbose_name = _("流失会员")
        verbose_name_plural = pgettext_lazy("plural", "流失会员")
        permissions = [("export_spell", _("导出流失会员"))]
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(ended_at=None), name="spell_one_open"),
            models.CheckConstraint(condition=Q(quiet=True) | Q(no_order=True), name="spell_has_a_sign"),
            models.CheckConstraint(
                condition=Q(action="", acted_at=None, coupon=None)
                | Q(~Q(action=""), group="treated", acted_at__isnull=False),
                name="spell_only_the_treated_are_written_to",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("flagged_at")), name="spell_ends_after_it_begins"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-flagged_at"], name="spell_by_user"),
            models.Index(fields=["id"], condition=Q(ended_at=None, group="treated"), name="spell_to_act_on"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.flagged_at:%Y-%m-%d}"

    @property
    def known_reason(self) -> str:
        """What the member says goes before what was inferred."""
        return self.stated or self.reason


class WinBackChoice(models.Model):
    """A member does not want such messages. No row: they may come."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="+", verbose_name=_("会员")
    )
    off_at = models.DateTimeField(_("关闭时间"))

    class Meta:
        verbose_name = _("关闭挽回消息")
        verbose_name_plural = pgettext_lazy("plural", "关闭挽回消息")

    def __str__(self) -> str:
        return str(self.user_id)
