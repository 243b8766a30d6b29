"""Attempts to read; staff can ask the gateway again, or confirm by hand what its console shows."""

from collections.abc import Collection
from decimal import Decimal
from functools import partial

from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
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
from common.forms import PlainDecimalField
from common.money import CENT
from payments.bonuses import due_back
from payments.exceptions import MoreThanAsked
from payments.gateways import can_be_asked
from payments.models import BonusGrant, PaymentAttempt
from payments.providers import PaymentState
from payments.purposes import owner_of
from payments.selectors import balance_in_shop, is_taken, parked_attempts, returnable
from payments.services import ask_attempt, confirm_payment, note_unpaid, return_payment
from wallet.selectors import restricted_of

State = PaymentAttempt.State
TONES = {
    State.CREATED: "neutral",
    State.PENDING: "info",
    State.UNKNOWN: "warning",
    State.PAID: "success",
    State.FAILED: "danger",
    State.CLOSED: "neutral",
}
ANSWERS = {
    PaymentState.PAID: _("渠道确认已支付，已入账。"),
    PaymentState.UNPAID: _("渠道答复：未支付。"),
    PaymentState.CLOSED: _("渠道答复：已关闭，不能再付款。"),
    PaymentState.REFUNDED: _("渠道答复：已退款。"),
    PaymentState.MISSING: _("渠道答复：没有这笔订单。"),
    PaymentState.UNKNOWN: _("渠道没有给出明确答复。"),
}


# Of a payment whose transaction was booked for something else.
TAKEN_HELP = _(
    "渠道说这笔支付已付款，但它的流水已记在另一笔支付名下：请按流水号查清款项归谁，需要时用“人工调整余额”补给买家，处理完后再确认。"
)


def attempt_chip(attempt: PaymentAttempt):
    return chip(attempt.get_state_display(), TONES[State(attempt.state)])


class NeedsStaffFilter(admin.SimpleListFilter):
    """`?needs=parked`: nobody asks about them any more; `credited`: paid, and not for what it was meant."""

    title = _("待处理")
    parameter_name = "needs"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list:
        return [("parked", _("结果未知，待人工核对")), ("credited", _("到账后转为余额"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PaymentAttempt]) -> QuerySet[PaymentAttempt]:
        if self.value() == "parked":
            return queryset.filter(pk__in=parked_attempts().values("pk"))
        if self.value() == "credited":
            return queryset.filter(outcome=PaymentAttempt.Outcome.CREDITED)
        return queryset


class ConfirmForm(forms.Form):
    provider_txn = forms.CharField(
        label=_("渠道流水号"), max_length=64, widget=UnfoldAdminTextInputWidget, help_text=_("渠道后台显示的平台订单号")
    )
    amount = PlainDecimalField(
        label=_("实收金额"), max_digits=10, decimal_places=2, min_value=CENT, widget=UnfoldAdminDecimalFieldWidget
    )
    reason = forms.CharField(label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 3}))

    def __init__(self, *args, most: Decimal, **kwargs) -> None:
        super().__init__(*args, initial={"amount": most}, **kwargs)
        self.fields["amount"].validators.append(MaxValueValidator(most))
        self.fields["amount"].help_text = str(MoreThanAsked(asked=most))


class UnpaidForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text=_("写入审计记录")
    )


