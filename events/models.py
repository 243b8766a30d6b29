"""The outbox: what happened, and who has still to hear of it."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Event(models.Model):
    """A fact, committed together with what it tells of. Append-only; no foreign key points here."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("类型"), max_length=60)
    version = models.PositiveSmallIntegerField(_("版本"), default=1)
    payload = models.JSONField(_("内容"))
    occurred_at = models.DateTimeField(_("发生时间"))
    fanned_out_at = models.DateTimeField(_("分发时间"), null=True, editable=False)

    class Meta:
        verbose_name = _("事件")
        verbose_name_plural = pgettext_lazy("plural", "事件")
        indexes = [
            models.Index(fields=["id"], condition=models.Q(fanned_out_at=None), name="event_not_fanned_out"),
            models.Index(fields=["kind", "-id"], name="event_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class Delivery(models.Model):
    """One event on its way to one subscriber."""

    class State(models.TextChoices):
        PENDING = "pending", _("等待处理")
        DONE = "done", _("已处理")
        PARKED = "parked", _("已搁置")

    class Rank(models.IntegerChoices):
        """Whose deliveries go before others'; within a rank, who has waited longest."""

        FIRST = 0, _("优先")
        USUAL = 1, _("普通")

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(
        Event, on_delete=models.DO_NOTHING, db_constraint=False, related_name="deliveries", verbose_name=_("事件")
    )
    subscriber = models.CharField(_("订阅者"), max_length=80)
    rank = models.PositiveSmallIntegerField(_("次序"), choices=Rank, default=Rank.USUAL, db_default=Rank.USUAL)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    not_before = models.DateTimeField(_("不早于"))
    last_error = models.TextField(_("最近的错误"), blank=True)
    done_at = models.DateTimeField(_("完成时间"), null=True)

    class Meta:
        verbose_name = _("事件投递")
        verbose_name_plural = pgettext_lazy("plural", "事件投递")
        permissions = [("retry_delivery", _("重新投递"))]
        constraints = [
            models.UniqueConstraint(fields=["event", "subscriber"], name="delivery_once_per_subscriber"),
            models.CheckConstraint(
                condition=models.Q(state="done", done_at__isnull=False) | ~models.Q(state="done"),
                name="delivery_done_has_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["rank", "not_before", "id"],
                condition=models.Q(state="pending"),
                name="delivery_pending_by_rank",
            ),
            models.Index(fields=["-id"], condition=models.Q(state="parked"), name="delivery_parked"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber} ← {self.event_id}"


class Heartbeat(models.Model):
    """When a background process last did its round; /readyz reads it."""

    name = models.CharField(_("进程"), max_length=40, primary_key=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("心跳")
        verbose_name_plural = pgettext_lazy("plural", "心跳")

    def __str__(self) -> str:
        return self.name
