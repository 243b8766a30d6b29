"""Refunds through gateways, to read; staff can ask the gateway again, or write down what its console shows."""

from collections.abc import Collection, Iterable
from functools import partial

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextareaWidget

from accounts.models import User
from audit.selectors import history_of
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
    link_to,
    money,
    when,
)
from common.admin.confirm import Answer
from common.registries import Panel, TimelineEntry, panels, timelines
from orders.models import Order
from payments.models import Channel, PaymentAttempt, Refund
from payments.selectors import parked_refunds
from payments.services import push_refund, settle_refund
from payments.services.refunding import SETTLE
from wallet.models import Transfer

SHOWN = 20
State = Refund.State
TONES = {
    State.CREATED: "neutral",
    State.SENT: "info",
    State.UNKNOWN: "warning",
    State.DONE: "success",
    State.REFUSED: "danger",
}
ANSWERS = {
    State.CREATED: _("还没有发送，请稍后再试。"),
    State.SENT: _("正在发送，请稍后再试。"),
    State.UNKNOWN: _("渠道还没有给出结果。"),
    State.DONE: _("渠道确认已退回。"),
    State.REFUSED: _("渠道没有受理，款项已转回原处。"),
}


def refund_chip(refund: Refund):
    return chip(refund.get_state_display(), TONES[State(refund.state)])


