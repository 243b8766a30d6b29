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

    Whatever changes a member locks this row first. `evaluation` is {"day", "tiers": [trace, …], "jumps"} as of
    `evaluated_at` under `version`, or {"day", "rules", "figures"} from which these are expanded
    (membership.engine.compact); pages read it through membership.selectors.evaluations and look nothing up again.
    """

    class Stage(models.TextChoices):
        ACTIVE = "active", _("正常")
        WARNED = "warned", _("已预警")
        GRACE = "grace", _("宽限期")

    # Every row is written anew each night, and each index with it: there are none beside those that are read.
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="tiers", db_index=False, verbose_name=_("用户")
    )
    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="members", db_index=False, verbose_name=_("会员计划")
    )
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    since = models.DateTimeField(_("达到时间"))
    stage = models.CharField(_("阶段"), max_length=10, choices=Stage, default=Stage.ACTIVE)
    grace_until = models.DateTimeField(_("宽限至"), null=True)
    # The first midnight at which time alone may change what a condition reads.
    next_check_at = models.DateTimeField(_("下次检查"), null=True)
    version = models.ForeignKey(
        RuleSetVersion, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("评定所用版本")
    )
    evaluated_at = models.DateTimeField(_("评定时间"))
    # What the engine knows beyond rank and stage (membership.engine.state); empty until the member is first folded.
    state = models.JSONField(_("引擎状态"), default=dict)
    # Facts dated up to here are folded in; an earlier one refolds the member.
    folded_to = models.DateTimeField(_("已计入至"), null=True)
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

    `trace` is a list of tier traces (membership.rules.traces), or {"rules", "figures"} as in an evaluation; `gap` is what is
    missing for the tier after `to_rank`.
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
        return f"{self.get_cause_display()} {self.day}"


class Override(models.Model):
    """A rank that people or a coupon set beside the rules: held exactly (pin), at least (floor), at most (ceiling).

    Proposed by one person and approved by another; a coupon's floor is in force as it is redeemed and has no persons.
    In force from `starts_at` to `ends_at`, where it ended early, else to `expires_at`.
    """

    class Kind(models.TextChoices):
        PIN = "pin", _("固定等级")
        FLOOR = "floor", _("保底等级")
        CEILING = "ceiling", _("封顶等级")

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("待批准")
        APPROVED = "approved", _("已批准")
        REFUSED = "refused", _("已拒绝")

    # How the `ref` of one that a pass gave begins. Such a one leads no higher than gates allow.
    COUPON = "pass:"

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="overrides", db_index=False, verbose_name=_("会员")
    )
    # What gave it, once: pass:12. Empty where a person did.
    ref = models.CharField(_("来源"), max_length=80, blank=True)
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    reason = models.CharField(_("原因"), max_length=200)
    status = models.CharField(_("状态"), max_length=10, choices=Status, default=Status.PROPOSED)
    proposer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("提出人")
    )
    decider = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("审批人")
    )
    proposed_at = models.DateTimeField(_("提出时间"))
    decided_at = models.DateTimeField(_("审批时间"), null=True)
    starts_at = models.DateTimeField(_("生效时间"), null=True)
    expires_at = models.DateTimeField(_("到期时间"))
    ended_at = models.DateTimeField(_("提前结束时间"), null=True)

    class Meta:
        verbose_name = _("等级调整")
        verbose_name_plural = pgettext_lazy("plural", "等级调整")
        permissions = [("propose_override", _("申请等级调整")), ("approve_override", _("批准等级调整"))]
        constraints = [
            models.UniqueConstraint(fields=["ref"], condition=~Q(ref=""), name="override_once_per_ref"),
            models.CheckConstraint(
                condition=Q(status="approved", starts_at__isnull=False) | Q(~Q(status="approved"), starts_at=None),
                name="override_approved_has_start",
            ),
            models.CheckConstraint(
                condition=~Q(proposer=F("decider")),
                name="override_second_person",
                violation_error_message=_("提出人不能批准自己的调整"),
            ),
            models.CheckConstraint(
                condition=~Q(status="approved") | ~Q(ref="") | Q(proposer__isnull=False, decider__isnull=False),
                name="override_by_hand_has_two_persons",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("proposed_at")), name="override_expires_later"),
        ]
        indexes = [
            models.Index(fields=["member", "-id"], name="override_by_member"),
            models.Index(fields=["expires_at"], condition=Q(status="approved"), name="override_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.rank}"


class TierStay(models.Model):
    """How long members stay in a tier, in days on average, at the beginning of a Shanghai day.

    Completed stays and those that go on. Written once a day where the rules have dynamic thresholds, and never revised:
    what was offered on a day can be computed again.
    """

    pk = models.CompositePrimaryKey("program_id", "day", "rank")
    program = models.ForeignKey(
        Program, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("会员计划")
    )
    day = models.DateField(_("日期"))
    rank = models.PositiveSmallIntegerField(_("等级序号"))
    days = models.DecimalField(_("平均停留天数"), max_digits=8, decimal_places=2)

    class Meta:
        verbose_name = _("平均停留")
        verbose_name_plural = pgettext_lazy("plural", "平均停留")

    def __str__(self) -> str:
        return f"{self.day} {self.rank}"


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
    # How many there are to look at, as far as it was known.
    total = models.PositiveIntegerField(_("共有"), default=0, db_default=0)
    changed = models.PositiveIntegerField(_("等级有变"), default=0)
    differences = models.PositiveIntegerField(_("与存储不一致"), default=0)

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


class Difference(models.Model):
    """A member who is stored otherwise than they should be: found by the weekly pass, and never mended by it.

    Open until a later look finds the member right, or somebody closes it and says why. Found again, it is another row.
    """

    class Kind(models.TextChoices):
        STANDING = "standing", _("等级与当前数据不符")
        FOLD = "fold", _("从头推算的结果不同")
        SUMS = "sums", _("汇总与活动记录不符")

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        MemberTier, on_delete=models.PROTECT, related_name="differences", db_index=False, verbose_name=_("会员")
    )
    kind = models.CharField(_("类型"), max_length=10, choices=Kind)
    # By name of what differs: [what is stored, what it should be].
    detail = models.JSONField(_("内容"))
    run = models.ForeignKey(
        Recalculation, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("重新评定")
    )
    found_at = models.DateTimeField(_("发现时间"))
    seen_at = models.DateTimeField(_("最近一次看到"))
    cleared_at = models.DateTimeField(_("结束时间"), null=True)
    closer = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("关闭人")
    )
    note = models.CharField(_("处理说明"), max_length=200, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("等级差异")
        verbose_name_plural = pgettext_lazy("plural", "等级差异")
        permissions = [("close_difference", _("关闭等级差异"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(closer=None) | Q(cleared_at__isnull=False) & ~Q(note=""), name="difference_closed_says_why"
            ),
            models.UniqueConstraint(
                fields=["member", "kind"], condition=Q(cleared_at=None), name="difference_one_open_per_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member} {self.get_kind_display()}"
