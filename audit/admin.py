"""The audit log, to read. Also hands the base admin, which lies below this room, the pen to write it with."""

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEntry
from audit.services import record
from common.admin import DayRangeFilter, ReadOnlyAdmin, display, when
from common.registries import act_names, set_recorder

set_recorder(record)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "actor", "act", "target", "summary", "address"]
    list_filter = [("at", DayRangeFilter)]
    search_fields = ["=actor", "=action", "=target_id"]
    search_help_text = _("按操作者、操作代码或对象编号精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "actor", "actor_id", "act", "action", "target", "address", "shown_detail"]
    readonly_fields = fields
    export_columns = ["at", "actor", "actor_id", "action", "target_type", "target_id", "address", "detail"]

    @display(description=_("时间"))
    def shown_at(self, entry: AuditEntry):
        return when(entry.at)

    @display(description=_("操作"))
    def act(self, entry: AuditEntry):
        return act_names.get(entry.action, entry.action)

    @display(description=_("对象"))
    def target(self, entry: AuditEntry) -> str:
        return f"{entry.target_type} {entry.target_id}".strip() or "–"

    @display(description=_("详情"))
    def summary(self, entry: AuditEntry) -> str:
        text = json.dumps(entry.detail, ensure_ascii=False) if entry.detail else ""
        return text if len(text) <= 80 else f"{text[:80]}…"

    @display(description=_("详情"))
    def shown_detail(self, entry: AuditEntry):
        return format_html('<pre class="desk-json">{}</pre>', json.dumps(entry.detail, ensure_ascii=False, indent=2))
