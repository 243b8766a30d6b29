"""Who did what to money, keys, rules and rights; and which requests were already answered."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from common.registries import act_names


class AuditEntry(models.Model):
    """One act. Append-only. People and objects are named by id: audit lies below the rooms that own them."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("时间"), db_index=True)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    actor = models.CharField(_("操作者"), max_length=150, blank=True)
    action = models.CharField(_("操作"), max_length=60, db_index=True)
    target_type = models.CharField(_("对象类型"), max_length=60, blank=True)
    target_id = models.CharField(_("对象编号"), max_length=64, blank=True)
    detail = models.JSONField(_("详情"), default=dict, blank=True)
    address = models.GenericIPAddressField(_("网络地址"), null=True)
    # What only the shop can make of the rest (audit.marks); empty in entries that are older than marks.
    mark = models.BinaryField(_("防伪标记"), max_length=32, null=True, editable=False)

    class Meta:
        verbose_name = _("审计记录")
        verbose_name_plural = pgettext_lazy("plural", "审计记录")
        indexes = [models.Index(fields=["target_type", "target_id", "-id"], name="audit_target")]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="waits_for_the_chain",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func="INSERT INTO audit_pendingentry (entry_id, old) VALUES (NEW.id, false); RETURN NULL;",
            ),
        ]

    def __str__(self) -> str:
        return f"{act_names.get(self.action, self.action)} {self.target_id}".strip()


class PendingEntry(models.Model):
    """An entry that is not yet in the chain. `old` ones were there before the chain was."""

    entry_id = models.BigIntegerField(_("记录编号"), primary_key=True)
    old = models.BooleanField(_("早于审计链"), default=False)

    class Meta:
        verbose_name = _("待入链的审计记录")
        verbose_name_plural = pgettext_lazy("plural", "待入链的审计记录")

    def __str__(self) -> str:
        return str(self.entry_id)


class ChainLink(models.Model):
    """An entry's place in the chain: its hash takes in the hash before it. Append-only; positions have no gaps.

    No foreign key: the chain tells of entries that are gone.
    """

    position = models.BigIntegerField(_("位置"), primary_key=True)
    entry_id = models.BigIntegerField(_("记录编号"), unique=True)
    hash = models.BinaryField(_("链值"), max_length=32)
    old = models.BooleanField(_("早于审计链"), default=False)

    class Meta:
        verbose_name = _("审计链")
        verbose_name_plural = pgettext_lazy("plural", "审计链")
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.position}"


