"""Where members stand, and every decision that brought them there."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from membership.models.rules import Program, RuleSetVersion


class MemberTier(models.Model):
    """A person in a program: the outcome of the decisions, and the latest evaluation in full.

    Whatever changes a member locks this row first. `evaluation` is {"day", "tiers": [trace, …]} as of `evaluated_at`
    under `version`; pages read it and compute nothing.
    """

    class Stage(models.TextChoices):
        ACTIVE = "active", _("正常")
        WARNED = "warned", _("已预警")
        GRACE = "grace", _("宽限期")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tiers", verbose_name=_("用户"))
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="members", verbose_name=_("会员计划"))
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    since = models.DateTimeField(_("达到时间"))
    stage = models.CharField(_("阶段"), max_length=10, choices=Stage, default=Stage.ACTIVE)
    grace_until = models.DateTimeField(_("宽限至"), null=True)
    # The first midnight at which time alone may change what a condition reads.
    next_check_at = models.DateTimeField(_("下次检查"), null=True)
    version = models.ForeignKey(
        RuleSetVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("评定所用版本")
    )
    evaluated_at = models.DateTimeField(_("评定时间"))
    evaluation = models.JSONField(_("评定明细"))

    class Meta:
        verbose_name = _("会员等级")
        verbose_name_plural = pgettext_lazy("plural", "会员等级")
        permissions = [("evaluate_member", _("重新评定会员"))]
        constraints = [
            models.UniqueConstraint(fields=["user", "program"], name="member_once_per_program"),
            models.CheckConstraint(
                condition=Q(stage="grace", grace_until__isnull=False) | Q(~Q(stage="grace"), grace_until=None),
                name="member_grace_has_an_end",
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], condition=Q(next_check_at__isnull=False), name="member_due"),
            models.Index(fields=["program", "rank"], name="member_by_rank"),
        ]

    def __str__(self) -> str:
        return str(self.user)


class TierDecision(models.Model):
    """A change of a member's tier, and why. Append-only: a wrong one is answered by another.

    `trace` is a list of tier traces (membership.rules.traces), `gap` what is missing for the tier after `to_rank`.
    """

    class Cause(models.TextChoices):
        DEFAULT = "default", _("注册默认等级")
        ENTER = "enter", _("达到升级条件")
        JUMP = "jump", _("跳级")
        GATE = "gate", _("未通过门槛")
        WARN = "warn", _("保级预警")
        GRACE = "grace", _("进入宽限期")
        DOWN = "down", _("降级")
        OVERRIDE = "override", _("人工调整")
        OVERRIDE_EXPIRED = "override_expired", _("人工调整到期")
        REVERSAL = "reversal", _("退款或撤销后重新评定")
        RULES = "rules", _("规则变更")

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="decisions", db_index=False, verbose_name=_("会员")
    )
    from_rank = models.PositiveSmallIntegerField(_("原等级"), null=True)
    to_rank = models.PositiveSmallIntegerField(_("新等级"))
    stage = models.CharField(_("阶段"), max_length=10, choices=MemberTier.Stage, default=MemberTier.Stage.ACTIVE)
    cause = models.CharField(_("原因"), max_length=20, choices=Cause)
    # The activity that led to it, by its reference: the ledger is partitioned one day and has no inbound foreign key.
    activity_ref = models.CharField(_("相关记录"), max_length=80, blank=True)
    version = models.ForeignKey(
        RuleSetVersion, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("规则版本")
    )
    trace = models.JSONField(_("依据"))
    gap = models.JSONField(_("还差"), default=dict)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    # The Shanghai day whose figures decided; earlier than `at` when an event came late.
    day = models.DateField(_("评定日"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("等级变更记录")
        verbose_name_plural = pgettext_lazy("plural", "等级变更记录")
        constraints = [
            models.UniqueConstraint(fields=["member"], condition=Q(cause="default"), name="decision_one_default"),
            models.CheckConstraint(
                condition=Q(cause="default", from_rank=None) | Q(~Q(cause="default"), from_rank__isnull=False),
                name="decision_only_default_from_nothing",
            ),
            models.CheckConstraint(
                condition=~Q(cause__in=["enter", "jump", "down", "reversal"]) | ~Q(from_rank=F("to_rank")),
                name="decision_changes_rank",
            ),
        ]
        indexes = [models.Index(fields=["member", "-id"], name="decision_by_member")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.from_rank} → {self.to_rank}"


class Recalculation(models.Model):
    """A pass over many members. One that was killed half-way is taken up where it stopped."""

    class Scope(models.TextChoices):
        DUE = "due", _("到期的会员")
        ALL = "all", _("全部会员")

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(_("范围"), max_length=10, choices=Scope)
    started_at = models.DateTimeField(_("开始时间"))
    finished_at = models.DateTimeField(_("完成时间"), null=True)
    last_member_id = models.BigIntegerField(_("进行到的会员"), default=0)
    evaluated = models.PositiveIntegerField(_("已评定"), default=0)
    changed = models.PositiveIntegerField(_("等级有变"), default=0)

    class Meta:
        verbose_name = _("重新评定")
        verbose_name_plural = pgettext_lazy("plural", "重新评定")
        constraints = [
            models.UniqueConstraint(
                fields=["scope"], condition=Q(finished_at=None), name="recalculation_one_open_per_scope"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.started_at:%F %T}"
