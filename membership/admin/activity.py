"""The activity ledger, to read: what counted, what did not, and why."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from common.admin import DayRangeFilter, ReadOnlyAdmin, chip, display, money, when
from membership.models import Activity
from membership.rules.catalogue import METRICS
from membership.rules.describe import exclusion_name


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "shown_user", "shown_metric", "shown_amount", "quantity", "category", "counts", "source_ref"]  # fmt: skip
    list_filter = ["valid", "metric", ("occurred_at", DayRangeFilter)]
    list_select_related = ["member__user"]
    search_fields = ["=member__user__username", "=source_ref", "=subject"]
    search_help_text = _("按用户名、来源或所属精确查找，例如 order:12")
    ordering = ["-id"]
    fields = [
        "shown_at",
        "shown_recorded",
        "shown_user",
        "shown_metric",
        "shown_amount",
        "quantity",
        "category",
        "counts",
        "source_ref",
        "subject",
        "reverses",
    ]
    export_columns = [
        "occurred_at", "recorded_at", "member", "metric", "amount", "quantity", "category", "valid", "invalid_reason",
        "source_ref", "subject", "reverses",
    ]  # fmt: skip

    @display(description=_("发生时间"), ordering="occurred_at")
    def shown_at(self, row: Activity):
        return when(row.occurred_at)

    @display(description=_("记录时间"))
    def shown_recorded(self, row: Activity):
        return when(row.recorded_at)

    @display(description=_("用户"))
    def shown_user(self, row: Activity) -> str:
        return str(row.member.user)

    @display(description=_("指标"))
    def shown_metric(self, row: Activity):
        return METRICS[row.metric].label if row.metric in METRICS else row.metric

    @display(description=_("金额"))
    def shown_amount(self, row: Activity):
        return money(row.amount, signed=True) if row.amount else "–"

    @display(description=_("计入"))
    def counts(self, row: Activity):
        return chip(_("计入"), "success") if row.valid else chip(exclusion_name(row.invalid_reason), "warning")