class SendBackForm(forms.Form):
    """How much of what is its buyer's in the shop goes back to whoever paid it."""

    amount = PlainDecimalField(
        label=_("金额"), max_digits=12, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"})
    )
    reason = forms.CharField(
        label=_("原因"), max_length=150, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text=_("写入审计记录")
    )

    def __init__(self, *args, attempt: PaymentAttempt, **kwargs) -> None:
        left = min(returnable(attempt), balance_in_shop(attempt))
        super().__init__(*args, initial={"amount": left}, **kwargs)
        self.fields["amount"].validators += [MinValueValidator(CENT), MaxValueValidator(left)]
        self.fields["amount"].help_text = _("这笔支付现在最多可退 ¥%(left)s，从买家的余额或订单待退款中扣除") % {
            "left": left
        }


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnlyAdmin):
    list_display = ["number", "what", "way", "shown_amount", "shown_state", "shown_created", "last_error"]
    list_filter = ["state", NeedsStaffFilter, "channel", "method", "purpose", ("created_at", DayRangeFilter)]
    list_select_related = ["channel", "order", "top_up__user"]
    search_fields = ["number"]
    search_help_text = _("按支付单号、渠道流水号或订单号精确查找")
    ordering = ["-id"]
    fields = [
        ("number", "shown_state"),
        ("what", "way"),
        ("shown_amount", "shown_fee"),
        ("shown_paid", "outcome"),
        ("provider_txn", "shown_paid_at"),
        ("shown_created", "shown_expires"),
        ("shown_foreign", "ref"),
        ("shown_asked", "asked_count", "shown_ask"),
        "shown_close",
        "last_error",
    ]
    actions_detail = ["ask_now", "confirm", "unpaid", "send_back"]
    export_columns = [
        "number",
        "channel",
        "method",
        "purpose",
        "amount",
        "fee",
        "state",
        "provider_txn",
        "paid_amount",
        "outcome",
        "currency",
        "currency_amount",
        "rate",
        "created_at",
        "paid_at",
    ]
    has_ask_permission = allowed("payments.ask_gateway")
    has_confirm_permission = allowed("payments.confirm_payment")
    has_unpaid_permission = allowed("payments.note_unpaid")
    has_send_back_permission = allowed("payments.send_back")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, term: str) -> tuple[QuerySet, bool]:
        term = term.strip()
        if not term:
            return queryset, False
        found = queryset.filter(number=term.upper()) | queryset.filter(order__number=term.upper())
        return found | queryset.filter(provider_txn=term), False

    def fitting_acts(self, attempt: PaymentAttempt, user: User) -> Collection[str]:
        if attempt.state != State.PAID:
            asked = {"ask_now"} if can_be_asked(attempt.channel) else set()
            parked = {"unpaid"} if parked_attempts().filter(pk=attempt.pk).exists() else set()
            return {"confirm"} | asked | parked
        return {"send_back"} if returnable(attempt) else set()

    @action(description=_("向渠道查询"), url_path="ask-now", icon="sync", permissions=["ask"])
    def ask_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        attempt = self.one(request, object_id)
        return ask(
            self,
            request,
            title=_("向渠道查询"),
            preview=lambda answer: Preview(
                facts=[*_facts(attempt), Fact(_("渠道"), attempt.channel)],
                warnings=[_("渠道答复已支付时，款项立即入账并发货。")],
                submit=_("查询"),
            ),
            run=lambda answer: str(ANSWERS[ask_attempt(attempt_id=attempt.pk)]),
            target=attempt,
            danger=False,
        )

    @action(description=_("人工确认到账"), icon="paid", variant=ActionVariant.DANGER, permissions=["confirm"])
    def confirm(self, request: HttpRequest, object_id: str) -> HttpResponse:
        attempt = self.one(request, object_id)

        def run(answer: Answer) -> str:
            new = confirm_payment(
                attempt_id=attempt.pk, **answer.data, actor=request.user, address=request.client_address
            )
            return gettext("已确认到账。") if new else gettext("这笔款项此前已经入账。")

        return ask(
            self,
            request,
            title=_("人工确认到账"),
            form=partial(ConfirmForm, most=attempt.amount),
            preview=partial(_preview, attempt),
            run=run,
            target=attempt,
        )

    @action(description=_("登记未到账"), icon="money_off", permissions=["unpaid"])
    def unpaid(self, request: HttpRequest, object_id: str) -> HttpResponse:
        attempt = self.one(request, object_id)

        def run(answer: Answer) -> str:
            note_unpaid(attempt_id=attempt.pk, **answer.data, actor=request.user, address=request.client_address)
            return gettext("已登记未到账。")

        return ask(
            self,
            request,
            title=_("登记未到账"),
            form=UnpaidForm,
            preview=lambda answer: Preview(
                facts=[*_facts(attempt), Fact(_("渠道"), attempt.channel), Fact(_("原因"), answer.data["reason"])],
                warnings=[
                    TAKEN_HELP
                    if is_taken(attempt)
                    else _("请先在渠道后台核对没有收到这笔款项。支付单随即关闭；以后若确有款项到账，仍会入账。")
                ],
                submit=_("登记未到账"),
            ),
            run=run,
            target=attempt,
        )

    @action(description=_("原路退回"), url_path="send-back", icon="undo", permissions=["send_back"])
    def send_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        attempt = self.one(request, object_id)

        def run(answer: Answer) -> str:
            made = return_payment(
                attempt_id=attempt.pk,
                **answer.data,
                ref=f"staff:{attempt.pk}:{answer.token}"[:80],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("¥%(amount)s 正在原路退回，退款单号 %(number)s。") % {
                "amount": made.amount,
                "number": made.number,
            }

        return ask(
            self,
            request,
            title=_("原路退回"),
            form=partial(SendBackForm, attempt=attempt),
            preview=partial(preview_send_back, attempt),
            run=run,
            target=attempt,
        )

    @display(description=_("用途"))
    def what(self, attempt: PaymentAttempt) -> str:
        if attempt.order is not None:
            return attempt.order.number
        return gettext("%(name)s 充值") % {"name": attempt.top_up.user.get_username()}

    @display(description=_("方式"))
    def way(self, attempt: PaymentAttempt) -> str:
        return f"{attempt.get_method_display()} · {attempt.channel}"

    @display(description=_("金额"), ordering="amount")
    def shown_amount(self, attempt: PaymentAttempt):
        return money(attempt.amount)

    @display(description=_("含手续费"))
    def shown_fee(self, attempt: PaymentAttempt):
        return money(attempt.fee)

    @display(description=_("实收金额"))
    def shown_paid(self, attempt: PaymentAttempt):
        return money(attempt.paid_amount) or "–"

    @display(description=_("状态"))
    def shown_state(self, attempt: PaymentAttempt):
        return attempt_chip(attempt)

    @display(description=_("创建时间"))
    def shown_created(self, attempt: PaymentAttempt):
        return when(attempt.created_at)

    @display(description=_("截止时间"))
    def shown_expires(self, attempt: PaymentAttempt):
        return when(attempt.expires_at)

    @display(description=_("支付时间"))
    def shown_paid_at(self, attempt: PaymentAttempt):
        return when(attempt.paid_at) or "–"

    @display(description=_("外币"))
    def shown_foreign(self, attempt: PaymentAttempt) -> str:
        if attempt.rate is None or attempt.currency_amount is None:
            return "–"
        return f"{attempt.currency_amount.normalize():f} {attempt.currency} × {attempt.rate.normalize():f}"

    @display(description=_("下次关单时间"))
    def shown_close(self, attempt: PaymentAttempt):
        return when(attempt.close_at) or "–"

    @display(description=_("最近查询时间"))
    def shown_asked(self, attempt: PaymentAttempt):
        return when(attempt.asked_at) or "–"

    @display(description=_("下次查询时间"))
    def shown_ask(self, attempt: PaymentAttempt):
        return when(attempt.ask_at) or "–"


def gift_of(attempt: PaymentAttempt, amount: Decimal) -> Decimal:
    """What of a gift goes back together with `amount` of a top-up, in yuan."""
    grant = BonusGrant.objects.filter(top_up=attempt.top_up).first() if attempt.top_up else None
    return due_back(grant, amount, attempt_id=attempt.pk)


def preview_send_back(attempt: PaymentAttempt, answer: Answer) -> Preview:
    amount, balance = answer.data["amount"], balance_in_shop(attempt)
    owner = owner_of(attempt)
    label = _("买家余额") if owner else _("订单待退款")
    bonus = gift_of(attempt, amount)
    free = balance - restricted_of(attempt.top_up.user) if attempt.top_up else balance
    short = balance < amount + bonus or free < amount
    return Preview(
        facts=[
            *_facts(attempt),
            Fact(
                _("原路退回"),
                format_html("{} · {} {}", attempt.get_method_display(), attempt.channel, money(amount)),
                strong=True,
            ),
            *([Fact(_("收回赠送"), money(bonus))] if bonus else []),
            Fact(label, money(balance - amount - bonus), was=money(balance)),
            Fact(_("原因"), answer.data["reason"]),
        ],
        warnings=[
            _("余额里可以退的不够（赠送要一并收回），请减少退款金额。")
            if short
            else _("款项立即从买家账户扣除；渠道拒绝时转回，并通知买家。")
        ],
        possible=not short and amount <= returnable(attempt),
        submit=gettext("确认退回 ¥%(amount)s") % {"amount": amount},
    )


def _facts(attempt: PaymentAttempt) -> list[Fact]:
    return [
        Fact(_("支付单号"), attempt.number),
        Fact(_("应收"), money(attempt.amount)),
        Fact(_("状态"), attempt_chip(attempt)),
    ]


def _preview(attempt: PaymentAttempt, answer: Answer) -> Preview:
    differs = answer.data["amount"] != attempt.amount
    return Preview(
        facts=[
            *_facts(attempt),
            Fact(_("渠道流水号"), answer.data["provider_txn"], strong=True),
            Fact(_("实收金额"), money(answer.data["amount"]), strong=True),
            Fact(_("原因"), answer.data["reason"]),
        ],
        warnings=[
            _("请先在渠道后台核对这笔流水。确认后立即入账并发货，不能撤销。"),
            *([_("实收少于应收：已付的部分转为买家余额，不会发货。")] if differs else []),
        ],
        submit=_("确认到账"),
    )
