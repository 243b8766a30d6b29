"""Members who are stored otherwise than they should be: for somebody to look at, understand and close."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from audit.selectors import history_of
from common.admin import DayRangeFilter, Fact, Preview, ReadOnlyAdmin, action, allowed, ask, chip, display, when
from common.admin.confirm import Answer
from common.registries import act_names, timelines
from membership.models import Difference
from membership.services import close_difference

act_names["membership.difference.close"] = gettext_lazy("关闭等级差异")
timelines.add("membership.Difference", lambda row, viewer: history_of(row))


class OpenFilter(admin.SimpleListFilter):
    """`?state=open`: those that wait for somebody."""

    title = gettext_lazy("状态")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("open", gettext_lazy("待处理")), ("over", gettext_lazy("已结束"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() in ("open", "over"):
            return queryset.filter(cleared_at__isnull=self.value() == "open")
        return queryset


class CloseForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("核对结果"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=gettext_lazy("写明原因和处理办法，例如“汇总漏记一笔退款，已重新评定”。"),
    )


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdmin):
    list_display = ["shown_found", "shown_user", "shown_kind", "state", "shown_seen", "closer"]
    list_filter = [OpenFilter, "kind", ("found_at", DayRangeFilter)]
    list_select_related = ["member__user", "closer"]
    search_fields = ["=member__user__username"]
    search_help_text = gettext_lazy("按用户名精确查找")
    ordering = ["-id"]
    fields = ["page", "shown_kind", "state", "shown_found", "shown_seen", "run", "shown_over", "closer", "note", "what"]
    actions_detail = ["close"]
    export_columns = ["found_at", "seen_at", "member", "kind", "cleared_at", "closer", "note"]
    has_close_permission = allowed("membership.close_difference")

    def fitting_acts(self, row: Difference, user: User) -> Collection[str]:
        return self.actions_detail if row.cleared_at is None else []

    @display(description=gettext_lazy("发现时间"), ordering="id")
    def shown_found(self, row: Difference):
        return when(row.found_at)

    @display(description=gettext_lazy("最近一次看到"))
    def shown_seen(self, row: Difference):
        return when(row.seen_at)

    @display(description=gettext_lazy("结束时间"))
    def shown_over(self, row: Difference):
        return when(row.cleared_at) or "–"

    @display(description=gettext_lazy("用户"))
    def shown_user(self, row: Difference) -> str:
        return str(row.member.user)

    @display(description=gettext_lazy("用户"))
    def page(self, row: Difference) -> SafeString:
        address = reverse("admin:membership_membertier_change", args=[row.member_id])
        return format_html('<a class="desk-link" href="{}">{}</a>', address, row.member.user)

    @display(description=gettext_lazy("类型"))
    def shown_kind(self, row: Difference):
        return row.get_kind_display()

    @display(description=gettext_lazy("状态"))
    def state(self, row: Difference):
        if row.cleared_at is None:
            return chip(_("待处理"), "danger")
        return chip(_("已关闭"), "neutral") if row.closer_id else chip(_("已恢复一致"), "success")

    @display(description=gettext_lazy("内容"))
    def what(self, row: Difference) -> SafeString:
        rows = [(name, *_pair(value)) for name, value in row.detail.items()]
        return SafeString(render_to_string("membership/admin/difference.html", {"rows": rows}))

    @action(description=gettext_lazy("关闭"), icon="check", permissions=["close"])
    def close(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self.one(request, object_id)

        def run(answer: Answer) -> str:
            close_difference(difference_id=row.pk, actor=request.user, note=answer.data["note"])
            return _("已关闭；下次核对若仍不一致，会再次提出")

        facts = [Fact(_("用户"), row.member.user), Fact(_("类型"), row.get_kind_display())]
        preview = Preview(
            facts=facts, warnings=[_("这里不会改动会员的等级或汇总；要改请在会员页面重新评定。")], submit=_("关闭")
        )
        return ask(
            self,
            request,
            title=_("关闭等级差异"),
            form=partial(CloseForm),
            preview=lambda answer: preview,
            run=run,
            target=row,
            danger=False,
        )


def _pair(value: Any) -> tuple[Any, Any]:
    """(what is stored, what it should be); a lone value says what was looked at."""
    return (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (value, "")
