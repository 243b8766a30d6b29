"""Notifies as gateways sent them, with what was made of each."""

from collections.abc import Collection
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from common import clock
from common.admin import (
    ActionVariant,
    DayRangeFilter,
    Fact,
    Preview,
    ReadOnlyAdmin,
    action,
    allowed,
    ask,
    chip,
    display,
    money,
    when,
)
from common.admin.confirm import Answer
from payments.admin.attempts import TAKEN_HELP
from payments.admin.unclaimed import assign, give_back
from payments.models import NotifyLog, PaymentAttempt
from payments.selectors import held_notifies
from payments.services import book_held, booked_of, dismiss_notify, process_notify

Verdict = NotifyLog.Verdict
TONES = {
    Verdict.RECEIVED: "warning",
    Verdict.REJECTED: "danger",
    Verdict.WAITING: "warning",
    Verdict.HELD: "warning",
    Verdict.APPLIED: "success",
    Verdict.REPEATED: "neutral",
    Verdict.IGNORED: "neutral",
}
REASONS = {
    "signature": _("签名不符"),
    "algorithm": _("签名算法不符"),
    "serial": _("签名证书未知"),
    "timestamp": _("缺少时间戳"),
    "stale": _("通知已过时"),
    "resource": _("加密内容无法解开"),
    "currency": _("币种不符"),
    "for_staff": _("渠道不能查询，待人工核对"),
    "another_channel": _("支付单属于另一渠道"),
    "strange_number": _("不是本店的支付单号"),
    "second": _("同一支付单的另一笔流水，渠道查询未证实"),
    "dismissed": _("人工核对后驳回"),
    "booked_amount": _("金额与已入账的不同"),
    "merchant": _("商户号不符"),
    "amount": _("金额无法识别"),
    "form": _("缺少字段"),
    "encoding": _("编码错误"),
    "method": _("请求方式不符"),
    "too_long": _("内容过长"),
    "too_many_fields": _("字段过多"),
    "duplicate_field": _("字段重复"),
    "another_amount": _("金额与渠道查询不一致"),
    "another_transaction": _("流水号与渠道查询不一致"),
    "transaction_taken": _("流水已用于另一笔支付"),
    "unclaimed": _("支付单号未知，记入待认领款项"),
    "gateway_says_unpaid": _("渠道查询为未支付"),
    "gateway_says_closed": _("渠道查询为已关闭"),
    "gateway_says_missing": _("渠道查询无此订单"),
    "gateway_says_refunded": _("渠道查询为已退款"),
}


def reason_of(log: NotifyLog) -> str:
    return str(REASONS.get(log.reason, log.reason)) or "–"


def verdict_chip(log: NotifyLog):
    return chip(log.get_verdict_display(), TONES[Verdict(log.verdict)])


class HeldFilter(admin.SimpleListFilter):
    """`?needs=held`: genuinely signed, not booked, and nobody but staff can tell why."""

    title = _("待处理")
    parameter_name = "needs"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("held", _("有签名而未入账"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[NotifyLog]) -> QuerySet[NotifyLog]:
        return queryset.filter(pk__in=held_notifies(clock.now()).values("pk")) if self.value() else queryset


class JudgingForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text=_("写入审计记录")
    )


