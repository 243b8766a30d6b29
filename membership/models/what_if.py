"""What a draft would do to everybody, computed and kept; no member is touched by it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from membership.models.rules import RuleSetVersion


class WhatIf(models.Model):
    """One computation. Publication asks for a finished one of the very draft and policy, not older than a day.

    `draft` is the fingerprint of the rules with their benefits and policy; `digest` that of draft and base together.
    `result` is {"0", "30", "90"} (days ago): {"day", "matrix": [[from, to, count], …], "costs", "cost_days", "sales",
    "segments", "samples"}; membership.selectors.what_ifs reads it.
    """

    # The days before the computation whose base is looked at.
    AGO = (0, 30, 90)

    class Status(models.TextChoices):
        WAITING = "waiting", _("等待计算")
        RUNNING = "running", _("计算中")
        DONE = "done", _("已完成")
        FAILED = "failed", _("失败")

    class Failure(models.TextChoices):
        CHANGED = "changed", _("推演期间草稿改过了，请重新推演")
        PUBLISHED = "published", _("草稿已经发布，没有可推演的变更")
        BROKEN = "broken", _("计算出错，错误已记入日志，请重新推演或联系技术人员")
        LOST = "lost", _("后台进程多次中断，请检查任务进程后重新推演")

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(
        RuleSetVersion, on_delete=models.CASCADE, related_name="what_ifs", verbose_name=_("规则版本")
    )
    policy = models.CharField(
        _("过渡方式"), max_length=20, choices=RuleSetVersion.Policy, default=RuleSetVersion.Policy.IMMEDIATE
    )
    policy_until = models.DateField(_("保留至"), null=True, blank=True)
    status = models.CharField(_("状态"), max_length=10, choices=Status, default=Status.WAITING)
    draft = models.CharField(_("草稿摘要"), max_length=64)
    digest = models.CharField(_("结果摘要"), max_length=64, blank=True)
    asked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("发起人")
    )
    asked_at = models.DateTimeField(_("发起时间"))
    # The moment whose members and sums were looked at.
    as_of = models.DateTimeField(_("数据时间"), null=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True)
    steps_done = models.PositiveSmallIntegerField(_("进度"), default=0)
    # The last sign of life, by which a lost worker is noticed, and how often one began.
    moved_at = models.DateTimeField(_("最近进展"), null=True)
    starts = models.PositiveSmallIntegerField(_("开始次数"), default=0, db_default=0)
    failure = models.CharField(_("失败原因"), max_length=10, choices=Failure, blank=True, default="", db_default="")
    result = models.JSONField(_("结果"), default=dict)

    class Meta:
        verbose_name = _("规则推演")
        verbose_name_plural = pgettext_lazy("plural", "规则推演")
        permissions = [("run_whatif", _("推演规则变更"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="done", as_of__isnull=False, finished_at__isnull=False) & ~Q(digest="")
                | ~Q(status="done"),
                name="what_if_done_has_result",
            ),
            models.CheckConstraint(
                condition=Q(policy="grandfather_until", policy_until__isnull=False)
                | Q(~Q(policy="grandfather_until"), policy_until=None),
                name="what_if_grandfather_has_date",
            ),
        ]
        indexes = [
            models.Index(fields=["version", "-id"], name="what_if_by_version"),
            models.Index(fields=["moved_at"], condition=Q(status__in=["waiting", "running"]), name="what_if_open"),
        ]

    def __str__(self) -> str:
        return f"{self.version} #{self.pk}"
