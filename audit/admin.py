"""The audit log, to read. Also hands the base admin, which lies below this room, the pen to write it with."""

from functools import partial
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import Approval, AuditEntry, ChainCheck
from audit.selectors import alarming_checks, chain_state, history_of
from audit.services import record
from audit.words import fault_in_words, in_words
from common import clock
from common.admin import (
    DayRangeFilter,
    Fact,
    ModelAdmin,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    display,
    when,
)
from common.admin.confirm import Answer
from common.queue import send
from common.registries import act_names, set_recorder, timelines

set_recorder(record)
SHOWN = 90
act_names.update(
    {
        "approval.ask": _("申请"),
        "approval.approve": _("批准申请"),
        "approval.refuse": _("拒绝申请"),
        "approval.cancel": _("取消申请"),
        "approval.use": _("使用批准"),
        "approval.use_again": _("再次使用批准"),
        "approval.lapse": _("申请过期"),
        "audit.verify": _("核对审计链"),
    }
)
VERIFY_TASK = "audit.tasks.verify_chain"


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "actor", "act", "target", "summary", "address"]
    list_filter = [("at", DayRangeFilter)]
    search_fields = ["=actor", "=action", "=target_id"]
    search_help_text = _("按操作者、操作代码或对象编号精确查找")
    ordering = ["-id"]
    fields = ["shown_at", "actor", "actor_id", "act", "code", "target", "address", "shown_detail"]
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


class AlarmFilter(admin.SimpleListFilter):
    """The checks that the board raises the alarm for."""

    title = _("需要处理")
    parameter_name = "alarm"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, Any]]:
        return [("1", _("是"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ChainCheck]) -> QuerySet[ChainCheck]:
        return queryset.filter(pk__in=alarming_checks().values("pk")) if self.value() == "1" else queryset


@admin.register(ChainCheck)
class ChainCheckAdmin(ReadOnlyAdmin):
    """How the chain stands, and every look through it."""

    list_display = ["number", "began", "ended", "looked_at", "shown_faults"]
    list_display_links = ["number"]
    list_filter = [AlarmFilter, ("started_at", DayRangeFilter)]
    fields = ["began", "ended", "looked_at", "shown_faults", "shown_findings"]
    export_columns = ["id", "started_at", "finished_at", "position", "total", "faults", "findings"]
    actions_list = ["verify"]
    list_before_template = "audit/admin/chain.html"
    has_verify_permission = allowed("audit.verify_chain")

    @display(description=_("核对"), ordering="id")
    def number(self, check: ChainCheck) -> str:
        return f"#{check.pk}"

    @display(description=_("开始时间"), ordering="started_at")
    def began(self, check: ChainCheck):
        return when(check.started_at)

    @display(description=_("完成时间"), ordering="finished_at")
    def ended(self, check: ChainCheck):
        return when(check.finished_at) or chip(_("进行中"), "info")

    @display(description=_("已核对"))
    def looked_at(self, check: ChainCheck) -> str:
        return f"{check.position:,} / {check.total:,}"

    @display(description=_("问题"), ordering="faults")
    def shown_faults(self, check: ChainCheck) -> SafeString:
        return chip(f"{check.faults:,}", "danger" if check.faults else "success")

    @display(description=_("发现的问题"))
    def shown_findings(self, check: ChainCheck) -> SafeString | str:
        rows = format_html_join("", "<div><dt>{}</dt></div>", ((fault_in_words(one),) for one in check.findings))
        return format_html('<dl class="desk-facts">{}</dl>', rows) if rows else "–"

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        state = chain_state(at=clock.now())
        return super().changelist_view(request, {**(extra_context or {}), "chain": state})

    @action(description=_("立即核对"), url_path="verify", icon="policy", permissions=["verify"])
    def verify(self, request: HttpRequest) -> HttpResponse:
        preview = Preview(
            facts=[Fact(_("将核对"), _("整条审计链和所有锚点"), strong=True)],
            warnings=[_("由后台任务进行，结果会出现在列表里；进行中的核对会接着做。")],
            submit=_("开始核对"),
        )
        run = partial(self._verify, request)
        return ask(self, request, title=_("核对审计链"), preview=lambda answer: preview, run=run, danger=False)

    @staticmethod
    def _verify(request: HttpRequest, answer: Answer) -> str:
        with transaction.atomic():
            record(
                action="audit.verify",
                at=clock.now(),
                actor=request.user,
                target_type=ChainCheck._meta.label,
                address=request.client_address,
            )
            transaction.on_commit(lambda: send(VERIFY_TASK))
        return gettext("核对已经开始。")


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Everything that needs two persons, to read; the rooms decide on their own pages."""

    list_display = ["number", "shown_kind", "shown_reason", "asked_by", "asked", "decided_by", "state_chip"]
    list_display_links = ["number"]
    list_filter = ["state", ("asked_at", DayRangeFilter)]
    search_fields = ["=asked_by", "=decided_by", "=target_id"]
    search_help_text = _("按申请人、复核人或对象编号精确查找")
    fields = [
        "shown_kind",
        "shown_reason",
        "state_chip",
        "asked_by",
        "asked",
        "decided_by",
        "decided",
        "usable",
        "ends",
        "closed",
    ]
    export_columns = ["id", "kind", "reason", "asked_by", "asked_at", "decided_by", "decided_at", "state"]

    @display(description=_("申请"), ordering="id")
    def number(self, approval: Approval) -> str:
        return f"#{approval.pk}"

    @display(description=_("种类"))
    def shown_kind(self, approval: Approval):
        return act_names.get(approval.kind, approval.kind)

    @display(description=_("原因"))
    def shown_reason(self, approval: Approval) -> str:
        return approval.reason

    @display(description=_("状态"), ordering="state")
    def state_chip(self, approval: Approval) -> SafeString:
        return chip(approval.get_state_display(), approval.tone)

    @display(description=_("申请时间"), ordering="asked_at")
    def asked(self, approval: Approval):
        return when(approval.asked_at)

    @display(description=_("复核时间"))
    def decided(self, approval: Approval):
        return when(approval.decided_at) or "–"

    @display(description=_("可用时间"))
    def usable(self, approval: Approval):
        return when(approval.usable_from) or "–"

    @display(description=_("截止时间"))
    def ends(self, approval: Approval):
        return when(approval.ends_at)

    @display(description=_("结束时间"))
    def closed(self, approval: Approval):
        return when(approval.closed_at) or "–"


timelines.add("audit.Approval", lambda approval, viewer: history_of(approval))


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
