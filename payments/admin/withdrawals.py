"""Withdrawals at the desk: looked at by one, paid by another; and where they go."""

from collections.abc import Callable, Collection
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
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
    link_to,
    moment,
    money,
    when,
)
from common.admin.confirm import Answer
from common.admin.telling import names_of
from common.registries import Panel, TimelineEntry, act_names, panels, timelines
from payments import services
from payments.exceptions import PayoutStopped
from payments.models import PayoutAccount, Withdrawal, WithdrawalRules
from payments.selectors import is_stopped
from payments.services import payout_accounts, withdrawing
from wallet.selectors import balance_of, restricted_of

State = Withdrawal.State
Service = Callable[..., Any]
FormClass = type[forms.Form] | None
TONES = {
    State.ASKED: "warning",
    State.APPROVED: "info",
    State.PAID: "success",
    State.REJECTED: "danger",
    State.CANCELLED: "neutral",
}
ACCOUNT_TONES = {
    PayoutAccount.State.WAITING: "warning",
    PayoutAccount.State.VERIFIED: "success",
    PayoutAccount.State.REFUSED: "danger",
    PayoutAccount.State.REMOVED: "neutral",
}
SHOWN = 10
act_names.update(
    {
        withdrawing.ASK: _("申请提现"),
        withdrawing.APPROVE: _("审核提现"),
        withdrawing.PAY: _("确认提现打款"),
        withdrawing.REJECT: _("退回提现"),
        withdrawing.CANCEL: _("取消提现"),
        payout_accounts.SAVE: _("提交收款账号"),
        payout_accounts.VERIFY: _("核实收款账号"),
        payout_accounts.REFUSE: _("拒绝收款账号"),
        payout_accounts.REVEAL: _("查看完整收款账号"),
    }
)


class RejectForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("会员可以看到，并写入审计记录"),
    )


class PaidForm(forms.Form):
    proof = forms.CharField(
        label=_("打款凭证号"),
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("银行、支付宝或微信的转账流水号"),
    )


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnlyAdmin):
    list_display = [
        "number",
        "user",
        "account",
        "shown_amount",
        "shown_net",
        "shown_state",
        "asked",
        "approved_by",
        "paid_by",
    ]
    list_filter = ["state", "account__kind", ("asked_at", DayRangeFilter), ("paid_at", DayRangeFilter)]
    list_select_related = ["user", "account", "approved_by", "paid_by"]
    search_fields = ["=number", "user__username"]
    search_help_text = _("按提现单号精确查找，或按用户名开头查找")
    ordering = ["-id"]
    fields = [
        ("number", "user"),
        ("shown_amount", "shown_fee", "shown_net"),
        "account",
        ("shown_state", "asked"),
        ("approved_by", "approved"),
        ("paid_by", "paid", "proof"),
        "reason",
    ]
    export_columns = [
        "number",
        "user",
        "account",
        "amount",
        "fee",
        "state",
        "asked_at",
        "approved_by",
        "approved_at",
        "paid_by",
        "paid_at",
        "proof",
    ]
    actions_detail = ["approve", "confirm", "reject"]
    has_approve_permission = allowed("payments.approve_withdrawal")
    has_pay_permission = allowed("payments.pay_withdrawal")
    has_reject_permission = allowed("payments.reject_withdrawal")
    has_export_permission = allowed("payments.export_withdrawal")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        term = term.strip()
        if not term:
            return queryset, False
        by_number = queryset.filter(number=term.upper())
        return (by_number if by_number.exists() else queryset.filter(user__username__istartswith=term)), False

    def fitting_acts(self, row: Withdrawal, user: User) -> Collection[str]:
        if row.user_id == user.pk:
            return []
        fits = {
            "approve": row.state == State.ASKED,
            "confirm": row.state == State.APPROVED and row.approved_by_id != user.pk,
            "reject": row.state in Withdrawal.OPEN,
        }
        return [name for name, fit in fits.items() if fit]

    @display(description=_("提现金额"), ordering="amount")
    def shown_amount(self, row: Withdrawal):
        return money(row.amount)

    @display(description=_("手续费"))
    def shown_fee(self, row: Withdrawal):
        return money(row.fee)

    @display(description=_("应打款"))
    def shown_net(self, row: Withdrawal):
        return money(row.net)

    @display(description=_("状态"))
    def shown_state(self, row: Withdrawal):
        return chip(row.get_state_display(), TONES[State(row.state)])

    @display(description=_("申请时间"), ordering="asked_at")
    def asked(self, row: Withdrawal):
        return when(row.asked_at)

    @display(description=_("审核时间"))
    def approved(self, row: Withdrawal):
        return when(row.approved_at) or "–"

    @display(description=_("打款时间"))
    def paid(self, row: Withdrawal):
        return when(row.paid_at) or "–"

    @action(description=_("审核通过"), icon="check", permissions=["approve"])
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = gettext("已通过，等另一名员工打款。")
        return self._decide(request, object_id, _("审核通过"), services.approve_withdrawal, done)

    @action(description=_("确认已打款"), icon="payments", permissions=["pay"])
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = gettext("已登记打款。")
        return self._decide(request, object_id, _("确认已打款"), services.confirm_withdrawal, done, form=PaidForm)

    @action(description=_("退回"), icon="undo", permissions=["reject"])
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = gettext("已退回会员余额。")
        return self._decide(request, object_id, _("退回提现"), services.reject_withdrawal, done, form=RejectForm)

    def _decide(
        self, request: HttpRequest, object_id: str, title: Any, service: Service, done: str, form: FormClass = None
    ) -> HttpResponse:
        row = self.one(request, object_id)

        def run(answer: Answer) -> str:
            service(withdrawal_id=row.pk, **answer.data, actor=request.user, address=request.client_address)
            return done

        def preview(answer: Answer) -> Preview:
            facts = [
                Fact(_("会员"), row.user.get_username()),
                Fact(_("收款账号"), str(row.account)),
                Fact(_("提现金额"), money(row.amount)),
                Fact(_("手续费"), money(row.fee)),
                Fact(_("应打款"), money(row.net), strong=True),
                Fact(_("余额"), money(balance_of(row.user))),
            ]
            facts += [
                Fact(field.label, answer.data[name]) for name, field in (form.base_fields if form else {}).items()
            ]
            stopped = service != services.reject_withdrawal and is_stopped(row)
            return Preview(
                facts=facts,
                warnings=[PayoutStopped.message] if stopped else [],
                possible=not stopped,
                submit=title,
            )

        return ask(self, request, title=title, form=form, preview=preview, run=run, target=row)


