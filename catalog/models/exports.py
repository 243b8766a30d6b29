"""Exports of keys in plain text: asked for, granted by a second person, fetched. The file itself is never kept."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from audit.models import Approval
from catalog.models.stock import KeyBatch

MOST_FETCHES = 3


class KeyExport(models.Model):
    """Keys of one batch that leave the shop. `mark` stands in the file, line by line: a leaked piece names its export."""

    class Which(models.TextChoices):
        AVAILABLE = "available", _("可售")
        UNSOLD = "unsold", _("可售和已预留")
        ALL = "all", _("全部，包括已售和作废")

    id = models.BigAutoField(primary_key=True)
    mark = models.CharField(_("导出编号"), max_length=24, unique=True)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+", verbose_name=_("复核申请"))
    batch = models.ForeignKey(KeyBatch, on_delete=models.PROTECT, related_name="exports", verbose_name=_("批次"))
    which = models.CharField(_("范围"), max_length=10, choices=Which, default=Which.AVAILABLE)
    # How many there were when it was asked for, and how many left in the end.
    asked_keys = models.PositiveIntegerField(_("申请时的卡密数"))
    rows = models.PositiveIntegerField(_("导出卡密数"), null=True)
    sha256 = models.CharField(_("文件校验值"), max_length=64, blank=True)
    # The newest download; what breaks off may be fetched again, a few times.
    fetched_at = models.DateTimeField(_("下载时间"), null=True)
    fetches = models.PositiveSmallIntegerField(_("下载次数"), default=0, db_default=0)
    finished_at = models.DateTimeField(_("下载完成时间"), null=True)

    class Meta:
        verbose_name = _("卡密导出")
        verbose_name_plural = pgettext_lazy("plural", "卡密导出")
        ordering = ["-id"]
        permissions = [
            ("export_keys", _("申请导出卡密明文")),
            ("approve_key_export", _("复核卡密导出")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at=None) | Q(fetched_at__isnull=False, rows__isnull=False),
                name="key_export_finished_was_fetched",
            ),
            models.CheckConstraint(
                condition=Q(fetches=0, fetched_at=None) | Q(fetches__range=(1, MOST_FETCHES), fetched_at__isnull=False),
                name="key_export_fetched_a_few_times",
            ),
        ]

    def __str__(self) -> str:
        return self.mark
