"""Credit lines at the desk: one asks, another grants; what is used, due and overdue; freezing by hand."""

from collections.abc import Collection
from datetime import date

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from accounts.selectors import member_named
from common import clock
from common.admin import (
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    ReadOnlyInline,
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
from common.forms import PlainDecimalField
from common.money import ZERO
from common.registries import Panel, TimelineEntry, act_names, panels, timelines
from wallet import services
from wallet.admin.forms import ReasonForm
from wallet.models import CreditDraw, CreditLine, CreditTerms
from wallet.selectors import credit_line_of, dues_of
from wallet.services import credit_terms

TONES = {CreditLine.State.ACTIVE: "success", CreditLine.State.OVERDUE: "danger", CreditLine.State.FROZEN: "warning"}
TERMS_TONES = {
    CreditTerms.State.WAITING: "warning",
    CreditTerms.State.GRANTED: "success",
    CreditTerms.State.REFUSED: "neutral",
}
act_names.update(
    {
        credit_terms.ASK: _("提交授信额度"),
        credit_terms.GRANT: _("批准授信额度"),
        credit_terms.REFUSE: _("驳回授信额度"),
        credit_terms.FREEZE: _("冻结授信"),
        credit_terms.UNFREEZE: _("解冻授信"),
    }
)


class TermsForm(forms.Form):
    member = forms.CharField(label=_("会员用户名"), max_length=150, widget=UnfoldAdminTextInputWidget)
    limit = PlainDecimalField(
        label=_("额度"),
        max_digits=12,
        decimal_places=2,
        min_value=ZERO,
        max_value=credit_terms.MOST,
        widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"}),
        help_text=_("低于已用金额时不会收回，只是不能再用"),
    )
    due_day = forms.IntegerField(
        label=_("还款日"),
        min_value=1,
        max_value=28,
        initial=10,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("本月用掉的，下个月这一天前还清"),
    )
    reason = forms.CharField(label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 2}))

    def clean_member(self) -> User:
        found = member_named(self.cleaned_data["member"])
        if found is None:
            raise forms.ValidationError(_("没有这个会员"))
        return found


class DrawInline(ReadOnlyInline):
    model = CreditDraw
    fields = ["shown_at", "shown_amount", "shown_left", "due_on", "memo"]
    verbose_name_plural = pgettext_lazy("plural", "未还清的授信使用")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditDraw]:
        return super().get_queryset(request).filter(repaid__lt=F("amount")).order_by("id")

    @display(description=_("时间"))
    def shown_at(self, draw: CreditDraw):
        return when(draw.at)

    @display(description=_("金额"))
    def shown_amount(self, draw: CreditDraw):
        return money(draw.amount)

    @display(description=_("未还"))
    def shown_left(self, draw: CreditDraw):
        return money(draw.left)