class NeedsStaffFilter(admin.SimpleListFilter):
    """`?needs=parked`: nobody asks about them any more."""

    title = _("待处理")
    parameter_name = "needs"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("parked", _("结果未知，已停止自动查询"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        return queryset.filter(pk__in=parked_refunds().values("pk")) if self.value() == "parked" else queryset


class ChannelFilter(admin.SimpleListFilter):
    """`?channel=7`: what goes back through it, of payments and of money that nobody claimed."""

    title = _("支付渠道")
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [(str(channel.pk), str(channel)) for channel in Channel.objects.order_by("pk")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        if self.value() is None:
            return queryset
        if self.value() not in {number for number, _name in self.lookup_choices}:
            return queryset.none()
        return queryset.filter(Q(attempt__channel=self.value()) | Q(channel=self.value()))


class SettleForm(forms.Form):
    result = forms.ChoiceField(
        label=_("渠道后台显示的结果"),
        choices=[("done", _("已退回付款人")), ("refused", _("没有退款，款项转回原处"))],
        widget=UnfoldAdminRadioSelectWidget(),
    )
    reason = forms.CharField(
        label=_("原因"),
        max_length=150,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("写明渠道后台的退款单号；写入审计记录"),
    )


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ["number", "what", "way", "shown_amount", "shown_state", "shown_created", "last_error"]
    list_filter = ["state", NeedsStaffFilter, ChannelFilter, ("created_at", DayRangeFilter)]
    list_select_related = ["attempt__channel", "attempt__order", "attempt__top_up__user", "order_refund", "channel"]
    search_fields = ["number"]
    search_help_text = _("按退款单号、支付单号或订单号精确查找")
    ordering = ["-id"]
    fields = [
        ("number", "shown_state"),
        ("what", "way"),
        ("shown_amount", "shown_bonus"),
        "provider_refund",
        ("shown_created", "shown_sent"),
        ("shown_settled", "shown_ask"),
        ("asked_count", "last_error"),
        "reason",
    ]
    actions_detail = ["ask_now", "settle"]
    export_columns = [
        "number",
        "attempt",
        "what",
        "way",
        "amount",
        "bonus",
        "state",
        "provider_refund",
        "reason",
        "created_at",
        "sent_at",
        "settled_at",
        "last_error",
    ]
    has_ask_permission = allowed("payments.ask_gateway")
    has_settle_permission = allowed("payments.settle_refund")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        term = term.strip().upper()
        if not term:
            return queryset, False
        found = queryset.filter(number=term) | queryset.filter(attempt__number=term)
        found |= queryset.filter(attempt=None, paid_number=term)
        return found | queryset.filter(attempt__order__number=term), False

    def fitting_acts(self, refund: Refund, user: User) -> Collection[str]:
        return self.actions_detail if refund.state in Refund.OPEN else []

    @action(description=_("向渠道查询"), url_path="ask-now", icon="sync", permissions=["ask"])
    def ask_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        refund = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("向渠道查询"),
            preview=lambda answer: Preview(
                facts=[*_facts(refund), Fact(_("渠道"), refund.gateway)],
                warnings=[_("用同一个退款单号查询；渠道说没有这笔退款时，用同一个单号再发送一次，不会退两次。")],
                submit=_("查询"),
            ),
            run=lambda answer: str(ANSWERS[State(push_refund(refund_id=refund.pk))]),
            target=refund,
            danger=False,
        )

    @action(description=_("人工登记结果"), icon="gavel", variant=ActionVariant.DANGER, permissions=["settle"])
    def settle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        refund = self.one(request, object_id)

        def run(answer: Answer) -> str:
            settle_refund(
                refund_id=refund.pk,
                done=answer.data["result"] == "done",
                reason=answer.data["reason"],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已登记。")

        return ask(
            self,
            request,
            title=_("人工登记结果"),
            form=SettleForm,
            preview=partial(_preview, refund),
            run=run,
            target=refund,
        )

    @display(description=_("用途"))
    def what(self, refund: Refund) -> str:
        attempt = refund.attempt
        if attempt is None:
            return gettext("待认领款项 %(number)s") % {"number": refund.paid_number}
        if attempt.order is not None:
            return attempt.order.number
        return gettext("%(name)s 充值") % {"name": attempt.top_up.user.get_username()}

    @display(description=_("方式"))
    def way(self, refund: Refund) -> str:
        return way_of(refund)

    @display(description=_("金额"), ordering="amount")
    def shown_amount(self, refund: Refund):
        return money(refund.amount)

    @display(description=_("收回赠送"))
    def shown_bonus(self, refund: Refund):
        return money(refund.bonus) if refund.bonus else "–"

    @display(description=_("状态"))
    def shown_state(self, refund: Refund):
        return refund_chip(refund)

    @display(description=_("创建时间"))
    def shown_created(self, refund: Refund):
        return when(refund.created_at)

    @display(description=_("发送时间"))
    def shown_sent(self, refund: Refund):
        return when(refund.sent_at) or "–"

    @display(description=_("完成时间"))
    def shown_settled(self, refund: Refund):
        return when(refund.settled_at) or "–"

    @display(description=_("下次查询时间"))
    def shown_ask(self, refund: Refund):
        return when(refund.ask_at) or "–"


def way_of(refund: Refund) -> str:
    attempt = refund.attempt
    return str(refund.channel) if attempt is None else f"{attempt.get_method_display()} · {attempt.channel}"


def _facts(refund: Refund) -> list[Fact]:
    return [
        Fact(_("退款单号"), refund.number),
        Fact(_("支付单号"), refund.payment_number),
        Fact(_("金额"), money(refund.amount)),
        Fact(_("状态"), refund_chip(refund)),
    ]


def _preview(refund: Refund, answer: Answer) -> Preview:
    done = answer.data["result"] == "done"
    result = _("已退回付款人") if done else _("没有退款，款项转回原处")
    warning = (
        _("请先在渠道后台看到这笔退款成功。登记后不再向渠道查询，不能撤销。")
        if done
        else _(
            "请先在渠道后台确认没有这笔退款：登记后款项回到买家账户或待认领款项，渠道若仍退款，店铺会付两次。不能撤销。"
        )
    )
    return Preview(
        facts=[*_facts(refund), Fact(_("结果"), result, strong=True), Fact(_("原因"), answer.data["reason"])],
        warnings=[warning],
        submit=_("确认登记"),
    )


def refunds_panel(target: Order | PaymentAttempt, viewer: User) -> Panel | None:
    """Money of an order or an attempt that goes back through gateways, newest first."""
    if not viewer.has_perm("payments.view_refund"):
        return None
    mine = {"attempt__order": target} if isinstance(target, Order) else {"attempt": target}
    refunds = list(Refund.objects.filter(**mine).select_related("attempt__channel").order_by("-pk")[:SHOWN])
    if not refunds:
        return None
    return Panel(
        title=pgettext("plural", "渠道退款"),
        columns=[_("退款单号"), _("方式"), _("金额"), _("状态"), _("渠道退款号"), _("创建时间")],
        rows=[
            (
                link_to(refund, viewer, refund.number),
                way_of(refund),
                money(refund.amount),
                refund_chip(refund),
                refund.provider_refund or "–",
                when(refund.created_at),
            )
            for refund in refunds
        ],
    )


def attempt_panel(refund: Refund, viewer: User) -> Panel:
    """The payment that a refund gives back."""
    attempt = refund.attempt
    if attempt is None:
        transfer = Transfer.objects.filter(pk=refund.transfer_id).first()
        facts = [
            (_("支付单号"), refund.paid_number),
            (_("渠道流水号"), refund.paid_txn),
            (_("转账"), link_to(transfer, viewer) if transfer else "–"),
        ]
        return Panel(title=_("待认领款项"), facts=facts)
    target = attempt.order or attempt.top_up
    return Panel(
        title=attempt.get_purpose_display(),
        facts=[
            (target._meta.verbose_name, link_to(target, viewer)),
            (_("支付单号"), link_to(attempt, viewer, attempt.number)),
            (_("渠道流水号"), attempt.provider_txn),
            (_("实收金额"), money(attempt.paid_amount)),
        ],
    )


def moves_of(refund: Refund, viewer: User) -> Iterable[TimelineEntry]:
    for move in refund.moves.all():
        yield TimelineEntry(
            at=move.at,
            title=move.get_to_state_display(),
            icon="undo",
            tone=TONES[State(move.to_state)].replace("neutral", ""),
            detail=move.note,
            actor_id=move.actor_id,
        )


def acts_on(refund: Refund, viewer: User) -> Iterable[TimelineEntry]:
    return history_of(refund, but=[SETTLE])


def refunds_of(order: Order, viewer: User) -> Iterable[TimelineEntry]:
    """Refunds that gateways did not take, or whose result nobody knows, in an order's history."""
    if not viewer.has_perm("payments.view_refund"):
        return
    doubtful = Refund.objects.filter(attempt__order=order, state__in=[State.REFUSED, State.UNKNOWN])
    for refund in doubtful.order_by("pk")[:SHOWN]:
        yield TimelineEntry(
            at=refund.settled_at or refund.sent_at,
            title=gettext("渠道退款：%(state)s") % {"state": refund.get_state_display()},
            icon="error",
            tone="warning",
            detail=f"{refund.number} {refund.last_error}".strip(),
            url=reverse("admin:payments_refund_change", args=[refund.pk]),
        )


panels.add("orders.Order", refunds_panel)
panels.add("payments.PaymentAttempt", refunds_panel)
panels.add("payments.Refund", attempt_panel)
timelines.add("orders.Order", refunds_of)
timelines.add("payments.Refund", moves_of)
timelines.add("payments.Refund", acts_on)
