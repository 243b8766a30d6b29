"""What money moved by one person's word (手工款项), counted by who gave it."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from audit.models import Approval


class ByHand(models.Model):
    """One act. `approval_id` is the second person's yes; without one it counts towards what the actor may do alone in a day."""

    class Act(models.TextChoices):
        ADJUST = "adjust", _("人工调整余额")
        CONFIRM = "confirm", _("人工确认到账")
        PAY_OUT = "pay_out", _("登记人工打款")
        GIVE = "give", _("待退款转给会员")
        REFUND_TOP_UP = "refund_top_up", _("登记充值退款")
        ASSIGN = "assign", _("认领款项")
        BOOK = "book", _("人工入账支付通知")
        REFUND_DONE = "refund_done", _("登记退款已退回")
        REFUND_REFUSED = "refund_refused", _("登记退款未退回")

    id = models.BigAutoField(primary_key=True)
    # What was asked for: a repeated act is the same one.
    ref = models.CharField(_("业务编号"), max_length=100, unique=True)
    act = models.CharField(_("操作"), max_length=20, choices=Act)
    actor = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("操作者")
    )
    amount = models.DecimalField(_("金额"), max_digits=14, decimal_places=2)
    target = models.CharField(_("对象"), max_length=200)
    # Whose money it is or becomes; none where nobody of the shop is known.
    owner_id = models.BigIntegerField(_("归属会员编号"), null=True)
    approval_id = models.BigIntegerField(_("复核申请"), null=True, unique=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("手工款项")
        verbose_name_plural = pgettext_lazy("plural", "手工款项")
        ordering = ["-id"]
        permissions = [("approve_by_hand", _("复核大额手工款项"))]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="by_hand_amount_positive")]
        indexes = [models.Index(fields=["actor", "at"], name="by_hand_actor_day")]

    def __str__(self) -> str:
        return f"{self.get_act_display()} ¥{self.amount}"


class ByHandApproval(Approval):
    """Such an act that waits for a second person."""

    class Meta:
        proxy = True
        verbose_name = _("大额手工款项")
        verbose_name_plural = pgettext_lazy("plural", "大额手工款项")

    @property
    def act(self) -> str:
        return str(ByHand.Act(self.detail["act"]).label)

    @property
    def amount(self) -> Decimal:
        return Decimal(self.detail["amount"])

    @property
    def what(self) -> str:
        return str(self.detail["name"])

    @property
    def owner_id(self) -> int:
        """The member whose money it is or becomes; 0 where nobody of the shop is known."""
        return self.detail.get("owner", 0)

    @property
    def order(self) -> str:
        """The number of the order that it is about; empty where it is about none."""
        return self.detail.get("order", "")
