"""What a program may pay from its owner's wallet."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import ApiToken


class TokenAllowance(models.Model):
    """So much may one token pay, by payment and by day (Shanghai): the owner's yes, given beforehand. `spent` is of `day`."""

    token = models.OneToOneField(
        ApiToken, on_delete=models.CASCADE, primary_key=True, related_name="allowance", verbose_name=_("令牌")
    )
    once = models.DecimalField(_("每笔最多（元）"), max_digits=14, decimal_places=2)
    daily = models.DecimalField(_("每天最多（元）"), max_digits=14, decimal_places=2)
    day = models.DateField(_("日期"), null=True)
    spent = models.DecimalField(_("当天已付（元）"), max_digits=14, decimal_places=2, default=0)
    since = models.DateTimeField(_("设置时间"))

    class Meta:
        verbose_name = _("令牌付款限额")
        verbose_name_plural = pgettext_lazy("plural", "令牌付款限额")
        constraints = [
            models.CheckConstraint(condition=Q(once__gte=0, once__lte=F("daily")), name="allowance_once_within_daily"),
            models.CheckConstraint(condition=Q(spent__gte=0), name="allowance_spent_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.token_id} {self.once} / {self.daily}"
