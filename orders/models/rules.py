"""What the operator sets about deliveries. One row, which a migration makes."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

ONLY_ID = 1


class DeliveryRules(models.Model):
    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY_ID, editable=False)
    short_refund_hours = models.PositiveSmallIntegerField(
        _("缺货自动退款时限（小时）"),
        default=24,
        help_text=_(
            "自付款起算，到时还没补齐的部分自动退款：会员退到余额，游客退到订单名下。"
            "改动只对之后缺货的商品生效，已经在等的按买家当时看到的时间"
        ),
    )

    class Meta:
        verbose_name = _("发货规则")
        verbose_name_plural = pgettext_lazy("plural", "发货规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=ONLY_ID), name="delivery_rules_one_row"),
            models.CheckConstraint(
                condition=Q(short_refund_hours__range=(1, 720)),
                name="delivery_rules_hours",
                violation_error_message=_("时限须在 1 到 720 小时之间"),
            ),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)
