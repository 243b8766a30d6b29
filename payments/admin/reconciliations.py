"""Statements: upload, what was found before any case is made, confirm; and how a channel's statements look."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.selectors import history_of
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    display,
    moment,
    money,
    when,
)
from common.admin.confirm import Answer
from common.admin.telling import names_of
from common.exceptions import DomainError
from common.registries import Panel, panels, timelines
from payments.admin.cases import KIND_TONES
from payments.admin.statement_forms import MEANINGS, MappingForm, StatementForm
from payments.models import Channel, Reconciliation, ReconciliationCase
from payments.reconciling import cases
from payments.reconciling.checking import check_statement, earlier_run, from_json
from payments.reconciling.forms import FIELDS, FORMS, GENERIC, NAMES, OF_PROTOCOL
from payments.selectors import live_cases

State, Kind = Reconciliation.State, ReconciliationCase.Kind
TONES = {State.CHECKED: "warning", State.CONFIRMED: "success", State.DROPPED: "neutral", State.REPLACED: "neutral"}
SHOWN = 50


def cases_address(run: Reconciliation, kind: str) -> str:
    """The list of a comparison's cases of one kind; none of one that made no cases, or whose cases a newer one took over."""
    if run.state != State.CONFIRMED:
        return ""
    listed = reverse("admin:payments_reconciliationcase_changelist")
    return f"{listed}?run__id__exact={run.pk}&kind__exact={kind}"


