"""What benefits need to remember: birthdays, and which points a delivered line gave back."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User


class Birthday(models.Model):
    """A member says it once; `month_day` is month × 100 + day, by which a day's gifts are found."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="birthday", verbose_name=_("用户")
    )
    day = models.DateField(_("生日"))
    month_day = models.PositiveSmallIntegerField(_("月日"), db_index=True, editable=False)
    told_at = models.DateTimeField(_("填写时间"), editable=False)

    class Meta:
        verbose_name = _("生日")
        verbose_name_plural = pgettext_lazy("plural", "生日")
        constraints = [
            models.CheckConstraint(condition=Q(month_day__gte=101, month_day__lte=1231), name="birthday_month_day")
        ]

    def __str__(self) -> str:
        return f"{self.day}"


class PointsBack(models.Model):
    """The points of one order line. Delivery and refunds may be heard of in any order; `rate` is empty until delivery.

    `refunds` maps the reference of each refund to its yuan, so that one told twice counts once.
    """

    line_id = models.BigIntegerField(_("订单商品编号"), primary_key=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("用户"))
    cash = models.DecimalField(_("实付"), max_digits=12, decimal_places=2)
    rate = models.DecimalField(_("每元积分"), max_digits=10, decimal_places=4, null=True)
    refunds = models.JSONField(_("退款"), default=dict)
    granted = models.PositiveIntegerField(_("已返"), default=0)
    taken_back = models.PositiveIntegerField(_("已收回"), default=0)

    class Meta:
        verbose_name = _("消费返积分")
        verbose_name_plural = pgettext_lazy("plural", "消费返积分")
        constraints = [
            models.CheckConstraint(condition=Q(taken_back__lte=models.F("granted")), name="points_back_within_granted")
        ]

    def __str__(self) -> str:
        return f"{self.line_id}"
