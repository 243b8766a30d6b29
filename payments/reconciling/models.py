"""Statements that were compared, the differences that became cases, and every move of a case."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User


class Reconciliation(models.Model):
    """One statement against our books. The file itself is not kept: it names people."""

    class State(models.TextChoices):
        CHECKED = "checked", _("待确认")
        CONFIRMED = "confirmed", _("已建差异")
        DROPPED = "dropped", _("已放弃")
        REPLACED = "replaced", _("已被取代")

    MOVES = {
        State.CHECKED: {State.CONFIRMED, State.DROPPED},
        State.CONFIRMED: {State.REPLACED},
        State.DROPPED: set(),
        State.REPLACED: set(),
    }

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(
        "payments.Channel", on_delete=models.PROTECT, related_name="reconciliations", verbose_name=_("支付渠道")
    )
    form = models.CharField(_("账单格式"), max_length=20)
    filename = models.CharField(_("文件"), max_length=200)
    digest = models.CharField(_("校验值"), max_length=64)
    first_day = models.DateField(_("起始日期"))
    last_day = models.DateField(_("截止日期"))
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.CHECKED)
    rows = models.PositiveIntegerField(_("账单行数"), default=0)
    matched = models.PositiveIntegerField(_("一致"), default=0)
    missing = models.PositiveIntegerField(_("渠道缺少"), default=0)
    extra = models.PositiveIntegerField(_("渠道多出"), default=0)
    different = models.PositiveIntegerField(_("内容不同"), default=0)
    duplicate = models.PositiveIntegerField(_("重复"), default=0)
    waiting = models.PositiveIntegerField(_("等待相邻账单"), default=0)
    outside = models.PositiveIntegerField(_("其他日期的行（未核对）"), default=0, db_default=0)
    their_amount = models.DecimalField(_("渠道收款合计"), max_digits=14, decimal_places=2, default=0)
    our_amount = models.DecimalField(_("我方收款合计"), max_digits=14, decimal_places=2, default=0)
    # What was found, until it is confirmed; and which payments lie near its borders (payments.reconciling.comparing).
    found = models.JSONField(_("差异"), default=list)
    borders = models.JSONField(_("跨日支付单"), default=dict)
    created_by_id = models.BigIntegerField(_("操作者编号"), null=True)
    created_at = models.DateTimeField(_("创建时间"))
    confirmed_at = models.DateTimeField(_("确认时间"), null=True)

    class Meta:
        verbose_name = _("对账")
        verbose_name_plural = pgettext_lazy("plural", "对账")
        permissions = [("reconcile_channel", _("上传账单并对账"))]
        constraints = [
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="reconciliation_period"),
            models.CheckConstraint(
                condition=Q(state__in=["checked", "dropped"], confirmed_at=None)
                | Q(state__in=["confirmed", "replaced"], confirmed_at__isnull=False),
                name="reconciliation_confirmed_has_time",
            ),
            models.UniqueConstraint(
                fields=["channel", "digest", "first_day", "last_day"],
                condition=Q(state="confirmed"),
                name="reconciliation_once_per_file",
            ),
        ]
        indexes = [models.Index(fields=["channel", "-last_day"], name="reconciliation_channel_day")]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def differences(self) -> int:
        return self.missing + self.extra + self.different + self.duplicate


class ReconciliationCase(models.Model):
    """One difference. `ours` and `theirs` hold what either side says (texts by field); `amount` is theirs less ours."""

    class Kind(models.TextChoices):
        MISSING = "missing", _("渠道缺少")
        EXTRA = "extra", _("渠道多出")
        DIFFERENT = "different", _("内容不同")
        DUPLICATE = "duplicate", _("重复")

    class Aspect(models.TextChoices):
        PAYMENT = "payment", _("账单里没有这笔支付")
        UNKNOWN = "unknown", _("我方没有这笔支付")
        UNPAID = "unpaid", _("我方未支付")
        AMOUNT = "amount", _("金额不同")
        FEE = "fee", _("手续费不同")
        STATE = "state", _("状态不同")
        REFUND = "refund", _("退款不同")
        NUMBER = "number", _("单号不同")
        CURRENCY = "currency", _("币种不同")
        ROW = "row", _("账单重复列出")
        TWICE = "twice", _("同一笔支付付了两次")

    class State(models.TextChoices):
        OPEN = "open", _("待分派")
        ASSIGNED = "assigned", _("处理中")
        EXPLAINED = "explained", _("已说明")
        SETTLED = "settled", _("已平账")

    MOVES = {
        State.OPEN: {State.ASSIGNED, State.EXPLAINED, State.SETTLED},
        State.ASSIGNED: {State.ASSIGNED, State.EXPLAINED, State.SETTLED},
        State.EXPLAINED: {State.OPEN, State.ASSIGNED},
        State.SETTLED: {State.OPEN, State.ASSIGNED},
    }
    LIVE = (State.OPEN, State.ASSIGNED)

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(
        "payments.Channel", on_delete=models.PROTECT, related_name="cases", db_index=False, verbose_name=_("支付渠道")
    )
    # The newest statement that shows it.
    run = models.ForeignKey(Reconciliation, on_delete=models.PROTECT, related_name="cases", verbose_name=_("对账"))
    kind = models.CharField(_("类别"), max_length=10, choices=Kind)
    aspect = models.CharField(_("差异"), max_length=10, choices=Aspect)
    # What the difference is about, the same in every statement that shows it.
    reference = models.CharField(_("单号"), max_length=140)
    day = models.DateField(_("日期"))
    line = models.PositiveIntegerField(_("账单行号"), null=True)
    attempt = models.ForeignKey(
        "payments.PaymentAttempt", on_delete=models.PROTECT, null=True, related_name="cases", verbose_name=_("支付单")
    )
    # The ledger's transfer that booked it as money that nobody expected.
    transfer_id = models.BigIntegerField(_("转账编号"), null=True)
    ours = models.JSONField(_("我方"), default=dict)
    theirs = models.JSONField(_("渠道"), default=dict)
    amount = models.DecimalField(_("差额"), max_digits=12, decimal_places=2)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.OPEN)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("负责人"))
    note = models.CharField(_("说明"), max_length=300, blank=True)
    opened_at = models.DateTimeField(_("发现时间"))
    closed_at = models.DateTimeField(_("结案时间"), null=True)

    class Meta:
        verbose_name = _("对账差异")
        verbose_name_plural = pgettext_lazy("plural", "对账差异")
        permissions = [("work_case", _("处理对账差异"))]
        constraints = [
            models.UniqueConstraint(fields=["channel", "kind", "aspect", "reference"], name="case_once_per_difference"),
            models.CheckConstraint(
                condition=Q(state="open", owner=None) | ~Q(state="open"), name="case_open_has_no_owner"
            ),
            models.CheckConstraint(
                condition=~Q(state="assigned") | Q(owner__isnull=False), name="case_assigned_has_owner"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "assigned"], closed_at=None)
                | (Q(state__in=["explained", "settled"], closed_at__isnull=False) & ~Q(note="")),
                name="case_closed_has_note",
            ),
        ]
        indexes = [
            models.Index(fields=["channel", "day"], name="case_channel_day"),
            models.Index(fields=["state", "-id"], condition=Q(state__in=["open", "assigned"]), name="case_live"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_aspect_display()}"


class CaseMove(models.Model):
    """A change of a case's state, owner or facts, written in the transaction of the change."""

    id = models.BigAutoField(primary_key=True)
    case = models.ForeignKey(
        ReconciliationCase, on_delete=models.PROTECT, related_name="moves", verbose_name=_("对账差异")
    )
    from_state = models.CharField(_("原状态"), max_length=10, blank=True)
    to_state = models.CharField(_("新状态"), max_length=10, choices=ReconciliationCase.State)
    owner_id = models.BigIntegerField(_("负责人编号"), null=True)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    note = models.CharField(_("说明"), max_length=300, blank=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("差异历史")
        verbose_name_plural = pgettext_lazy("plural", "差异历史")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