class ChainAnchor(models.Model):
    """What was written down outside about the chain's end on some day. The copy outside is the one that counts."""

    id = models.BigAutoField(primary_key=True)
    position = models.BigIntegerField(_("位置"))
    hash = models.CharField(_("链值"), max_length=64)
    made_at = models.DateTimeField(_("时间"))
    kept_in = models.JSONField(_("写到"), default=list)

    class Meta:
        verbose_name = _("审计链锚点")
        verbose_name_plural = pgettext_lazy("plural", "审计链锚点")
        ordering = ["-id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.position}"


class ChainCheck(models.Model):
    """A look through the whole chain: how far it came, and what was wrong."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField(_("开始时间"))
    finished_at = models.DateTimeField(_("完成时间"), null=True)
    position = models.BigIntegerField(_("核对到"), default=0)
    total = models.BigIntegerField(_("总数"), default=0)
    # Dictionaries of audit.services.chain.Finding, the first few hundred; `faults` counts all.
    findings = models.JSONField(_("发现的问题"), default=list)
    faults = models.PositiveIntegerField(_("问题数"), default=0)
    # Of the entries up to `position`, how they were marked (audit.services.chain.Era), and what only the shop can make of
    # how far this is (audit.marks).
    era = models.PositiveSmallIntegerField(default=0, editable=False)
    mark = models.BinaryField(_("防伪标记"), max_length=32, null=True, editable=False)

    class Meta:
        verbose_name = _("审计链核对")
        verbose_name_plural = pgettext_lazy("plural", "审计链核对")
        ordering = ["-id"]
        permissions = [("verify_chain", _("核对审计链"))]
        constraints = [
            models.UniqueConstraint(
                fields=["finished_at"], condition=Q(finished_at=None), nulls_distinct=False, name="chain_check_one_open"
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Approval(models.Model):
    """Something that one person asks for and another one grants; it can be done after a delay, within a time, once.

    What is asked for is the room's: `kind` names it, the target and `detail` say of what.
    """

    class State(models.TextChoices):
        ASKED = "asked", _("待复核")
        APPROVED = "approved", _("已批准")
        REFUSED = "refused", _("已拒绝")
        CANCELLED = "cancelled", _("已取消")
        USED = "used", _("已使用")
        LAPSED = "lapsed", _("已过期")

    # The colour that a state has on the pages of whichever room asked: one of `common.admin.shown.TONES`.
    TONES = {
        State.ASKED: "warning",
        State.APPROVED: "info",
        State.REFUSED: "danger",
        State.CANCELLED: "neutral",
        State.USED: "success",
        State.LAPSED: "neutral",
    }
    MOVES = {
        State.ASKED: {State.APPROVED, State.REFUSED, State.CANCELLED, State.LAPSED},
        State.APPROVED: {State.CANCELLED, State.USED, State.LAPSED},
    }

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("种类"), max_length=40)
    target_type = models.CharField(_("对象类型"), max_length=60, blank=True)
    target_id = models.CharField(_("对象编号"), max_length=64, blank=True)
    detail = models.JSONField(_("详情"), default=dict, blank=True)
    reason = models.CharField(_("原因"), max_length=200)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.ASKED)
    asked_by_id = models.BigIntegerField(_("申请人编号"))
    asked_by = models.CharField(_("申请人"), max_length=150)
    asked_at = models.DateTimeField(_("申请时间"))
    decided_by_id = models.BigIntegerField(_("复核人编号"), null=True)
    decided_by = models.CharField(_("复核人"), max_length=150, blank=True)
    decided_at = models.DateTimeField(_("复核时间"), null=True)
    # Until then it is granted or lapses; once granted, from when and until when it may be done.
    usable_from = models.DateTimeField(_("可用时间"), null=True)
    ends_at = models.DateTimeField(_("截止时间"))
    closed_at = models.DateTimeField(_("结束时间"), null=True)

    class Meta:
        verbose_name = _("复核申请")
        verbose_name_plural = pgettext_lazy("plural", "复核申请")
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by_id=None) | ~Q(decided_by_id=F("asked_by_id")), name="approval_by_another_person"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "used"])
                | Q(decided_by_id__isnull=False, decided_at__isnull=False, usable_from__isnull=False),
                name="approval_granted_by_somebody",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="approval_has_reason"),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(state__in=["asked", "approved"]), name="approval_open"),
            models.Index(fields=["target_type", "target_id"], name="approval_target"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def tone(self) -> str:
        return self.TONES[self.State(self.state)]


class IdempotencyRecord(models.Model):
    """The answer to a request that must have one effect however often it is sent."""

    id = models.BigAutoField(primary_key=True)
    caller = models.CharField(_("调用者"), max_length=80)
    key = models.CharField(_("幂等键"), max_length=80)
    request_hash = models.CharField(_("请求摘要"), max_length=64)
    result = models.JSONField(_("结果"), null=True)
    created_at = models.DateTimeField(_("时间"), db_index=True)

    class Meta:
        verbose_name = _("幂等记录")
        verbose_name_plural = pgettext_lazy("plural", "幂等记录")
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotency_once_per_caller")]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"


class Allowance(models.Model):
    """How far somebody has used up a rate limit: when all of it will be free again. The key is a fingerprint.

    In the database, because limits on guessing must hold while Redis is down.
    """

    key = models.CharField(_("摘要"), max_length=64, primary_key=True)
    free_at = models.DateTimeField(_("恢复时间"), db_index=True)

    class Meta:
        verbose_name = _("限流记录")
        verbose_name_plural = pgettext_lazy("plural", "限流记录")

    def __str__(self) -> str:
        return self.key
