"""Who did what to money, keys, rules and rights; and which requests were already answered."""

import pgtrigger
from django.db import models
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

    class Meta:
        verbose_name = _("审计记录")
        verbose_name_plural = pgettext_lazy("plural", "审计记录")
        indexes = [models.Index(fields=["target_type", "target_id", "-id"], name="audit_target")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{act_names.get(self.action, self.action)} {self.target_id}".strip()


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