@admin.register(NotifyLog)
class NotifyLogAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "channel", "shown_amount", "shown_verdict", "reason_text", "address"]
    export_columns = [
        "received_at",
        "channel",
        "number",
        "provider_txn",
        "amount",
        "verdict",
        "reason_text",
        "address",
    ]
    list_filter = ["verdict", HeldFilter, "channel", ("received_at", DayRangeFilter)]
    list_select_related = ["channel"]
    search_fields = ["raw"]
    search_help_text = _("按支付单号或渠道流水号精确查找")
    ordering = ["-id"]
    fields = [
        ("shown_at", "channel"),
        ("shown_verdict", "reason_text"),
        ("shown_amount", "attempt"),
        ("number", "provider_txn"),
        ("http_method", "address"),
        "shown_raw",
    ]
    actions_detail = ["take_up", "book", "dismiss"]
    has_ask_permission = allowed("payments.ask_gateway")
    has_confirm_permission = allowed("payments.confirm_payment")
    has_dismiss_permission = allowed("payments.dismiss_notify")

    def get_urls(self) -> list:
        by_transfer = path(
            "unclaimed/<int:transfer_id>/assign/",
            self.admin_site.admin_view(partial(assign, self)),
            name="payments_notifylog_assign",
        )
        back = path(
            "unclaimed/<int:transfer_id>/give-back/",
            self.admin_site.admin_view(partial(give_back, self)),
            name="payments_notifylog_give_back",
        )
        return [by_transfer, back, *super().get_urls()]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        if not term.strip():
            return queryset, False
        term = term.strip()
        attempts = PaymentAttempt.objects.filter(number=term.upper()).values_list("pk", flat=True)
        told = Q(attempt_id__in=list(attempts)) | Q(number=term) | Q(provider_txn=term)
        return queryset.filter(told), False

    def fitting_acts(self, log: NotifyLog, user: User) -> Collection[str]:
        if log.verdict == Verdict.HELD:
            return ["book", "dismiss"] if _is_bookable(log) else ["dismiss"]
        return ["take_up"] if log.verdict in (Verdict.RECEIVED, Verdict.WAITING) else []

    @action(description=_("重新处理"), url_path="take-up", icon="replay", permissions=["ask"])
    def take_up(self, request: HttpRequest, object_id: str) -> HttpResponse:
        log = self.one(request, object_id)

        def run(answer) -> str:
            verdict = Verdict(process_notify(log_id=log.pk)).label
            return gettext("处理结果：%(verdict)s") % {"verdict": verdict}

        return ask(
            self,
            request,
            title=_("重新处理"),
            preview=lambda answer: Preview(
                warnings=[_("再次核对签名并向渠道查询；确认已支付时立即入账。")], submit=_("重新处理")
            ),
            run=run,
            target=log,
            danger=False,
        )

    @action(description=_("人工入账"), icon="paid", variant=ActionVariant.DANGER, permissions=["confirm"])
    def book(self, request: HttpRequest, object_id: str) -> HttpResponse:
        log = self.one(request, object_id)
        attempt = _own_attempt(log)

        def run(answer: Answer) -> str:
            book_held(log_id=log.pk, **answer.data, actor=request.user, address=request.client_address)
            return gettext("已入账。") if attempt else gettext("已记入待认领款项，请到账本中认领。")

        target = gettext("支付单 %(number)s") % {"number": attempt.number} if attempt else gettext("待认领款项")
        facts = [Fact(_("记入"), target, strong=True)]
        if log.reason == NotifyLog.BOOKED_AMOUNT and attempt:
            booked = booked_of(attempt, log.provider_txn)
            facts = [
                Fact(_("已入账"), money(booked)),
                Fact(_("补记差额，归买家"), money(log.amount - booked), strong=True),
                *facts,
            ]
        warning = _("请先在渠道后台核对这笔流水确已到账。入账后不能撤销。")
        return self._judge(request, log, _("人工入账"), run, facts, warning)

    @action(description=_("驳回"), icon="block", permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        log = self.one(request, object_id)

        def run(answer: Answer) -> str:
            dismiss_notify(log_id=log.pk, **answer.data, actor=request.user, address=request.client_address)
            return gettext("已驳回。")

        warning = _("请先在渠道后台核对这笔流水没有到账。以后若确有款项到账，仍会入账。")
        if log.reason == NotifyLog.TAKEN:
            warning = TAKEN_HELP
        if log.reason == NotifyLog.BOOKED_AMOUNT:
            warning = _("渠道说这笔流水的金额与已入账的不同：请先在渠道后台核对。驳回后只保留已入账的金额。")
        return self._judge(request, log, _("驳回支付通知"), run, [], warning)

    def _judge(
        self, request: HttpRequest, log: NotifyLog, title: Any, run: Any, facts: list[Fact], warning: Any
    ) -> HttpResponse:
        def preview(answer: Answer) -> Preview:
            return Preview(
                facts=[
                    Fact(_("渠道"), log.channel),
                    Fact(_("支付单号"), log.number),
                    Fact(_("渠道流水号"), log.provider_txn),
                    Fact(_("金额"), money(log.amount), strong=True),
                    Fact(_("原因"), reason_of(log)),
                    *facts,
                    Fact(_("说明"), answer.data["reason"]),
                ],
                warnings=[warning],
                possible=log.verdict == Verdict.HELD,
                submit=title,
            )

        return ask(self, request, title=title, form=JudgingForm, preview=preview, run=run, target=log)

    @display(description=_("时间"))
    def shown_at(self, log: NotifyLog):
        return when(log.received_at)

    @display(description=_("金额"))
    def shown_amount(self, log: NotifyLog):
        return money(log.amount) or "–"

    @display(description=_("结论"))
    def shown_verdict(self, log: NotifyLog):
        return verdict_chip(log)

    @display(description=_("原因"))
    def reason_text(self, log: NotifyLog) -> str:
        return reason_of(log)

    @display(description=_("支付单"))
    def attempt(self, log: NotifyLog) -> str:
        found = PaymentAttempt.objects.filter(pk=log.attempt_id).first()
        return found.number if found else "–"

    @display(description=_("原文"))
    def shown_raw(self, log: NotifyLog):
        return format_html('<pre class="desk-json">{}</pre>', log.raw)


def _is_bookable(log: NotifyLog) -> bool:
    """A transaction that was booked is not booked again, but for what it brought beyond that."""
    if log.reason == NotifyLog.BOOKED_AMOUNT:
        attempt = _own_attempt(log)
        return attempt is not None and log.amount > booked_of(attempt, log.provider_txn)
    return log.reason != NotifyLog.TAKEN


def _own_attempt(log: NotifyLog) -> PaymentAttempt | None:
    """The attempt whose money it would be."""
    return PaymentAttempt.objects.filter(pk=log.attempt_id, channel_id=log.channel_id).first()
