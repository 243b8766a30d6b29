"""Differences between statements and our books: who works on each, what either side says, and what can be done about it."""

from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from accounts.models import User
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
    link_to,
    money,
    when,
)
from common.admin.confirm import Answer
from common.registries import Panel, TimelineEntry, panels, timelines
from payments.admin.unclaimed import PERMISSION as MAY_ASSIGN_MONEY
from payments.models import PaymentAttempt, ReconciliationCase
from payments.reconciling import cases
from payments.selectors import case_workers, live_cases
from payments.services import is_free

State, Kind = ReconciliationCase.State, ReconciliationCase.Kind
TONES = {State.OPEN: "warning", State.ASSIGNED: "info", State.EXPLAINED: "neutral", State.SETTLED: "success"}
KIND_TONES = {Kind.MISSING: "danger", Kind.EXTRA: "warning", Kind.DIFFERENT: "info", Kind.DUPLICATE: "warning"}
FACTS = {
    "number": _("支付单号"),
    "txn": _("渠道流水号"),
    "amount": _("金额"),
    "fee": _("手续费"),
    "state": _("状态"),
    "at": _("时间"),
    "refund_number": _("退款单号"),
    "refunded": _("已退"),
    "currency": _("币种"),
}
STATES = {**dict(PaymentAttempt.State.choices), "refunded": gettext_lazy("已退款"), "unpaid": gettext_lazy("未支付")}
SHOWN = 10


def case_chip(case: ReconciliationCase):
    return chip(case.get_state_display(), TONES[State(case.state)])


class WorkFilter(admin.SimpleListFilter):
    """`?work=live`: not closed yet; `mine`: what the reader works on."""

    title = _("待处理")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("live", _("未结案")), ("mine", _("由我负责")), ("nobody", _("无人负责"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ReconciliationCase]) -> QuerySet[ReconciliationCase]:
        if self.value() == "live":
            return queryset.filter(pk__in=live_cases().values("pk"))
        if self.value() == "mine":
            return queryset.filter(owner=request.user, state=State.ASSIGNED)
        if self.value() == "nobody":
            return queryset.filter(state=State.OPEN)
        return queryset


