"""The acts of staff on money that an order owes its guest: give it to a member, or note that it was paid by hand."""

from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from accounts.selectors import member_named
from common.admin import Fact, Preview, action, allowed, ask, money
from common.admin.confirm import Answer
from common.forms import PlainDecimalField
from common.money import CENT
from orders import services
from orders.models import Order
from wallet.selectors import balance_of, credit_of_order


class PayOutForm(forms.Form):
    amount = PlainDecimalField(
        label=_("金额"), max_digits=12, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget({"step": "0.01"})
    )
    reason = forms.CharField(
        label=_("原因"),
        max_length=150,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("写明打款方式和凭证号；写入订单历史和审计记录"),
    )

    def __init__(self, *args, order: Order, **kwargs) -> None:
        left = credit_of_order(order.pk)
        super().__init__(*args, initial={"amount": left}, **kwargs)
        self.fields["amount"].validators += [MinValueValidator(CENT), MaxValueValidator(left)]
        self.fields["amount"].help_text = _("待退款共 ¥%(left)s") % {"left": left}


class GiveForm(PayOutForm):
    member = forms.CharField(
        label=_("会员用户名"),
        max_length=150,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("请先核实这位会员就是下单的买家"),
    )
    field_order = ["member", "amount", "reason"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("写入订单历史和审计记录")

    def clean_member(self) -> User:
        found = member_named(self.cleaned_data["member"])
        if found is None:
            raise forms.ValidationError(_("没有这个会员"))
        return found


class CreditActs:
    """Mixed into the order's admin."""

    if TYPE_CHECKING:

        def one(self, request: HttpRequest, object_id: Any) -> Order: ...

    has_settle_permission = allowed("orders.settle_credit")

    @action(description=_("待退款转给会员"), url_path="give-credit", icon="savings", permissions=["settle"])
    def give_credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            amount, member = answer.data["amount"], answer.data["member"]
            services.give_credit(
                order_id=order.pk,
                user_id=member.pk,
                amount=amount,
                reason=answer.data["reason"],
                ref=_ref(order, answer),
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已将 ¥%(amount)s 转入 %(name)s 的余额。") % {
                "amount": amount,
                "name": member.get_username(),
            }

        def preview(answer: Answer) -> Preview:
            member, amount = answer.data["member"], answer.data["amount"]
            balance = balance_of(member)
            return _preview(
                order,
                answer,
                Fact(_("转给会员"), member.get_username(), strong=True),
                Fact(_("余额"), money(balance + amount), was=money(balance)),
            )

        form = partial(GiveForm, order=order)
        return ask(self, request, title=_("待退款转给会员"), form=form, preview=preview, run=run, target=order)

    @action(description=_("登记人工打款"), url_path="pay-out", icon="payments", permissions=["settle"])
    def pay_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = self.one(request, object_id)

        def run(answer: Answer) -> str:
            services.pay_out_credit(
                order_id=order.pk,
                amount=answer.data["amount"],
                reason=answer.data["reason"],
                ref=_ref(order, answer),
                actor=request.user,
                address=request.client_address,
            )
            return gettext("已登记打款 ¥%(amount)s。") % {"amount": answer.data["amount"]}

        def preview(answer: Answer) -> Preview:
            return _preview(order, answer, Fact(_("对方账户"), _("店铺 · 人工打款")))

        form = partial(PayOutForm, order=order)
        return ask(self, request, title=_("登记人工打款"), form=form, preview=preview, run=run, target=order)


def _ref(order: Order, answer: Answer) -> str:
    return f"credit:{order.pk}:{answer.token}"[:80]


def _preview(order: Order, answer: Answer, *to: Fact) -> Preview:
    left, amount = credit_of_order(order.pk), answer.data["amount"]
    return Preview(
        facts=[
            Fact(_("金额"), money(amount), strong=True),
            Fact(_("联系方式"), order.contact),
            *to,
            Fact(_("订单待退款"), money(left - amount), was=money(left)),
            Fact(_("原因"), answer.data["reason"]),
        ],
        warnings=[] if amount <= left else [_("待退款不足这个金额。")],
        possible=amount <= left,
        submit=gettext("确认转出 ¥%(amount)s") % {"amount": amount},
    )
