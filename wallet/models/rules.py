"""What the operator sets about cards and credit. One row, which a migration makes."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class WalletRules(models.Model):
    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    card_review_above = models.DecimalField(
        _("制卡复核金额"),
        max_digits=12,
        decimal_places=2,
        default=1000,
        help_text=_(
            "同一名员工一天内未经复核的制卡总面值加上这一批超过这个金额时，要由另一名员工复核后才会生成卡号；0 表示都要复核"
        ),
    )
    by_hand_daily = models.DecimalField(
        _("单人每日手工款项限额"),
        max_digits=12,
        decimal_places=2,
        default=5000,
        help_text=_(
            "调增余额、人工确认到账和入账、登记打款和退款、登记原路退回的结果、认领和转出待退款，"
            "同一名员工一天内的合计超过这个金额时，要由另一名员工复核；0 表示每一笔都要复核"
        ),
    )
    credit_warn_days = models.PositiveSmallIntegerField(
        _("还款提醒（天）"), default=3, help_text=_("授信的还款日之前这么多天提醒会员")
    )

    class Meta:
        verbose_name = _("钱包规则")
        verbose_name_plural = pgettext_lazy("plural", "钱包规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="wallet_rules_one_row"),
            models.CheckConstraint(
                condition=Q(by_hand_daily__gte=0),
                name="wallet_rules_by_hand",
                violation_error_message=_("金额不能为负"),
            ),
            models.CheckConstraint(
                condition=Q(card_review_above__gte=0),
                name="wallet_rules_card_review",
                violation_error_message=_("金额不能为负"),
            ),
        ]

    def __str__(self) -> str:
        return str(_("钱包规则"))
