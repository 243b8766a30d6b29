"""Top-ups, to read."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import DayRangeFilter, ReadOnlyAdmin, chip, display, money, when
from payments.models import TopUp

TONES = {TopUp.State.UNPAID: "neutral", TopUp.State.PAID: "success", TopUp.State.CLOSED: "neutral"}


@admin.register(TopUp)
class TopUpAdmin(ReadOnlyAdmin):
    list_display = ["user", "shown_amount", "shown_credited", "shown_state", "shown_placed", "shown_paid"]
    list_display_links = ["user"]
    list_filter = ["state", ("placed_at", DayRangeFilter), ("paid_at", DayRangeFilter), "storefront"]
    list_select_related = ["user", "storefront"]
    search_fields = ["user__username"]
    search_help_text = _("按用户名开头查找")
    ordering = ["-id"]
    fields = [
        "user",
        ("shown_amount", "shown_credited"),
        "shown_state",
        ("shown_placed", "shown_deadline", "shown_paid"),
        "storefront",
    ]
    readonly_fields = [name for row in fields for name in (row if isinstance(row, tuple) else (row,))]
    export_columns = ["user", "amount", "credited", "state", "placed_at", "paid_at", "storefront"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        return (queryset.filter(user__username__istartswith=term.strip()) if term.strip() else queryset), False

    @display(description=_("金额"), ordering="amount")
    def shown_amount(self, top_up: TopUp):
        return money(top_up.amount)

    @display(description=_("到账金额"))
    def shown_credited(self, top_up: TopUp):
        return money(top_up.credited) if top_up.credited else "–"

    @display(description=_("状态"))
    def shown_state(self, top_up: TopUp):
        return chip(top_up.get_state_display(), TONES[TopUp.State(top_up.state)])

    @display(description=_("创建时间"))
    def shown_placed(self, top_up: TopUp):
        return when(top_up.placed_at)

    @display(description=_("支付截止"))
    def shown_deadline(self, top_up: TopUp):
        return when(top_up.pay_deadline)

    @display(description=_("到账时间"))
    def shown_paid(self, top_up: TopUp):
        return when(top_up.paid_at) or "–"
