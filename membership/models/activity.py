"""What members did, and sums of it by day. The ledger is the truth; buckets and totals follow it in one transaction.

Activity has no inbound foreign keys and its unique references live in a table of their own, so that it can be
partitioned by time. Everything is keyed by member, so that it can be spread over nodes.
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from membership.models.members import MemberTier


class Activity(models.Model):
    """One fact, dated by when it counts: spend by the payment, a refund by the payment that it takes back.

    `amount` is yuan, `quantity` a number of points or actions; negative in what takes something back by a part. `value`
    is a state (real name 0 or 1, credit 0 to 100), the stars of a review, or whether a dispute was upheld. Spend with a
    subject belongs to that order, and counts as one.
    """

    id = models.BigAutoField(primary_key=True)
    source_ref = models.CharField(_("来源"), max_length=80, help_text=_("例如 line:12:spend"))
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("会员")
    )
    metric = models.CharField(_("指标"), max_length=20)
    # What belongs together, such as order:12.
    subject = models.CharField(_("所属"), max_length=60, blank=True)
    occurred_at = models.DateTimeField(_("发生时间"))
    recorded_at = models.DateTimeField(_("记录时间"))
    amount = models.DecimalField(_("金额"), max_digits=14, decimal_places=2, default=0)
    quantity = models.IntegerField(_("数量"), default=0)
    value = models.PositiveSmallIntegerField(_("数值"), null=True)
    category = models.CharField(_("分类代码"), max_length=64, blank=True)
    reverses = models.CharField(_("冲销"), max_length=80, blank=True)
    valid = models.BooleanField(_("计入"), default=True)
    invalid_reason = models.CharField(_("不计入的原因"), max_length=40, blank=True)

    class Meta:
        verbose_name = _("活动记录")
        verbose_name_plural = pgettext_lazy("plural", "活动记录")
        permissions = [("flag_activity", _("判定活动不计入")), ("record_reputation", _("登记会员信誉"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid=True, invalid_reason="") | Q(Q(valid=False), ~Q(invalid_reason="")),
                name="activity_invalid_has_reason",
            ),
            models.CheckConstraint(
                condition=~Q(amount=0) | ~Q(quantity=0) | Q(value__isnull=False) | ~Q(reverses=""),
                name="activity_says_something",
            ),
        ]
        indexes = [
            models.Index(fields=["member", "-occurred_at"], name="activity_by_member"),
            models.Index(fields=["member", "subject"], condition=~Q(subject=""), name="activity_by_subject"),
            models.Index(fields=["member", "reverses"], condition=~Q(reverses=""), name="activity_by_reversal"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.source_ref


class ActivitySeen(models.Model):
    """References that are in the ledger. Small and never partitioned, so that a fact counts once."""

    ref = models.CharField(_("来源"), max_length=80, primary_key=True)

    class Meta:
        verbose_name = _("活动来源")
        verbose_name_plural = pgettext_lazy("plural", "活动来源")

    def __str__(self) -> str:
        return self.ref


class ActivityMark(models.Model):
    """A fact that was found not to count (a wash trade), or was cleared again. The latest mark of a reference holds.

    Append-only, so that an appeal finds what was said and when; the fact keeps its date throughout.
    """

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("会员")
    )
    ref = models.CharField(_("来源"), max_length=80)
    valid = models.BooleanField(_("计入"))
    reason = models.CharField(_("原因"), max_length=40)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("计入标记")
        verbose_name_plural = pgettext_lazy("plural", "计入标记")
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="activity_mark_has_reason"),
        ]
        indexes = [models.Index(fields=["member", "ref", "-id"], name="activity_mark_by_ref")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.ref


class Bucket(models.Model):
    """What counted on one Shanghai day. The key begins with member and day: a window is one range of it.

    `amount` and `quantity` are final: a window is their sum. `earned` is what the facts say before multipliers and caps;
    what bundles grant stands in rows of the category `bundle:<id>`, and earned nothing. A state (real name, credit) is
    the last of its day.
    """

    pk = models.CompositePrimaryKey("member_id", "day", "metric", "category")
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("会员")
    )
    day = models.DateField(_("日期"))
    metric = models.CharField(_("指标"), max_length=20)
    category = models.CharField(_("分类代码"), max_length=64, blank=True)
    amount = models.DecimalField(_("金额"), max_digits=14, decimal_places=2, default=0)
    quantity = models.IntegerField(_("数量"), default=0)
    earned = models.IntegerField(_("上限与倍数之前"), db_default=0)

    class Meta:
        verbose_name = _("每日汇总")
        verbose_name_plural = pgettext_lazy("plural", "每日汇总")
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=0, quantity__gte=0, earned__gte=0), name="bucket_not_negative"
            )
        ]


class Total(models.Model):
    """What counted in all, so that a condition over the whole life reads a few rows however long that life is.

    `first_day` is the first day that still counts. A state stands here as it is now.
    """

    pk = models.CompositePrimaryKey("member_id", "metric", "category")
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("会员")
    )
    metric = models.CharField(_("指标"), max_length=20)
    category = models.CharField(_("分类代码"), max_length=64, blank=True)
    amount = models.DecimalField(_("金额"), max_digits=16, decimal_places=2, default=0)
    quantity = models.BigIntegerField(_("数量"), default=0)
    first_day = models.DateField(_("首日"), null=True)

    class Meta:
        verbose_name = _("累计汇总")
        verbose_name_plural = pgettext_lazy("plural", "累计汇总")
        constraints = [models.CheckConstraint(condition=Q(amount__gte=0, quantity__gte=0), name="total_not_negative")]
