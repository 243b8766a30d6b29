"""The audit log, to read. Also hands the base admin, which lies below this room, the pen to write it with."""

from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEntry
from audit.services import record
from audit.words import in_words
from common.admin import DayRangeFilter, ReadOnlyAdmin, display, when
from common.registries import act_names, set_recorder

set_recorder(record)
SHOWN = 90


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "actor", "act", "target", "summary", "address"]
    list_filter = [("at", DayRangeFilter)]
    search_fields = ["=actor", "=action", "=target_id"]
    search_help_text = _("按操作者、操作代码或对象编号精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "actor", "actor_id", "act", "code", "target", "address", "shown_detail"]
    readonly_fields = fields
    export_columns = ["at", "actor", "actor_id", "action", "target_type", "target_id", "address", "detail"]

    @display(description=_("时间"))
    def shown_at(self, entry: AuditEntry):
        return when(entry.at)

    @display(description=_("操作"))
    def act(self, entry: AuditEntry):
        return act_names.get(entry.action, entry.action)

    @display(description=_("操作代码"))
    def code(self, entry: AuditEntry) -> str:
        return entry.action

    @display(description=_("对象"))
    def target(self, entry: AuditEntry) -> SafeString | str:
        return target_of(entry)

    @display(description=_("详情"))
    def summary(self, entry: AuditEntry) -> str:
        text = " · ".join(f"{name} {value}" for name, value in in_words(entry))
        return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

    @display(description=_("详情"))
    def shown_detail(self, entry: AuditEntry):
        rows = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", in_words(entry))
        return format_html('<dl class="desk-facts">{}</dl>', rows) if rows else "–"


def target_of(entry: AuditEntry) -> SafeString | str:
    """What the act was done to, by its name and id; a link where the admin has a page for it."""
    try:
        model = apps.get_model(entry.target_type)
    except (LookupError, ValueError):
        return f"{entry.target_type} {entry.target_id}".strip() or "–"
    name = f"{model._meta.verbose_name} {entry.target_id}".strip()
    if not entry.target_id or not admin.site.is_registered(model):
        return name
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[entry.target_id])
    return format_html('<a class="desk-link" href="{}">{}</a>', page, name)
