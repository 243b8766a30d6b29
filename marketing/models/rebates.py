"""Monthly rebates (返利): what a program promises, what each member got of it, and what later news took back or added.

The spend of a month is what counts for tiers, dated by the payment: membership's daily sums, so that refunds, excluded
goods and found-out wash trades lower it. Months are Shanghai months, written as their first day.
"""

import pgtrigger
from django.contrib.auth.models import Group
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from common.texts import in_language
from tenancy.models import Storefront

# Every statement of a deferred trigger sees what others committed while it waited for the program's row.
RATES_RISE = """
BEGIN
    PERFORM 1 FROM marketing_rebateprogram WHERE id = NEW.program_id FOR UPDATE;
    IF EXISTS (
        SELECT 1 FROM marketing_rebatestep low JOIN marketing_rebatestep high
        ON high.program_id = low.program_id AND high.amount > low.amount
        WHERE low.program_id = NEW.program_id AND high.rate <= low.rate
    ) THEN
        RAISE EXCEPTION 'the rates of rebate program % do not rise', NEW.program_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'rebate_rates_rise';
    END IF;
    RETURN NULL;
END;
"""


def _one_or_all(column: str) -> Func:
    """A column as a range of one number, 0 for none: GiST compares ranges without an extension."""
    number = Coalesce(F(column), Value(0))
    return Func(number, number, Value("[]"), function="int8range")


class RebateProgram(models.Model):
    """For whom and for which months there is a rebate. `last_month` is included; none: until further notice."""

    storefront = models.ForeignKey(
        Storefront,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("店铺"),
        help_text=_("留空计全平台的有效消费；选分站时，该分站须有自己的会员计划"),
    )
    group = models.ForeignKey(
        Group,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("会员组"),
        help_text=_("只给这个组的会员，例如“商户”；留空表示所有会员"),
    )
    name = models.CharField(_("名称"), max_length=40)
    name_en = models.CharField(_("英文名称"), max_length=60, blank=True)
    first_month = models.DateField(_("首月"), help_text=_("填该月 1 日"))
    last_month = models.DateField(_("末月"), null=True, blank=True, help_text=_("填该月 1 日，含当月；留空不限"))
    pay_day = models.PositiveSmallIntegerField(
        _("发放日"), default=8, help_text=_("次月几号发放，1 到 28；给退款和延迟发货留出时间")
    )
    is_active = models.BooleanField(_("启用"), default=True)

    class Meta:
        verbose_name = _("返利计划")
        verbose_name_plural = pgettext_lazy("plural", "返利计划")
        ordering = ["-first_month", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(first_month__day=1) & (Q(last_month=None) | Q(last_month__day=1)),
                name="rebate_program_whole_months",
                violation_error_message=_("首月和末月填该月 1 日"),
            ),
            models.CheckConstraint(
                condition=Q(last_month=None) | Q(last_month__gte=F("first_month")),
                name="rebate_program_ends_after_it_begins",
                violation_error_message=_("末月不能早于首月"),
            ),
            models.CheckConstraint(
                condition=Q(pay_day__gte=1, pay_day__lte=28),
                name="rebate_program_pay_day",
                violation_error_message=_("发放日填 1 到 28"),
            ),
            ExclusionConstraint(
                name="rebate_programs_apart",
                expressions=[
                    (_one_or_all("storefront"), "&&"),
                    (_one_or_all("group"), "&&"),
                    (Func(F("first_month"), F("last_month"), Value("[]"), function="daterange"), "&&"),
                ],
                condition=Q(is_active=True),
                violation_error_message=_("同一店铺、同一会员组已有时间重叠的返利计划"),
            ),
        ]

    def __str__(self) -> str:
        return in_language(self.name, self.name_en)


class RebateStep(models.Model):
    """From this spend in a month on, this rate of the whole amount."""

    program = models.ForeignKey(
        RebateProgram, on_delete=models.CASCADE, related_name="steps", db_index=False, verbose_name=_("返利计划")
    )
    amount = models.DecimalField(_("月有效消费满"), max_digits=12, decimal_places=2)
    rate = models.DecimalField(_("返利比例"), max_digits=5, decimal_places=4)

    class Meta:
        verbose_name = _("返利档位")
        verbose_name_plural = pgettext_lazy("plural", "返利档位")
        ordering = ["amount"]
        constraints = [
            models.UniqueConstraint(fields=["program", "amount"], name="rebate_step_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="rebate_step_amount"),
            models.CheckConstraint(condition=Q(rate__gt=0, rate__lte=1), name="rebate_step_rate"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="rates_rise",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                timing=pgtrigger.Deferred,
                func=RATES_RISE,
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount}: {self.rate}"


class Rebate(models.Model):
    """What a member got for a month, once. `steps` are the program's at the time, [["10000.00", "0.0300"], …].

    `amount` is what the month's spend (`base`) earned; `carried` is what was left to settle from before, negative where
    refunds took back more than there was; `paid` went into the wallet. The rest of a negative sum waits for the next.
    """

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="rebates", db_index=False, verbose_name=_("会员")
    )
    month = models.DateField(_("月份"))
    program = models.ForeignKey(
        RebateProgram, on_delete=models.PROTECT, related_name="rebates", verbose_name=_("返利计划")
    )
    steps = models.JSONField(_("档位"))
    base = models.DecimalField(_("有效消费"), max_digits=14, decimal_places=2)
    rate = models.DecimalField(_("返利比例"), max_digits=5, decimal_places=4)
    amount = models.DecimalField(_("当月返利"), max_digits=14, decimal_places=2)
    carried = models.DecimalField(_("上期结转"), max_digits=14, decimal_places=2)
    paid = models.DecimalField(_("已发放"), max_digits=14, decimal_places=2)
    at = models.DateTimeField(_("结算时间"))

    class Meta:
        verbose_name = _("返利")
        verbose_name_plural = pgettext_lazy("plural", "返利")
        permissions = [("pay_rebates", _("预览并发放返利")), ("export_rebate", _("导出返利"))]
        constraints = [
            models.UniqueConstraint(fields=["user", "month"], name="rebate_once_a_month"),
            models.CheckConstraint(condition=Q(month__day=1), name="rebate_whole_month"),
            models.CheckConstraint(
                condition=Q(base__gte=0, rate__gte=0, rate__lte=1, amount__gte=0), name="rebate_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(paid=Greatest(F("amount") + F("carried"), Value(0, models.DecimalField()))),
                name="rebate_paid_is_what_is_left",
            ),
        ]
        indexes = [models.Index(fields=["month", "-amount"], name="rebate_by_month")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.user_id} {self.month:%Y-%m}"


class RebateCorrection(models.Model):
    """The spend of a settled month has changed: `amount` is what that changes, settled with the next rebate."""

    id = models.BigAutoField(primary_key=True)
    rebate = models.ForeignKey(
        Rebate, on_delete=models.PROTECT, related_name="corrections", db_index=False, verbose_name=_("返利")
    )
    number = models.PositiveSmallIntegerField(_("第几次"))
    base = models.DecimalField(_("更正后有效消费"), max_digits=14, decimal_places=2)
    amount = models.DecimalField(_("更正金额"), max_digits=14, decimal_places=2)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("返利更正")
        verbose_name_plural = pgettext_lazy("plural", "返利更正")
        constraints = [
            models.UniqueConstraint(fields=["rebate", "number"], name="rebate_correction_numbered"),
            models.CheckConstraint(condition=~Q(amount=0) & Q(base__gte=0), name="rebate_correction_says_something"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.rebate_id} {self.amount:+}"
