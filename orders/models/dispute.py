"""After-sale: a buyer's case about pieces of a delivered line, what both sides said of it, and what was decided.

A case is about one line: some of its keys, or the line as a whole where it was not delivered from key stock.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models import DataKey, Key
from common.ids import public_id
from orders.models.order import Order, OrderLine

ONLY_ID = 1
MAX_WORDS = 1000
MAX_REASON = 500


class DisputeRules(models.Model):
    """What the operator sets about after-sale. One row, which a migration makes. Every time limit holds for everybody."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ID, editable=False)
    seller_hours = models.PositiveSmallIntegerField(
        _("卖家答复时限（小时）"), default=24, help_text=_("逾期未答复，自动转平台裁定")
    )
    operator_hours = models.PositiveSmallIntegerField(
        _("平台裁定时限（小时）"), default=48, help_text=_("逾期的排在列表最前，并通知有裁定权限的员工")
    )
    appeal_hours = models.PositiveSmallIntegerField(
        _("买家申诉时限（小时）"), default=72, help_text=_("裁定后买家可以申诉一次；到期自动结束")
    )
    restock_hours = models.PositiveSmallIntegerField(
        _("等补货换新时限（小时）"), default=48, help_text=_("到期还没有货，自动全额退款")
    )
    no_warranty_hours = models.PositiveSmallIntegerField(
        _("无质保商品的报告时限（小时）"), default=24, help_text=_("自发货起算；有质保的商品按质保期")
    )
    max_pictures = models.PositiveSmallIntegerField(_("每次最多几张图片"), default=6)
    max_picture_mb = models.PositiveSmallIntegerField(_("每张图片最大（MB）"), default=8)

    class Meta:
        verbose_name = _("售后规则")
        verbose_name_plural = pgettext_lazy("plural", "售后规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=ONLY_ID), name="dispute_rules_one_row"),
            models.CheckConstraint(
                condition=Q(
                    seller_hours__range=(1, 720),
                    operator_hours__range=(1, 720),
                    appeal_hours__range=(1, 720),
                    restock_hours__range=(1, 720),
                    no_warranty_hours__range=(1, 720),
                ),
                name="dispute_rules_hours",
                violation_error_message=_("时限须在 1 到 720 小时之间"),
            ),
            models.CheckConstraint(
                condition=Q(max_pictures__range=(0, 20), max_picture_mb__range=(1, 20)),
                name="dispute_rules_pictures",
                violation_error_message=_("图片最多 20 张，每张最大 20 MB"),
            ),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class Dispute(models.Model):
    class State(models.TextChoices):
        SELLER = "seller", _("等卖家答复")
        OPERATOR = "operator", _("等平台裁定")
        RESTOCK = "restock", _("等补货换新")
        DECIDED = "decided", _("已裁定")
        APPEALED = "appealed", _("申诉中")
        CLOSED = "closed", _("已结束")
        WITHDRAWN = "withdrawn", _("已撤销")

    # Legal moves. Money that was given back by other ways for the whole line ends a case wherever it stands.
    MOVES = {
        State.SELLER: {State.OPERATOR, State.DECIDED, State.RESTOCK, State.CLOSED, State.WITHDRAWN},
        State.OPERATOR: {State.DECIDED, State.RESTOCK, State.CLOSED, State.WITHDRAWN},
        State.RESTOCK: {State.DECIDED, State.CLOSED},
        State.DECIDED: {State.APPEALED, State.CLOSED},
        State.APPEALED: {State.RESTOCK, State.CLOSED},
        State.CLOSED: set(),
        State.WITHDRAWN: set(),
    }
    OPEN = (State.SELLER, State.OPERATOR, State.RESTOCK, State.DECIDED, State.APPEALED)
    # Where staff have the next word.
    AT_DESK = (State.SELLER, State.OPERATOR, State.APPEALED)

    class Reason(models.TextChoices):
        USED = "used", _("已被使用")
        INVALID = "invalid", _("无效")
        WRONG_VALUE = "wrong_value", _("面额不符")
        NOT_ARRIVED = "not_arrived", _("未到账")
        OTHER = "other", _("其他问题")

    class Wish(models.TextChoices):
        REPLACE = "replace", _("换新")
        REFUND = "refund", _("退款")

    class Route(models.TextChoices):
        BALANCE = "balance", _("余额")
        ORIGINAL = "original", _("原支付方式")

    class Outcome(models.TextChoices):
        REPLACE = "replace", _("换新")
        REFUND = "refund", _("全额退款")
        PARTIAL = "partial", _("部分退款")
        REJECT = "reject", _("驳回")

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    number = models.CharField(_("售后单号"), max_length=24, unique=True)
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="disputes", db_index=False, verbose_name=_("订单")
    )
    line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="disputes", verbose_name=_("订单商品"))
    seller_id = models.BigIntegerField(_("卖家编号"), null=True)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.SELLER)
    reason = models.CharField(_("问题"), max_length=12, choices=Reason)
    text = models.TextField(_("说明"), max_length=MAX_WORDS)
    wish = models.CharField(_("希望"), max_length=8, choices=Wish)
    route = models.CharField(_("希望退到"), max_length=8, choices=Route, default=Route.BALANCE)
    # What the seller would agree to; the operator is free to see it otherwise.
    proposal = models.CharField(_("卖家意见"), max_length=8, choices=Outcome, blank=True)
    # What was decided last, in words for the buyer.
    outcome = models.CharField(_("结果"), max_length=8, choices=Outcome, blank=True)
    verdict = models.CharField(_("裁定说明"), max_length=MAX_REASON, blank=True)
    is_abusive = models.BooleanField(_("恶意售后"), default=False)
    refunded = models.DecimalField(_("已退"), max_digits=12, decimal_places=2, default=0)
    opened_at = models.DateTimeField(_("提交时间"))
    # When whoever has the next word must have said it; None when the case is over.
    due_at = models.DateTimeField(_("截止时间"), null=True)
    # The same while it is staff's turn: the order in which the desk works.
    desk_due_at = models.DateTimeField(_("员工截止时间"), null=True)
    # The deadline of which staff were told that it has passed.
    told_of = models.DateTimeField(_("已提醒的截止时间"), null=True)
    decided_at = models.DateTimeField(_("裁定时间"), null=True)
    decided_by_id = models.BigIntegerField(_("裁定人编号"), null=True)
    appealed_at = models.DateTimeField(_("申诉时间"), null=True)
    appeal_decided_by_id = models.BigIntegerField(_("复核人编号"), null=True)
    # Nobody else came in time, so that whoever decided the case decided its appeal as well.
    is_alone = models.BooleanField(_("由原裁定人复核"), default=False)
    closed_at = models.DateTimeField(_("结束时间"), null=True)

    class Meta:
        verbose_name = _("售后单")
        verbose_name_plural = pgettext_lazy("plural", "售后单")
        permissions = [
            ("answer_dispute", _("以卖家身份答复售后")),
            ("decide_dispute", _("裁定售后：换新、驳回")),
            ("refund_dispute", _("裁定售后：退款")),
            ("export_dispute", _("导出售后单")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["closed", "withdrawn"], due_at=None, closed_at__isnull=False)
                | Q(state__in=["seller", "operator", "restock", "decided", "appealed"], due_at__isnull=False)
                & Q(closed_at=None),
                name="dispute_open_has_deadline",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["seller", "operator", "appealed"], desk_due_at__isnull=False)
                | Q(state__in=["restock", "decided", "closed", "withdrawn"], desk_due_at=None),
                name="dispute_desk_has_deadline",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["decided", "appealed"]) | ~Q(outcome=""), name="dispute_decided_has_outcome"
            ),
            models.CheckConstraint(
                condition=~Q(state="appealed") | Q(appealed_at__isnull=False), name="dispute_appeal_has_time"
            ),
            models.CheckConstraint(
                condition=Q(appeal_decided_by_id=None)
                | Q(appealed_at__isnull=False) & (Q(is_alone=True) | ~Q(appeal_decided_by_id=F("decided_by_id"))),
                name="dispute_appeal_by_another",
            ),
            models.CheckConstraint(
                condition=Q(is_abusive=False) | Q(outcome="reject"), name="dispute_abuse_is_rejected"
            ),
            models.CheckConstraint(condition=Q(refunded__gte=0), name="dispute_refunded_not_negative"),
        ]
        indexes = [
            models.Index(fields=["desk_due_at", "-id"], name="dispute_desk"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="dispute_due"),
            models.Index(fields=["order", "-id"], name="dispute_order"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def is_appeal(self) -> bool:
        """Whether the next decision is the second and last one."""
        return self.appealed_at is not None


class DisputePiece(models.Model):
    """One reported piece: a key, or the whole line (`key` None).

    `is_taken` says that no other case may be about it: while this one is open, and after it was decided, unless the piece
    was replaced as a whole. `given_by` is the key that the buyer has now instead.
    """

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="pieces", verbose_name=_("售后单"))
    line = models.ForeignKey(
        OrderLine, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("订单商品")
    )
    key = models.ForeignKey(
        Key, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("卡密")
    )
    replacement = models.ForeignKey(
        Key, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("换新的卡密")
    )
    is_taken = models.BooleanField(_("占用"), default=True)
    refunded = models.DecimalField(_("已退"), max_digits=12, decimal_places=2, default=0)

    class Meta:
        verbose_name = _("售后的卡密")
        verbose_name_plural = pgettext_lazy("plural", "售后的卡密")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(is_taken=True, key__isnull=False), name="dispute_piece_once"
            ),
            models.UniqueConstraint(
                fields=["line"], condition=Q(is_taken=True, key=None), name="dispute_whole_line_once"
            ),
            models.UniqueConstraint(
                fields=["replacement"], condition=Q(replacement__isnull=False), name="dispute_replacement_once"
            ),
            models.CheckConstraint(condition=Q(refunded__gte=0), name="dispute_piece_refunded_not_negative"),
        ]

    def __str__(self) -> str:
        return str(self.key_id or self.line_id)


