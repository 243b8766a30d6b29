"""Top-ups to read, and to note that one was given back."""

from collections.abc import Collection
from decimal import Decimal
from functools import partial

from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget

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
    money,
    when,
)
from common.admin.confirm import Answer
from common.forms import PlainDecimalField
from common.money import CENT, ZERO
from payments import services
from payments.bonuses import due_back
from payments.models import BonusGrant, TopUp
from payments.selectors import given_back_of
from wallet.selectors import balance_of, restricted_of

TONES = {TopUp.State.UNPAID: "neutral", TopUp.State.PAID: "success", TopUp.State.CLOSED: "neutral"}


class RefundForm(forms.Form):
    amount = PlainDecimalField(
        label=_("退款金额"), max_digits=12, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"})
    )
    reason = forms.CharField(
        label=_("原因"),
        max_length=200,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("写明退款方式和凭证号；写入审计记录"),
    )

    def __init__(self, *args, left: Decimal, **kwargs) -> None:
        super().__init__(*args, initial={"amount": left}, **kwargs)
        self.fields["amount"].validators += [MinValueValidator(CENT), MaxValueValidator(left)]
        self.fields["amount"].help_text = _(
            "渠道能原路退回时，请到支付单页退回，不用登记；否则先在渠道后台退给会员，再在这里登记。最多 ¥%(left)s"
        ) % {"left": left}


@admin.register(TopUp)
class TopUpAdmin(ReadOnlyAdmin):
    list_display = ["user", "shown_amount", "shown_credited", "shown_state", "shown_placed", "shown_paid"]
    list_display_links = ["user"]
    list_filter = ["state", ("placed_at", DayRangeFilter), ("paid_at", DayRangeFilter), "storefront"]
    list_select_related = ["user", "storefront", "bonus_rule"]
    search_fields = ["^user__username"]
    search_help_text = _("按用户名开头查找")
    ordering = ["-id"]
    fields = [
        "user",
        ("shown_amount", "shown_credited", "shown_refunded"),
        ("bonus_rule", "shown_bonus"),
        "shown_state",
        ("shown_placed", "shown_deadline", "shown_paid"),
        "storefront",
    ]
    export_columns = ["user", "amount", "credited", "refunded", "bonus", "state", "placed_at", "paid_at", "storefront"]

    actions_detail = ["refund"]
    has_refund_permission = allowed("payments.refund_topup")

    def fitting_acts(self, top_up: TopUp, user: User) -> Collection[str]:
        return self.actions_detail if top_up.credited > given_back_of(top_up) else []

    @action(description=_("登记退款"), icon="undo", permissions=["refund"])
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        top_up = self.one(request, object_id)

        def preview(answer: Answer) -> Preview:
            amount = answer.data["amount"]
            grant = BonusGrant.objects.filter(top_up=top_up).first()
            bonus = due_back(grant, amount)
            free = balance_of(top_up.user) - restricted_of(top_up.user)
            balance = balance_of(top_up.user)
            short = balance < amount + bonus or free < amount
            return Preview(
                facts=[
                    Fact(_("会员"), top_up.user.get_username()),
                    Fact(_("退款金额"), money(amount), strong=True),
                    Fact(_("收回赠送"), money(bonus)),
                    Fact(_("余额"), money(balance - amount - bonus), was=money(balance)),
                    Fact(_("原因"), answer.data["reason"]),
                ],
                warnings=[_("余额里可以退的不够，请减少退款金额。")] if short else [],
                possible=not short,
                submit=_("确认登记"),
            )

        def run(answer: Answer) -> str:
            services.refund_top_up(
                top_up_id=top_up.pk,
                amount=answer.data["amount"],
                reason=answer.data["reason"],
                ref=f"topup:{top_up.pk}:{answer.token}"[:80],
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已登记退款。")

        form = partial(RefundForm, left=max(top_up.credited - given_back_of(top_up), ZERO))
        return ask(self, request, title=_("登记充值退款"), form=form, preview=preview, run=run, target=top_up)

    @display(description=_("金额"), ordering="amount")
    def shown_amount(self, top_up: TopUp):
        return money(top_up.amount)

    @display(description=_("到账金额"))
    def shown_credited(self, top_up: TopUp):
        return money(top_up.credited) if top_up.credited else "–"

    @display(description=_("已退金额"))
    def shown_refunded(self, top_up: TopUp):
        return money(top_up.refunded) if top_up.refunded else "–"

    @display(description=_("应赠金额"))
    def shown_bonus(self, top_up: TopUp):
        return money(top_up.bonus) if top_up.bonus else "–"

    @display(description=_("状态"))
    def shown_state(self, top_up: TopUp):
        return chip(top_up.get_state_display(), TONES[TopUp.State(top_up.state)])

    @display(description=_("创建时间"))
    def shown_placed(self, top_up: TopUp):
        return when(top_up.placed_at)

    @display(description=_("支付截止"))
    def shown_deadline(self, top_up: TopUp):
        return when(top_up.pay_deadline)

    @display(description=_("到账时间"))
    def shown_paid(self, top_up: TopUp):
        return when(top_up.paid_at) or "–"
