"""Who wishes to be forgotten. To read: the wish is its owner's alone."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts.models import Erasure
from common.admin import DayRangeFilter, ReadOnlyAdmin, chip, display, moment

TONES = {Erasure.State.WAITING: "warning", Erasure.State.DONE: "success", Erasure.State.CANCELLED: "neutral"}


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "user", "shown_state", "shown_due", "hindered"]
    list_filter = ["state", ("asked_at", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["=user__username"]
    search_help_text = _("按用户名精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "user", "shown_state", "shown_due", "ended_at", "hindered"]
    export_columns = ["asked_at", "user", "state", "due_at", "ended_at", "hindered"]
    export_right = "accounts.export_people"

    @display(description=_("申请时间"))
    def shown_at(self, one: Erasure):
        return moment(one.asked_at)

    @display(description=_("执行时间"))
    def shown_due(self, one: Erasure):
        return moment(one.due_at)

    @display(description=_("状态"))
    def shown_state(self, one: Erasure):
        return chip(one.get_state_display(), TONES[one.state])