class DisputeMove(models.Model):
    """Everything that happened in a case: moves, words, decisions; written in the transaction of what it tells."""

    class Party(models.TextChoices):
        BUYER = "buyer", _("买家")
        SELLER = "seller", _("卖家")
        OPERATOR = "operator", _("平台")
        SYSTEM = "system", _("系统")

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="moves", verbose_name=_("售后单"))
    from_state = models.CharField(_("原状态"), max_length=10, blank=True)
    to_state = models.CharField(_("新状态"), max_length=10, choices=Dispute.State)
    cause = models.CharField(_("起因"), max_length=30)
    party = models.CharField(_("谁"), max_length=8, choices=Party)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    text = models.TextField(_("内容"), blank=True)
    outcome = models.CharField(_("结果"), max_length=8, choices=Dispute.Outcome, blank=True)
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2, null=True)
    due_at = models.DateTimeField(_("截止时间"), null=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("售后历史")
        verbose_name_plural = pgettext_lazy("plural", "售后历史")
        ordering = ["id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class DisputePicture(models.Model):
    """A picture that somebody added, drawn anew and sealed: keys may be seen on it. Bound to its row like a key."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.CharField(_("公开编号"), max_length=22, unique=True, default=public_id, editable=False)
    move = models.ForeignKey(DisputeMove, on_delete=models.PROTECT, related_name="pictures", verbose_name=_("售后历史"))
    data_key = models.ForeignKey(DataKey, on_delete=models.PROTECT, related_name="+", verbose_name=_("数据密钥"))
    sealed = models.BinaryField(_("密文"))
    width = models.PositiveIntegerField(_("宽"))
    height = models.PositiveIntegerField(_("高"))

    class Meta:
        verbose_name = _("售后图片")
        verbose_name_plural = pgettext_lazy("plural", "售后图片")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.public_id