@admin.register(CreditLine)
class CreditLineAdmin(ReadOnlyAdmin):
    list_display = ["user", "shown_limit", "shown_used", "shown_free", "due_day", "next_due", "shown_state", "auto_use"]
    list_filter = ["state", "auto_use", ("created_at", DayRangeFilter)]
    list_select_related = ["user"]
    search_fields = ["^user__username"]
    search_help_text = _("按用户名开头查找")
    ordering = ["-used", "-id"]
    fields = ["user", ("shown_limit", "shown_used", "shown_free"), ("due_day", "next_due"), ("shown_state", "auto_use")]
    inlines = [DrawInline]
    export_columns = ["user", "limit", "used", "free", "due_day", "next_due", "state", "auto_use"]
    actions_list = ["propose"]
    actions_detail = ["freeze", "unfreeze"]
    has_propose_permission = allowed("wallet.propose_credit")
    has_freeze_permission = allowed("wallet.freeze_credit")

    def fitting_acts(self, line: CreditLine, user: User) -> Collection[str]:
        moves = CreditLine.MOVES[CreditLine.State(line.state)]
        leads = {"freeze": CreditLine.State.FROZEN, "unfreeze": CreditLine.State.ACTIVE}
        return [name for name, state in leads.items() if state in moves]

    @display(description=_("额度"), ordering="limit")
    def shown_limit(self, line: CreditLine):
        return money(line.limit)

    @display(description=_("已用"), ordering="used")
    def shown_used(self, line: CreditLine):
        return money(line.used)

    @display(description=_("可用"))
    def shown_free(self, line: CreditLine):
        return money(ZERO + line.free)

    @display(description=_("最近还款"))
    def next_due(self, line: CreditLine) -> str:
        due = next(iter(dues_of(line, _today())), None)
        return f"{due.on} ¥{due.amount}" if due else "–"

    @display(description=_("状态"))
    def shown_state(self, line: CreditLine):
        return chip(line.get_state_display(), TONES[CreditLine.State(line.state)])

    @action(description=_("提交额度"), icon="add", permissions=["propose"])
    def propose(self, request: HttpRequest) -> HttpResponse:
        def preview(answer: Answer) -> Preview:
            data = answer.data
            line = credit_line_of(data["member"])
            own = data["member"].pk == request.user.pk
            return Preview(
                facts=[
                    Fact(_("会员"), data["member"].get_username()),
                    Fact(_("额度"), money(data["limit"]), was=money(line.limit) if line else "", strong=True),
                    Fact(_("还款日"), data["due_day"], was=line.due_day if line else ""),
                    Fact(_("已用"), money(line.used if line else ZERO)),
                    Fact(_("原因"), data["reason"]),
                ],
                warnings=[_("不能给自己授信。") if own else _("要由另一名员工审批后才会生效。")],
                possible=not own,
                submit=_("提交审批"),
            )

        def run(answer: Answer) -> str:
            data = answer.data
            services.propose_terms(
                user_id=data["member"].pk,
                limit=data["limit"],
                due_day=data["due_day"],
                reason=data["reason"],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已提交审批。")

        return ask(self, request, title=_("提交授信额度"), form=TermsForm, preview=preview, run=run, danger=False)

    @action(description=_("冻结"), icon="ac_unit", permissions=["freeze"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._set(request, object_id, _("冻结授信"), services.freeze_line, gettext("已冻结。"))

    @action(description=_("解冻"), icon="lock_open", permissions=["freeze"])
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._set(request, object_id, _("解冻授信"), services.unfreeze_line, gettext("已解冻。"))

    def _set(self, request: HttpRequest, object_id: str, title, service, done: str) -> HttpResponse:
        line = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            facts = [
                Fact(_("会员"), line.user.get_username(), strong=True),
                Fact(_("额度"), money(line.limit)),
                Fact(_("已用"), money(line.used)),
                Fact(_("状态"), line.get_state_display()),
                Fact(_("原因"), answer.data["reason"]),
            ]
            return Preview(facts=facts, submit=title)

        def run(answer: Answer) -> str:
            reason = answer.data["reason"]
            service(user_id=line.user_id, reason=reason, actor=request.user, address=request.client_address)
            return done

        return ask(self, request, title=title, form=ReasonForm, preview=preview, run=run, target=line)


@admin.register(CreditTerms)
class CreditTermsAdmin(ReadOnlyAdmin):
    list_display = ["user", "shown_limit", "due_day", "shown_state", "asked_by", "asked", "decided_by"]
    list_filter = ["state", ("asked_at", DayRangeFilter)]
    list_select_related = ["user", "asked_by", "decided_by"]
    search_fields = ["^user__username"]
    search_help_text = _("按用户名开头查找")
    ordering = ["-id"]
    fields = [
        "user",
        ("shown_limit", "due_day"),
        "reason",
        "shown_state",
        ("asked_by", "asked"),
        ("decided_by", "decided"),
    ]
    export_columns = ["user", "limit", "due_day", "reason", "state", "asked_by", "asked_at", "decided_by", "decided_at"]
    actions_detail = ["grant", "refuse"]
    has_approve_permission = allowed("wallet.approve_credit")

    def fitting_acts(self, terms: CreditTerms, user: User) -> Collection[str]:
        own = user.pk in (terms.asked_by_id, terms.user_id)
        return self.actions_detail if terms.state == CreditTerms.State.WAITING and not own else []

    @display(description=_("额度"))
    def shown_limit(self, terms: CreditTerms):
        return money(terms.limit)

    @display(description=_("状态"))
    def shown_state(self, terms: CreditTerms):
        return chip(terms.get_state_display(), TERMS_TONES[CreditTerms.State(terms.state)])

    @display(description=_("提交时间"))
    def asked(self, terms: CreditTerms):
        return when(terms.asked_at)

    @display(description=_("审批时间"))
    def decided(self, terms: CreditTerms):
        return when(terms.decided_at) or "–"

    @action(description=_("批准"), icon="check", permissions=["approve"])
    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, _("批准授信额度"), services.grant_terms, gettext("已批准。"))

    @action(description=_("驳回"), icon="close", permissions=["approve"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, _("驳回授信额度"), services.refuse_terms, gettext("已驳回。"))

    def _decide(self, request: HttpRequest, object_id: str, title, service, done: str) -> HttpResponse:
        terms = self.one(request, object_id)
        line = credit_line_of(terms.user)
        facts = [
            Fact(_("会员"), terms.user.get_username()),
            Fact(_("额度"), money(terms.limit), was=money(line.limit) if line else "", strong=True),
            Fact(_("还款日"), terms.due_day),
            Fact(_("已用"), money(line.used if line else ZERO)),
            Fact(_("提交人"), terms.asked_by.get_username()),
            Fact(_("原因"), terms.reason),
        ]

        def run(answer: Answer) -> str:
            service(terms_id=terms.pk, actor=request.user, address=request.client_address)
            return done

        def preview(answer: Answer) -> Preview:
            return Preview(facts=facts, submit=title)

        return ask(self, request, title=title, preview=preview, run=run, target=terms)


def _today() -> date:
    return clock.day_of(clock.now())


def line_history(line: CreditLine, viewer: User) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            move.at,
            move.get_to_state_display(),
            icon="account_balance",
            tone=TONES[CreditLine.State(move.to_state)],
            detail=move.note,
            actor_id=move.actor_id,
            facts=((_("额度"), money(move.limit)),),
        )
        for move in line.moves.order_by("pk")
    ]


def credit_panel(user: User, viewer: User) -> Panel | None:
    """A member's credit, on the member's page."""
    line = credit_line_of(user) if viewer.has_perm("wallet.view_creditline") else None
    if line is None:
        return None
    return Panel(
        title=pgettext_lazy("plural", "授信"),
        facts=[
            (_("状态"), link_to(line, viewer, line.get_state_display())),
            (_("额度"), money(line.limit)),
            (_("已用"), money(line.used)),
        ],
        columns=[_("还款日"), _("金额")],
        rows=[(due.on, money(due.amount)) for due in dues_of(line, _today())],
    )


timelines.add("wallet.CreditLine", line_history)
panels.add("accounts.User", credit_panel)