@admin.register(PayoutAccount)
class PayoutAccountAdmin(ReadOnlyAdmin):
    list_display = ["user", "kind", "hint", "shown_state", "others", "created", "decided_by"]
    list_filter = ["state", "kind", ("created_at", DayRangeFilter)]
    list_select_related = ["user", "decided_by"]
    search_fields = ["^user__username"]
    search_help_text = _("按用户名开头查找")
    ordering = ["-id"]
    fields = ["user", ("kind", "hint"), ("shown_state", "others"), "created", ("decided_by", "decided"), "reason"]
    # No number leaves by a file: the hint tells enough.
    export_columns = ["user", "kind", "hint", "state", "created_at", "decided_by"]
    actions_detail = ["verify", "refuse", "reveal"]
    has_verify_permission = allowed("payments.verify_payout")
    has_reveal_permission = allowed("payments.reveal_payout")

    def fitting_acts(self, account: PayoutAccount, user: User) -> Collection[str]:
        moves = PayoutAccount.MOVES[PayoutAccount.State(account.state)] if account.user_id != user.pk else set()
        leads = {"verify": PayoutAccount.State.VERIFIED, "refuse": PayoutAccount.State.REFUSED}
        return ["reveal", *(name for name, state in leads.items() if state in moves)]

    @display(description=_("状态"))
    def shown_state(self, account: PayoutAccount):
        return chip(account.get_state_display(), ACCOUNT_TONES[PayoutAccount.State(account.state)])

    @display(description=_("同账号的其他会员"))
    def others(self, account: PayoutAccount) -> int:
        same = PayoutAccount.objects.filter(digest=bytes(account.digest)).exclude(user=account.user_id)
        return same.values("user").distinct().count()

    @display(description=_("添加时间"), ordering="created_at")
    def created(self, account: PayoutAccount):
        return when(account.created_at)

    @display(description=_("核实时间"))
    def decided(self, account: PayoutAccount):
        return when(account.decided_at) or "–"

    @action(description=_("核实通过"), icon="check", permissions=["verify"])
    def verify(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._decide(request, object_id, _("核实通过"), services.verify_payout_account, gettext("已核实。"))

    @action(description=_("不通过"), icon="close", permissions=["verify"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = gettext("已拒绝。")
        return self._decide(request, object_id, _("不通过"), services.refuse_payout_account, done, form=RejectForm)

    def _decide(
        self, request: HttpRequest, object_id: str, title: Any, service: Service, done: str, form: FormClass = None
    ) -> HttpResponse:
        account = self.one(request, object_id)

        def run(answer: Answer) -> str:
            service(account_id=account.pk, **answer.data, actor=request.user, address=request.client_address)
            return done

        return self._ask(request, account, title, run, form=form)

    @action(description=_("查看完整账号"), icon="visibility", permissions=["reveal"])
    def reveal(self, request: HttpRequest, object_id: str) -> HttpResponse:
        account = self.one(request, object_id)

        def run(answer: Answer) -> HttpResponse:
            name, number = services.reveal_payout_account(
                account_id=account.pk, actor=request.user, address=request.client_address
            )
            context = {
                **self.admin_site.each_context(request),
                "title": gettext("完整收款账号"),
                "subtitle": str(account.user),
                "opts": self.opts,
                "original": account,
                "facts": [(_("收款方式"), account.get_kind_display()), (_("真实姓名"), name), (_("收款账号"), number)],
                "back": reverse("admin:payments_payoutaccount_change", args=[account.pk]),
            }
            response = TemplateResponse(request, "payments/admin/payout_account.html", context)
            response["Cache-Control"] = "no-store"
            return response

        return self._ask(request, account, _("查看完整账号"), run, warnings=[_("查看会写入审计记录。")])

    def _ask(
        self,
        request: HttpRequest,
        account: PayoutAccount,
        title: Any,
        run: Service,
        *,
        form: FormClass = None,
        warnings: Collection[Any] = (),
    ) -> HttpResponse:
        def preview(answer: Answer) -> Preview:
            facts = [Fact(_("会员"), account.user.get_username()), Fact(_("收款账号"), str(account), strong=True)]
            if answer.data.get("reason"):
                facts.append(Fact(_("原因"), answer.data["reason"]))
            return Preview(facts=facts, warnings=warnings, submit=title)

        return ask(self, request, title=title, form=form, preview=preview, run=run, target=account)


@admin.register(WithdrawalRules)
class WithdrawalRulesAdmin(ModelAdmin):
    """One row; changes are in the audit log."""

    list_display = ["__str__", "is_open", "minimum", "maximum", "daily", "monthly", "fee_rate", "cooling_hours"]
    export_columns = list_display
    fieldsets = [
        (None, {"fields": ["is_open"]}),
        (_("金额"), {"fields": [("minimum", "maximum"), ("daily", "monthly")]}),
        (_("手续费"), {"fields": ["fee_rate", ("fee_min", "fee_max")]}),
        (_("安全"), {"fields": ["cooling_hours", "top_up_days"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[WithdrawalRules]:
        return super().get_queryset(request).order_by("pk")


def withdrawal_history(row: Withdrawal, viewer: User) -> list[TimelineEntry]:
    tones = {State.PAID: "success", State.REJECTED: "danger"}
    return [
        TimelineEntry(
            move.at,
            move.get_to_state_display(),
            icon="payments",
            tone=tones.get(State(move.to_state), ""),
            detail=move.note,
            actor_id=move.actor_id,
        )
        for move in row.moves.order_by("pk")
    ]


def withdrawals_panel(user: User, viewer: User) -> Panel | None:
    """A member's withdrawals, on the member's page."""
    if not viewer.has_perm("payments.view_withdrawal"):
        return None
    rows = list(Withdrawal.objects.filter(user=user).select_related("account").order_by("-pk")[:SHOWN])
    if not rows:
        return None
    names = names_of(row.paid_by_id for row in rows)
    return Panel(
        title=pgettext_lazy("plural", "提现"),
        facts=[(_("余额"), money(balance_of(user))), (_("其中不可提现"), money(restricted_of(user)))],
        columns=[_("提现单号"), _("金额"), _("状态"), _("申请时间"), _("打款人")],
        rows=[
            (
                link_to(row, viewer, row.number),
                money(row.amount),
                chip(row.get_state_display(), TONES[State(row.state)]),
                moment(row.asked_at),
                names.get(row.paid_by_id, "–"),
            )
            for row in rows
        ],
    )


timelines.add("payments.Withdrawal", withdrawal_history)
panels.add("accounts.User", withdrawals_panel)
