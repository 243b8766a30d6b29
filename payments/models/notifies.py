"""What gateways sent, and the money that they hold for us by their own numbers."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from payments.models.paying import Channel, PaymentAttempt


class NotifyLog(models.Model):
    """What a gateway sent, kept as it came before anything was done with it.

    `number`, `provider_txn` and `amount` are what a genuinely signed notify of a payment says; empty where it was not.
    """

    class Verdict(models.TextChoices):
        RECEIVED = "received", _("已接收")
        REJECTED = "rejected", _("已拒绝")
        WAITING = "waiting", _("待确认")
        HELD = "held", _("待人工核对")
        APPLIED = "applied", _("已处理")
        REPEATED = "repeated", _("重复")
        IGNORED = "ignored", _("无需处理")

    # Why one is held: its gateway cannot be asked; its number is another channel's, or none of ours; it tells of a second
    # payment under a number that was paid, which the gateway does not confirm; its transaction was booked for something
    # else, or of another amount.
    FOR_STAFF, ANOTHER_CHANNEL, STRANGE_NUMBER, SECOND = "for_staff", "another_channel", "strange_number", "second"
    TAKEN, BOOKED_AMOUNT = "transaction_taken", "booked_amount"
    # Kept for staff without the word that the gateway waits for: whoever has its key could say this of anything.
    NOT_ACKNOWLEDGED = (ANOTHER_CHANNEL, TAKEN, BOOKED_AMOUNT)

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("支付渠道")
    )
    attempt_id = models.BigIntegerField(_("支付单编号"), null=True)
    http_method = models.CharField(_("请求方法"), max_length=8)
    raw = models.TextField(_("原文"))
    # Those that its signature is over or in.
    headers = models.JSONField(_("请求头"), default=dict, db_default={})
    address = models.GenericIPAddressField(_("网络地址"), null=True)
    received_at = models.DateTimeField(_("接收时间"))
    verdict = models.CharField(_("结论"), max_length=10, choices=Verdict, default=Verdict.RECEIVED)
    reason = models.CharField(_("原因"), max_length=120, blank=True)
    number = models.CharField(_("支付单号"), max_length=64, blank=True, default="", db_default="")
    provider_txn = models.CharField(_("渠道流水号"), max_length=64, blank=True, default="", db_default="")
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2, null=True)

    class Meta:
        verbose_name = _("支付通知")
        verbose_name_plural = pgettext_lazy("plural", "支付通知")
        permissions = [("assign_unclaimed", _("认领无主款项")), ("dismiss_notify", _("驳回支付通知"))]
        constraints = [
            models.CheckConstraint(
                condition=~Q(verdict="held") | Q(amount__gt=0) & ~Q(number="") & ~Q(provider_txn=""),
                name="notify_held_has_facts",
            ),
        ]
        indexes = [
            models.Index(fields=["channel", "-id"], name="notify_channel"),
            models.Index(fields=["received_at"], name="notify_received"),
            models.Index(fields=["attempt_id", "-id"], condition=Q(attempt_id__isnull=False), name="notify_attempt"),
            models.Index(fields=["id"], condition=Q(verdict__in=["received", "waiting", "held"]), name="notify_open"),
            models.Index(fields=["provider_txn"], condition=~Q(provider_txn=""), name="notify_transaction"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class GatewayTransaction(models.Model):
    """Money that a gateway holds for one of its merchants, booked once, through whichever of our channels it was told.

    `gateway` and `merchant` are `payments.gateways.merchant_of` at the time; without an attempt, nobody expected it.
    """

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(
        Channel, on_delete=models.PROTECT, db_index=False, related_name="+", verbose_name=_("支付渠道")
    )
    gateway = models.CharField(_("网关"), max_length=255)
    merchant = models.CharField(_("商户号"), max_length=60, blank=True)
    provider_txn = models.CharField(_("渠道流水号"), max_length=64)
    amount = models.DecimalField(_("金额"), max_digits=12, decimal_places=2)
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, null=True, related_name="transactions", verbose_name=_("支付单")
    )
    transfer_id = models.BigIntegerField(_("转账编号"), unique=True)
    booked_at = models.DateTimeField(_("入账时间"))

    class Meta:
        verbose_name = _("渠道流水")
        verbose_name_plural = pgettext_lazy("plural", "渠道流水")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "merchant", "provider_txn"], name="transaction_once_per_merchant"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="transaction_positive"),
        ]
        indexes = [models.Index(fields=["channel", "booked_at"], name="transaction_channel_booked")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.provider_txn