def count_of(kind: Kind) -> Any:
    """A column with how many there are, which opens them."""

    @display(description=kind.label, ordering=str(kind.value))
    def shown(self: Any, run: Reconciliation) -> Any:
        count, address = getattr(run, kind.value), cases_address(run, kind.value)
        return format_html('<a class="desk-link" href="{}">{}</a>', address, count) if count and address else count

    return shown


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    list_display = [
        "name",
        "channel",
        "days",
        "shown_state",
        "rows",
        "matched",
        "shown_missing",
        "shown_extra",
        "shown_different",
        "shown_duplicate",
        "made",
    ]
    list_display_links = ["name"]
    list_filter = ["state", "channel", ("created_at", DayRangeFilter)]
    list_select_related = ["channel"]
    ordering = ["-id"]
    fields: list[str] = []
    change_form_template = "payments/admin/reconciliation.html"
    actions_list = ["upload", "statement_form"]
    actions_detail = ["confirm", "drop"]
    export_columns = [
        "id",
        "channel",
        "first_day",
        "last_day",
        "form",
        "filename",
        "state",
        "rows",
        "matched",
        "missing",
        "extra",
        "different",
        "duplicate",
        "waiting",
        "outside",
        "their_amount",
        "our_amount",
        "created_at",
        "confirmed_at",
    ]
    has_reconcile_permission = allowed("payments.reconcile_channel")
    has_setup_permission = allowed("payments.change_channel")
    shown_missing, shown_extra = count_of(Kind.MISSING), count_of(Kind.EXTRA)
    shown_different, shown_duplicate = count_of(Kind.DIFFERENT), count_of(Kind.DUPLICATE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reconciliation]:
        # A list needs none of what was found.
        return super().get_queryset(request).defer("found", "borders")

    def fitting_acts(self, run: Reconciliation, user: User) -> Collection[str]:
        return self.actions_detail if run.state == State.CHECKED else []

    @display(description=_("对账"), ordering="id")
    def name(self, run: Reconciliation) -> str:
        return f"#{run.pk}"

    @display(description=_("日期"), ordering="last_day")
    def days(self, run: Reconciliation):
        return format_html('<span class="desk-nowrap">{}</span>', days_of(run))

    @display(description=_("状态"), ordering="state")
    def shown_state(self, run: Reconciliation):
        return chip(run.get_state_display(), TONES[State(run.state)])

    @display(description=_("创建时间"), ordering="created_at")
    def made(self, run: Reconciliation):
        return moment(run.created_at)

    @action(description=_("上传账单"), url_path="upload", icon="upload_file", permissions=["reconcile"])
    def upload(self, request: HttpRequest) -> HttpResponse:
        initial = {"channel": request.GET.get("channel", "")}
        form = StatementForm(request.POST or None, request.FILES or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                run = check_statement(
                    channel=data["channel"],
                    file=data["file"].file,
                    filename=data["file"].name,
                    form=data["form"],
                    period=data["day"],
                    actor=request.user,
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                return redirect(reverse("admin:payments_reconciliation_change", args=[run.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("上传账单"),
            "opts": self.opts,
            "form": form,
            "media": self.media + form.media,
            "back": reverse("admin:payments_reconciliation_changelist"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "payments/admin/statement.html", context)

    @action(description=_("账单格式"), url_path="statement-form", icon="view_column", permissions=["setup"])
    def statement_form(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("channel", "")
        channel = Channel.objects.filter(pk=asked).first() if asked.isdecimal() and len(asked) < 10 else None

        def preview(answer: Answer) -> Preview:
            data = answer.data
            return Preview(
                facts=[
                    Fact(_("支付渠道"), data["channel"], strong=True),
                    Fact(_("账单格式"), NAMES.get(data["form"], _("按协议")), strong=True),
                    *(Fact(FIELDS[name], column) for name, column in data["columns"].items()),
                    *(Fact(MEANINGS[name], "，".join(texts)) for name, texts in data["words"].items()),
                ],
                submit=_("保存"),
            )

        def run(answer: Answer) -> str:
            chosen = {name: answer.data[name] for name in ("form", "columns", "words")}
            cases.save_statement_form(
                channel_id=answer.data["channel"].pk, **chosen, actor=request.user, address=request.client_address
            )
            return gettext("已保存账单格式。")

        form = partial(MappingForm, channel=channel)
        return ask(self, request, title=_("账单格式"), form=form, preview=preview, run=run, danger=False)

    @action(description=_("确认并建差异"), icon="check", permissions=["reconcile"])
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.one(request, object_id)

        def act(answer: Answer) -> str:
            cases.confirm_run(run_id=run.pk, actor=request.user, address=request.client_address)
            return gettext("已建立对账差异。")

        preview = partial(self._preview, run, gettext("确认并建差异"))
        return ask(self, request, title=_("确认对账"), preview=preview, run=act, target=run, danger=False)

    @action(description=_("放弃"), icon="close", permissions=["reconcile"])
    def drop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = self.one(request, object_id)

        def act(answer: Answer) -> str:
            cases.drop_run(run_id=run.pk, actor=request.user, address=request.client_address)
            return gettext("已放弃这次对账。")

        preview = partial(self._preview, run, gettext("放弃"))
        return ask(self, request, title=_("放弃对账"), preview=preview, run=act, target=run)

    def _preview(self, run: Reconciliation, submit: str, answer: Answer) -> Preview:
        rows = [_difference(one) for one in run.found[:SHOWN]]
        return Preview(
            facts=[
                Fact(_("支付渠道"), run.channel),
                Fact(_("日期"), days_of(run)),
                Fact(_("文件"), run.filename),
                Fact(_("差异"), run.differences, strong=True),
            ],
            columns=[_("类别"), _("差异"), _("单号"), _("差额")],
            rows=rows,
            more=max(0, len(run.found) - len(rows)),
            warnings=_warnings(run),
            submit=submit,
        )

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None) -> HttpResponse:
        if obj is not None:
            context |= self._shown(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _shown(self, request: HttpRequest, run: Reconciliation) -> dict[str, Any]:
        names = names_of([run.created_by_id])
        may = request.user.has_perm("payments.view_reconciliationcase")
        return {
            "title": gettext("对账 #%(run)s") % {"run": run.pk},
            "run": run,
            "chip": self.shown_state(run),
            "facts": [
                (_("支付渠道"), run.channel),
                (_("日期"), days_of(run)),
                (_("文件"), run.filename),
                (_("账单格式"), NAMES.get(run.form, run.form)),
                (_("渠道收款合计"), money(run.their_amount)),
                (_("我方收款合计"), money(run.our_amount)),
                (_("操作者"), names.get(run.created_by_id, "–")),
                (_("创建时间"), when(run.created_at)),
                (_("确认时间"), when(run.confirmed_at) or "–"),
            ],
            "counts": [
                (_("账单行数"), run.rows, ""),
                (_("一致"), run.matched, ""),
                *((kind.label, getattr(run, kind), cases_address(run, kind) if may else "") for kind in Kind),
                (_("等待相邻账单"), run.waiting, ""),
                *([(_("其他日期的行（未核对）"), run.outside, "")] if run.outside else []),
            ],
            "warnings": _warnings(run),
            "differences": [_difference(one) for one in run.found[:SHOWN]],
            "more": max(0, len(run.found) - SHOWN),
        }


def days_of(run: Reconciliation) -> str:
    first, last = f"{run.first_day:%Y-%m-%d}", f"{run.last_day:%Y-%m-%d}"
    return first if first == last else f"{first} – {last}"


def _difference(stored: dict[str, Any]) -> tuple:
    one = from_json(stored)
    kind = Kind(one.kind)
    aspect = ReconciliationCase.Aspect(one.aspect).label
    if one.line:
        aspect = gettext("%(what)s（第 %(line)s 行）") % {"what": aspect, "line": one.line}
    return chip(kind.label, KIND_TONES[kind]), aspect, one.reference, money(one.amount, signed=True)


def _warnings(run: Reconciliation) -> list[str]:
    if run.state != State.CHECKED:
        return []
    warnings = []
    earlier = earlier_run(run)
    if earlier is not None:
        warnings.append(gettext("这份账单已在 #%(run)s 核对过，不会产生重复的差异。") % {"run": earlier.pk})
    elif cases.earlier_of_days(run).exists():
        warnings.append(gettext("这些日期已有账单核对过：确认后以这一份为准，不再存在的差异会自动结案。"))
    if not run.matched and run.differences:
        warnings.append(gettext("没有一行对得上，请核对渠道、日期和账单格式是否选对。"))
    return warnings


def statement_panel(channel: Channel, viewer: User) -> Panel | None:
    """On a channel's page: how its statements look, and what is open."""
    if not viewer.has_perm("payments.view_reconciliation"):
        return None
    stored = channel.settings.get("statement") or {}
    code = stored.get("form") or (GENERIC if stored.get("columns") else "")
    own = NAMES.get(code) or OF_PROTOCOL.get(channel.provider, FORMS["epay"]).name
    last = channel.reconciliations.filter(state=State.CONFIRMED).order_by("-last_day").first()
    links = []
    if viewer.has_perm("payments.reconcile_channel"):
        links.append((_("上传账单"), f"{reverse('admin:payments_reconciliation_upload')}?channel={channel.pk}"))
    if viewer.has_perm("payments.change_channel"):
        links.append((_("账单格式"), f"{reverse('admin:payments_reconciliation_statement_form')}?channel={channel.pk}"))
    return Panel(
        title=_("对账"),
        facts=[
            (_("账单格式"), own),
            (_("已对账至"), f"{last.last_day:%Y-%m-%d}" if last else "–"),
            (_("未结案差异"), live_cases().filter(channel=channel).count()),
        ],
        links=links,
    )


panels.add("payments.Channel", statement_panel)
timelines.add("payments.Reconciliation", lambda run, viewer: history_of(run))
