"""Money that goes back to whoever paid it."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models import OrderRefund
from payments.models.paying import Channel, PaymentAttempt

WITHIN_PAID = """
DECLARE
    paid numeric;
    given numeric;
BEGIN
    IF NEW.attempt_id IS NULL THEN
        RETURN NULL;
    END IF;
    IF NEW.state = 'refused' OR (TG_OP = 'UPDATE' AND OLD.state <> 'refused'
        AND NEW.amount <= OLD.amount AND NEW.attempt_id = OLD.attempt_id) THEN
        RETURN NULL;
    END IF;
    -- Whoever else gives money of this attempt back waits here, and then counts this.
    SELECT paid_amount INTO paid FROM payments_paymentattempt WHERE id = NEW.attempt_id FOR UPDATE;
    SELECT COALESCE(SUM(amount), 0) INTO given FROM payments_refund
    WHERE attempt_id = NEW.attempt_id AND state <> 'refused';
    IF given > COALESCE(paid, 0) THEN
        RAISE EXCEPTION 'refunds of attempt % come to % of %', NEW.attempt_id, given, COALESCE(paid, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_paid';
    END IF;
    RETURN NULL;
END;
"""


class Refund(models.Model):
    """Money of one attempt on its way back to its payer. Its number goes to the gateway, stored before the call; a result
    that is not known is asked for under the same number, and there is never another for the same money."""

    class State(models.TextChoices):
        CREATED = "created", _("待发送")
        SENT = "sent", _("发送中")
        UNKNOWN = "unknown", _("等待渠道结果")
        DONE = "done", _("已退回")
        REFUSED = "refused", _("渠道未受理")

    MOVES = {
        State.CREATED: {State.SENT, State.REFUSED},
        State.SENT: {State.UNKNOWN, State.DONE, State.REFUSED},
        # Sent again under the same number, when the gateway says that it has no such refund.
        State.UNKNOWN: {State.SENT, State.DONE, State.REFUSED},
        State.DONE: set(),
        State.REFUSED: set(),
    }
    OPEN = (State.CREATED, State.SENT, State.UNKNOWN)

    id = models.BigAutoField(primary_key=True)
    number = models.CharField(_("退款单号"), max_length=32, unique=True)
    # What asked for it: of each there is one.
    ref = models.CharField(_("业务编号"), max_length=80, unique=True)
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, null=True, related_name="refunds", verbose_name=_("支付单")
    )
    # Of money that came under a number which nobody knows, instead of an attempt: the transfer that booked it, the channel
    # that holds it, and the names that the gateway gave it.
    transfer_id = models.BigIntegerField(_("待认领款项"), null=True)
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("支付渠道")
    )
    paid_number = models.CharField(_("来款单号"), max_length=200, blank=True)
    paid_txn = models.CharField(_("来款流水号"), max_length=64, blank=True)
    # Null: not for what was sold, but for money that the buyer has in the shop, such as what was paid too much.
    order_refund = models.ForeignKey(
        OrderRefund, on_delete=models.PROTECT, null=True, related_name="parts", verbose_name=_("订单退款")
    )
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    # What was taken back of the gift that a top-up had brought; given again when the gateway refuses.
    bonus = models.DecimalField(_("收回赠送"), max_digits=12, decimal_places=2, default=0, db_default=0)
    state = models.CharField(_("状态"), max_length=10, choices=State, default=State.CREATED)
    provider_refund = models.CharField(_("渠道退款号"), max_length=64, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    created_at = models.DateTimeField(_("创建时间"))
    sent_at = models.DateTimeField(_("发送时间"), null=True)
    settled_at = models.DateTimeField(_("完成时间"), null=True)
    asked_count = models.PositiveSmallIntegerField(_("查询次数"), default=0)
    # When the gateway is next told or asked; null: settled, or left to staff.
    ask_at = models.DateTimeField(_("下次查询时间"), null=True)
    last_error = models.CharField(_("最近的答复"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("渠道退款")
        verbose_name_plural = pgettext_lazy("plural", "渠道退款")
        permissions = [("send_back", _("原路退回多付的款项")), ("settle_refund", _("人工登记退款结果"))]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0, bonus__gte=0), name="refund_positive"),
            models.CheckConstraint(
                condition=Q(attempt__isnull=False, transfer_id=None, channel=None)
                | Q(attempt=None, transfer_id__isnull=False, channel__isnull=False, order_refund=None, bonus=0),
                name="refund_of_one_thing",
            ),
            models.UniqueConstraint(
                fields=["transfer_id"], condition=~Q(state="refused"), name="refund_unclaimed_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "refused"], settled_at__isnull=False, ask_at=None)
                | Q(state__in=["created", "sent", "unknown"], settled_at=None),
                name="refund_settled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="created", sent_at=None)
                | Q(state="refused")
                | Q(state__in=["sent", "unknown", "done"], sent_at__isnull=False),
                name="refund_sent_has_time",
            ),
        ]
        indexes = [models.Index(fields=["ask_at"], condition=Q(ask_at__isnull=False), name="refund_to_ask")]
        triggers = [
            pgtrigger.Trigger(
                name="refund_within_paid",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=WITHIN_PAID,
            )
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def gateway(self) -> Channel:
        return self.channel if self.attempt is None else self.attempt.channel

    @property
    def payment_number(self) -> str:
        """Our number of the payment, or the one that nobody knows."""
        return self.paid_number if self.attempt is None else self.attempt.number

    @property
    def payment_txn(self) -> str:
        return self.paid_txn if self.attempt is None else self.attempt.provider_txn


class RefundMove(models.Model):
    """A change of a refund's state, written in the transaction of the change."""

    id = models.BigAutoField(primary_key=True)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="moves", verbose_name=_("渠道退款"))
    from_state = models.CharField(_("原状态"), max_length=10, blank=True)
    to_state = models.CharField(_("新状态"), max_length=10, choices=Refund.State)
    actor_id = models.BigIntegerField(_("操作者编号"), null=True)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("退款历史")
        verbose_name_plural = pgettext_lazy("plural", "退款历史")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
