"""Nudges and what came of them: counted by kind over what the list's filters show, every row to export."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.admin import DayRangeFilter, ReadOnlyAdmin, chip, display, moment
from membership.models import Nudge
from membership.selectors import nudge_effects


@admin.register(Nudge)
class NudgeAdmin(ReadOnlyAdmin):
    list_display = ["shown_shown", "user", "kind", "came_of_it", "shown_clicked", "shown_converted"]
    list_filter = ["kind", ("shown_at", DayRangeFilter)]
    list_select_related = ["user"]
    list_before_template = "membership/admin/nudge_effects.html"
    search_fields = ["=user__username"]
    search_help_text = gettext_lazy("按用户名精确查找")
    ordering = ["-id"]
    fields = ["user", "storefront", "kind", "subject", "detail", "shown_at", "clicked_at", "converted_at"]
    export_columns = ["shown_at", "user", "kind", "subject", "clicked_at", "converted_at"]

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None) or {}
        if "cl" in context:
            context["effects"] = nudge_effects(context["cl"].queryset)
        return response

    @display(description=gettext_lazy("展示时间"))
    def shown_shown(self, nudge: Nudge):
        return moment(nudge.shown_at)

    @display(description=gettext_lazy("点击时间"))
    def shown_clicked(self, nudge: Nudge):
        return moment(nudge.clicked_at) or "–"

    @display(description=gettext_lazy("见效时间"))
    def shown_converted(self, nudge: Nudge):
        return moment(nudge.converted_at) or "–"

    @display(description=gettext_lazy("结果"))
    def came_of_it(self, nudge: Nudge):
        if nudge.converted_at is not None:
            return chip(_("见效"), "success")
        return chip(_("已点击"), "info") if nudge.clicked_at is not None else chip(_("未点击"), "neutral")
