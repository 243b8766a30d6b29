"""Notifies as gateways sent them, with what was made of each."""

from collections.abc import Collection
from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import DayRangeFilter, Preview, ReadOnlyAdmin, action, allowed, ask, chip, display, when
from payments.admin.unclaimed import assign, give_back
from payments.models import NotifyLog, PaymentAttempt
from payments.services import process_notify

Verdict = NotifyLog.Verdict
TONES = {
    Verdict.RECEIVED: "warning",
    Verdict.REJECTED: "danger",
    Verdict.WAITING: "warning",
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


@admin.register(NotifyLog)
class NotifyLogAdmin(ReadOnlyAdmin):
    list_display = ["shown_at", "channel", "shown_verdict", "reason_text", "address"]
    export_columns = ["received_at", "channel", "verdict", "reason_text", "address"]
    list_filter = ["verdict", "channel", ("received_at", DayRangeFilter)]
    list_select_related = ["channel"]
    search_fields = ["raw"]
    search_help_text = _("按支付单号精确查找")
    ordering = ["-id"]
    fields = [
        ("shown_at", "channel"),
        ("shown_verdict", "reason_text"),
        "attempt",
        ("http_method", "address"),
        "shown_raw",
    ]
    actions_detail = ["take_up"]
    has_ask_permission = allowed("payments.ask_gateway")

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
        attempts = PaymentAttempt.objects.filter(number=term.strip().upper()).values_list("pk", flat=True)
        return queryset.filter(attempt_id__in=list(attempts)), False

    def fitting_acts(self, log: NotifyLog, user: User) -> Collection[str]:
        return self.actions_detail if log.verdict in (Verdict.RECEIVED, Verdict.WAITING) else []

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

    @display(description=_("时间"))
    def shown_at(self, log: NotifyLog):
        return when(log.received_at)

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