class OwnerForm(forms.Form):
    owner = forms.ModelChoiceField(
        label=_("负责人"),
        queryset=User.objects.none(),
        widget=UnfoldAdminSelectWidget(),
        help_text=_("有权处理对账差异的员工"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = case_workers()


class ClosingForm(forms.Form):
    note = forms.CharField(
        label=_("说明"),
        max_length=300,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=_("写入差异历史和审计记录"),
    )


@admin.register(ReconciliationCase)
class ReconciliationCaseAdmin(ReadOnlyAdmin):
    list_display = ["name", "shown_kind", "shown_day", "number", "shown_amount", "shown_state", "owner", "channel"]
    list_display_links = ["name"]
    list_filter = ["state", WorkFilter, "kind", "aspect", "channel", ("opened_at", DayRangeFilter)]
    linked_lookups = ["run__id__exact", "kind__exact"]
    list_select_related = ["channel", "owner", "attempt"]
    search_fields = ["reference"]
    search_help_text = _("按支付单号或渠道流水号精确查找")
    ordering = ["-id"]
    fields = [
        ("shown_kind", "shown_state"),
        ("channel", "shown_day"),
        ("shown_amount", "shown_line"),
        ("owner", "shown_closed"),
        "shown_note",
    ]
    actions = ["assign_chosen"]
    actions_detail = ["assign", "explain", "settle", "reopen"]
    export_columns = [
        "id",
        "channel",
        "day",
        "kind",
        "aspect",
        "reference",
        "attempt",
        "our_amount",
        "their_amount",
        "amount",
        "line",
        "state",
        "owner",
        "shown_note",
        "opened_at",
        "closed_at",
    ]
    has_work_permission = allowed(cases.PERMISSION)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        term = term.strip()
        if not term:
            return queryset, False
        by_attempt = queryset.filter(attempt__number=term.upper()) | queryset.filter(attempt__provider_txn=term)
        return by_attempt | queryset.filter(reference=term) | queryset.filter(reference__startswith=f"{term}:"), False

    def fitting_acts(self, case: ReconciliationCase, user: User) -> Collection[str]:
        return ["assign", "explain", "settle"] if case.state in ReconciliationCase.LIVE else ["reopen"]

    @display(description=_("差异"))
    def name(self, case: ReconciliationCase) -> str:
        return f"#{case.pk} {case.get_aspect_display()}"

    @display(description=_("类别"), ordering="kind")
    def shown_kind(self, case: ReconciliationCase):
        return chip(case.get_kind_display(), KIND_TONES[Kind(case.kind)])

    @display(description=_("日期"), ordering="day")
    def shown_day(self, case: ReconciliationCase):
        return format_html('<span class="desk-nowrap">{}</span>', f"{case.day:%Y-%m-%d}")

    @display(description=_("单号"))
    def number(self, case: ReconciliationCase) -> str:
        return case.attempt.number if case.attempt else case.reference

    @display(description=_("差额"), ordering="amount")
    def shown_amount(self, case: ReconciliationCase):
        return money(case.amount, signed=True)

    @display(description=_("我方金额"))
    def our_amount(self, case: ReconciliationCase) -> str:
        return case.ours.get("amount", "")

    @display(description=_("渠道金额"))
    def their_amount(self, case: ReconciliationCase) -> str:
        return case.theirs.get("amount", "")

    @display(description=_("账单行号"))
    def shown_line(self, case: ReconciliationCase) -> str:
        return f"{case.run.filename} · {case.line}" if case.line else "–"

    @display(description=_("状态"), ordering="state")
    def shown_state(self, case: ReconciliationCase):
        return case_chip(case)

    @display(description=_("结案时间"))
    def shown_closed(self, case: ReconciliationCase):
        return when(case.closed_at) or "–"

    @display(description=_("说明"))
    def shown_note(self, case: ReconciliationCase) -> str:
        return told_note(case.note) or "–"

    @action(description=_("分派"), permissions=["work"])
    def assign_chosen(self, request: HttpRequest, queryset: QuerySet[ReconciliationCase]) -> HttpResponse:
        return self._assign(request, list(queryset.select_related("channel", "attempt").order_by("pk")))

    @action(description=_("分派"), icon="person_add", permissions=["work"])
    def assign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        case = self.one(request, object_id)
        return self._assign(request, [case], target=case)

    def _assign(
        self, request: HttpRequest, chosen: list[ReconciliationCase], target: ReconciliationCase | None = None
    ) -> HttpResponse:
        live = [case for case in chosen if case.state in ReconciliationCase.LIVE]

        def preview(answer: Answer) -> Preview:
            skipped = len(chosen) - len(live)
            return Preview(
                facts=[
                    Fact(_("将分派"), len(live), strong=True),
                    Fact(_("负责人"), answer.data["owner"], strong=True),
                    *([Fact(_("已结案，略过"), skipped)] if skipped else []),
                ],
                columns=[_("差异"), _("单号"), _("差额")],
                rows=[(self.name(case), self.number(case), self.shown_amount(case)) for case in live[:SHOWN]],
                more=max(0, len(live) - SHOWN),
                possible=bool(live),
                submit=_("分派"),
            )

        def run(answer: Answer) -> str:
            count = cases.assign_cases(
                case_ids=[case.pk for case in live],
                owner=answer.data["owner"],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已分派 %(count)s 条差异。") % {"count": count}

        return ask(
            self, request, title=_("分派差异"), form=OwnerForm, preview=preview, run=run, target=target, danger=False
        )

    @action(description=_("结案：已说明"), icon="chat", permissions=["work"])
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._close(request, object_id, State.EXPLAINED, _("款项没有问题，只记录原因。"))

    @action(description=_("结案：已平账"), icon="task_alt", permissions=["work"])
    def settle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        warning = _("结案不会移动任何款项：请先在支付单、账本或渠道后台处理好，再在这里结案。")
        return self._close(request, object_id, State.SETTLED, warning)

    def _close(self, request: HttpRequest, object_id: str, state: str, warning: Any) -> HttpResponse:
        case = self.one(request, object_id)

        def run(answer: Answer) -> str:
            told = {"note": answer.data["note"], "actor": request.user, "address": request.client_address}
            cases.close_case(case_id=case.pk, state=state, **told)
            return gettext("已结案。")

        return self._decide(request, case, State(state).label, run, warning)

    @action(description=_("重新打开"), icon="undo", permissions=["work"])
    def reopen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        case = self.one(request, object_id)

        def run(answer: Answer) -> str:
            told = {"note": answer.data["note"], "actor": request.user, "address": request.client_address}
            cases.reopen_case(case_id=case.pk, **told)
            return gettext("已重新打开。")

        return self._decide(request, case, State.OPEN.label, run, "")

    def _decide(self, request: HttpRequest, case: ReconciliationCase, to: Any, run: Any, warning: Any) -> HttpResponse:
        def preview(answer: Answer) -> Preview:
            return Preview(
                facts=[
                    Fact(_("差异"), self.name(case)),
                    Fact(_("单号"), self.number(case)),
                    Fact(_("差额"), self.shown_amount(case)),
                    Fact(_("状态"), to, was=case.get_state_display(), strong=True),
                    Fact(_("说明"), answer.data["note"]),
                ],
                warnings=[warning] if warning else [],
            )

        return ask(
            self,
            request,
            title=_("处理对账差异"),
            form=ClosingForm,
            preview=preview,
            run=run,
            target=case,
            danger=False,
        )


def told_note(note: str) -> str:
    """A note as people wrote it; the system's own in the reader's language."""
    return gettext(note) if note in (cases.AGREES, cases.CHANGED) else note


def both_sides(case: ReconciliationCase, viewer: User) -> Panel:
    """What we say beside what the gateway says, and the acts that may put it right; each asks and previews on its own page."""
    rows = [
        (label, _shown(name, case.ours.get(name, "")), _shown(name, case.theirs.get(name, "")))
        for name, label in FACTS.items()
        if case.ours.get(name) or case.theirs.get(name)
    ]
    return Panel(
        title=_("两边的记录"), columns=[_("项目"), _("我方"), _("渠道")], rows=rows, links=list(_acts(case, viewer))
    )


def _shown(name: str, text: str) -> Any:
    if name == "at" and text:
        return when(parse_datetime(text))
    if name == "state":
        return str(STATES.get(text, text)) or "–"
    return text or "–"


def _acts(case: ReconciliationCase, viewer: User) -> Iterable[tuple[Any, str]]:
    attempt = case.attempt
    if attempt is not None and viewer.has_perm("payments.view_paymentattempt"):
        yield _("打开支付单"), reverse("admin:payments_paymentattempt_change", args=[attempt.pk])
    if attempt is not None and attempt.state != PaymentAttempt.State.PAID:
        if viewer.has_perm("payments.ask_gateway"):
            yield _("向渠道查询"), reverse("admin:payments_paymentattempt_ask_now", args=[attempt.pk])
        if viewer.has_perm("payments.confirm_payment"):
            yield _("人工确认到账"), reverse("admin:payments_paymentattempt_confirm", args=[attempt.pk])
    if case.transfer_id and viewer.has_perm(MAY_ASSIGN_MONEY) and is_free(case.transfer_id):
        yield _("认领款项"), reverse("admin:payments_notifylog_assign", args=[case.transfer_id])
    if viewer.has_perm("payments.view_reconciliation"):
        told = gettext("对账 #%(run)s") % {"run": case.run_id}
        yield told, reverse("admin:payments_reconciliation_change", args=[case.run_id])


def moves_of(case: ReconciliationCase, viewer: User) -> Iterable[TimelineEntry]:
    moves = list(case.moves.all())
    owners = User.objects.in_bulk({move.owner_id for move in moves if move.owner_id})
    for move in moves:
        state = State(move.to_state)
        owner = owners.get(move.owner_id)
        yield TimelineEntry(
            at=move.at,
            title=state.label,
            icon="flag",
            tone=TONES[state] if TONES[state] != "neutral" else "",
            detail=told_note(move.note) or (owner.get_username() if owner and state == State.ASSIGNED else ""),
            actor_id=move.actor_id,
        )


def attempt_cases(attempt: PaymentAttempt, viewer: User) -> Panel | None:
    """On an attempt's page: what statements say of it."""
    found = list(attempt.cases.order_by("-pk")[:SHOWN])
    if not found or not viewer.has_perm("payments.view_reconciliationcase"):
        return None
    return Panel(
        title=pgettext_lazy("plural", "对账差异"),
        columns=[_("差异"), _("差额"), _("状态")],
        rows=[(link_to(case, viewer), money(case.amount, signed=True), case_chip(case)) for case in found],
    )


panels.add("payments.ReconciliationCase", both_sides)
panels.add("payments.PaymentAttempt", attempt_cases)
timelines.add("payments.ReconciliationCase", moves_of)
