"""Key stock: encrypted keys in batches, and figures of what is left.

A key's ciphertext is bound to its table, id, seller (or 0) and data key, so that a row copied elsewhere does not open.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models.goods import Product, Sku


class DataKey(models.Model):
    """A data key, wrapped by a master key of the key ring. The label is the associated data of the wrapping."""

    id = models.BigAutoField(primary_key=True)
    label = models.CharField(_("标签"), max_length=40, unique=True)
    master_name = models.CharField(_("主密钥名称"), max_length=40)
    wrapped = models.BinaryField(_("已加密的数据密钥"))
    created_at = models.DateTimeField(_("创建时间"))

    class Meta:
        verbose_name = _("数据密钥")
        verbose_name_plural = pgettext_lazy("plural", "数据密钥")

    def __str__(self) -> str:
        return self.label


class KeyBatch(models.Model):
    class State(models.TextChoices):
        CHECKING = "checking", _("检查中")
        READY = "ready", _("待确认")
        IMPORTING = "importing", _("导入中")
        DONE = "done", _("已完成")
        FAILED = "failed", _("失败")
        CANCELLED = "cancelled", _("已取消")

    id = models.BigAutoField(primary_key=True)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="batches", verbose_name=_("规格"))
    seller_id = models.BigIntegerField(_("卖家编号"), null=True, editable=False)
    data_key = models.ForeignKey(DataKey, on_delete=models.PROTECT, related_name="+", verbose_name=_("数据密钥"))
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.CHECKING)
    filename = models.CharField(_("文件名"), max_length=200, blank=True)
    digest = models.CharField(_("文件摘要"), max_length=64, blank=True)
    # How the file is read (keyfiles.Layout as JSON): decided once, so that a resumed import counts the same rows.
    layout = models.JSONField(_("读取方式"), default=dict, blank=True, editable=False)
    rows_total = models.PositiveIntegerField(_("总行数"), default=0)
    rows_done = models.PositiveIntegerField(_("已处理行数"), default=0)
    imported = models.PositiveIntegerField(_("已入库"), default=0)
    duplicates = models.PositiveIntegerField(_("重复"), default=0)
    errors = models.PositiveIntegerField(_("错误行"), default=0)
    report = models.JSONField(_("明细"), default=dict, blank=True)
    note = models.CharField(_("备注"), max_length=200, blank=True)
    created_by_id = models.BigIntegerField(_("操作者编号"), null=True)
    created_at = models.DateTimeField(_("创建时间"))
    progress_at = models.DateTimeField(_("最近进展时间"), null=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True)

    class Meta:
        verbose_name = _("卡密批次")
        verbose_name_plural = pgettext_lazy("plural", "卡密批次")
        ordering = ["-id"]
        permissions = [("import_keys", _("导入卡密"))]
        indexes = [
            models.Index(
                fields=["progress_at"],
                condition=Q(state__in=["checking", "ready", "importing"]),
                name="key_batch_unfinished",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.filename}"


class KeyFilePart(models.Model):
    """A piece of an uploaded key file, sealed under its batch's data key; gone when the batch is finished."""

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(
        KeyBatch, on_delete=models.CASCADE, related_name="parts", db_index=False, verbose_name=_("批次")
    )
    number = models.PositiveIntegerField(_("序号"))
    size = models.PositiveIntegerField(_("字节"))
    sealed = models.BinaryField(_("密文"))

    class Meta:
        verbose_name = _("卡密文件")
        verbose_name_plural = pgettext_lazy("plural", "卡密文件")
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="key_file_part_once")]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.number}"


class Key(models.Model):
    class State(models.TextChoices):
        AVAILABLE = "available", _("可售")
        RESERVED = "reserved", _("已预留")
        SOLD = "sold", _("已售")
        VOID = "void", _("作废")
        # Sold, found bad, and another one given for it: stays with its line for good and is never sold again.
        REPLACED = "replaced", _("已换新")

    id = models.BigAutoField(primary_key=True)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="keys", db_index=False, verbose_name=_("规格"))
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("商品")
    )
    batch = models.ForeignKey(KeyBatch, on_delete=models.PROTECT, related_name="keys", verbose_name=_("批次"))
    data_key = models.ForeignKey(
        DataKey, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("数据密钥")
    )
    seller_id = models.BigIntegerField(_("卖家编号"), null=True, editable=False)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.AVAILABLE)
    # The order in which keys are sold; a column of its own, because ordering by id would walk past every sold key.
    position = models.BigIntegerField(_("出库次序"))
    ciphertext = models.BinaryField(_("密文"))
    fingerprint = models.BinaryField(_("指纹"), max_length=32)
    preview = models.CharField(_("脱敏预览"), max_length=60)
    # The order line that holds this key; orders live on a higher floor, so this is a plain number.
    line_id = models.BigIntegerField(_("订单行编号"), null=True)
    sold_at = models.DateTimeField(_("售出时间"), null=True)

    class Meta:
        verbose_name = _("卡密")
        verbose_name_plural = pgettext_lazy("plural", "卡密")
        permissions = [("reveal_key", _("查看卡密明文")), ("void_key", _("作废卡密"))]
        constraints = [
            models.UniqueConstraint(fields=["product", "fingerprint"], name="key_once_per_product"),
            models.CheckConstraint(
                condition=Q(state__in=["available", "void"], line_id=None, sold_at=None)
                | Q(state="reserved", line_id__isnull=False, sold_at=None)
                | Q(state__in=["sold", "replaced"], line_id__isnull=False, sold_at__isnull=False),
                name="key_state_fits_line",
            ),
        ]
        indexes = [
            models.Index(fields=["sku", "position"], condition=Q(state="available"), name="key_available"),
            models.Index(fields=["sku"], condition=Q(state="reserved"), name="key_reserved"),
            models.Index(fields=["line_id"], condition=Q(line_id__isnull=False), name="key_line"),
        ]

    def __str__(self) -> str:
        return self.preview


class ReusableSecret(models.Model):
    """A secret that every buyer of a SKU gets (a shared link, a general code). At most one is current."""

    id = models.BigAutoField(primary_key=True)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="reusable_secrets", verbose_name=_("规格"))
    data_key = models.ForeignKey(DataKey, on_delete=models.PROTECT, related_name="+", verbose_name=_("数据密钥"))
    ciphertext = models.BinaryField(_("密文"))
    preview = models.CharField(_("脱敏预览"), max_length=60)
    created_at = models.DateTimeField(_("创建时间"))
    replaced_at = models.DateTimeField(_("替换时间"), null=True)

    class Meta:
        verbose_name = _("通用卡密")
        verbose_name_plural = pgettext_lazy("plural", "通用卡密")
        constraints = [
            models.UniqueConstraint(fields=["sku"], condition=Q(replaced_at=None), name="reusable_one_current_per_sku")
        ]

    def __str__(self) -> str:
        return self.preview


class StockFigure(models.Model):
    """Exact counts that a worker refreshes, for lists and dashboards. No sale writes here."""

    sku = models.OneToOneField(
        Sku, on_delete=models.CASCADE, primary_key=True, related_name="figure", verbose_name=_("规格")
    )
    available = models.PositiveIntegerField(_("可售"), default=0)
    reserved = models.PositiveIntegerField(_("已预留"), default=0)
    sold = models.PositiveIntegerField(_("已售"), default=0)
    refreshed_at = models.DateTimeField(_("更新时间"))

    class Meta:
        verbose_name = _("库存")
        verbose_name_plural = pgettext_lazy("plural", "库存")

    def __str__(self) -> str:
        return f"{self.available}"
