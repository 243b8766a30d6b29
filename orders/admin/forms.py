"""What staff type before an act on an order."""

from decimal import Decimal

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
)

from common.forms import PlainDecimalField
from common.money import ZERO
from common.registries import ways_back
from orders.models import Order, OrderLine, OrderRefund
from orders.services.delivering import MAX_SECRET
from orders.services.holding import MAX_REASON
from orders.services.paying import WALLET

Target = OrderRefund.Target
BY_HAND = [OrderLine.State.QUEUED, OrderLine.State.SHORT]


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text=_("写入审计记录")
    )


class HoldForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"),
        max_length=MAX_REASON,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text=_("员工在订单上看到，并写入审计记录"),
    )


class NoteForm(forms.Form):
    text = forms.CharField(
        label=_("内部备注"),
        max_length=2000,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 5}),
        help_text=_("只有员工能看到；修改会写入审计记录"),
    )

    def __init__(self, *args, order: Order, **kwargs) -> None:
        super().__init__(*args, initial={"text": order.staff_note}, **kwargs)


def routes_of(order: Order) -> list[tuple[str, str]]:
    """Where a refund of the order can go: the buyer's account in the shop, and back the way it came where that is known."""
    target = Target.ORDER_CREDIT if order.is_guest else Target.WALLET
    routes = [(str(target.value), str(target.label))]
    if order.paid_with != WALLET and ways_back(order, order.paid_total - order.refunded_total):
        routes.append((str(Target.ORIGINAL.value), str(Target.ORIGINAL.label)))
    return routes


class RefundForm(forms.Form):
    """An amount for each line that has something left to give back; an empty one leaves that line as it is."""

    def __init__(self, *args, order: Order, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.lines = [line for line in order.lines.all() if line.cash > line.refunded]
        for line in self.lines:
            left = line.cash - line.refunded
            self.fields[f"line_{line.pk}"] = PlainDecimalField(
                label=str(line),
                max_digits=12,
                decimal_places=2,
                min_value=ZERO,
                max_value=left,
                required=False,
                initial=left,
                widget=UnfoldAdminDecimalFieldWidget({"step": "0.01", "min": "0", "max": str(left)}),
                help_text=_("可退 ¥%(left)s，填 0 则不退此商品") % {"left": left},
            )
        routes = routes_of(order)
        if len(routes) > 1:
            self.fields["route"] = forms.ChoiceField(
                label=_("退至"),
                choices=routes,
                initial=routes[0][0],
                widget=UnfoldAdminRadioSelectWidget(),
                help_text=_("原支付方式：由渠道退回付款账户；渠道没有受理的部分转入另一项"),
            )
        self.fields["reason"] = forms.CharField(
            label=_("原因"),
            max_length=150,
            widget=UnfoldAdminTextareaWidget({"rows": 2}),
            help_text=_("写入订单历史和审计记录"),
        )

    def amounts(self) -> dict[int, Decimal]:
        """Yuan by line id, without the lines that get nothing."""
        typed = {line.pk: self.cleaned_data.get(f"line_{line.pk}") for line in self.lines}
        return {pk: amount for pk, amount in typed.items() if amount}

    def clean(self) -> dict:
        data = super().clean()
        if not self.errors and not self.amounts():
            raise forms.ValidationError(_("请至少填写一项退款金额"))
        return {"route": None, **data, "amounts": self.amounts()}


class DeliverForm(forms.Form):
    """One line that waits for staff, and what its buyer gets."""

    line = forms.ModelChoiceField(
        label=_("商品"),
        queryset=OrderLine.objects.none(),
        empty_label=None,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    text = forms.CharField(
        label=_("发货内容"),
        max_length=MAX_SECRET,
        widget=UnfoldAdminTextareaWidget({"rows": 6}),
        help_text=_("卡密、兑换码、充值凭证或“已充值”；加密保存，买家在订单页看到"),
    )

    def __init__(self, *args, order: Order, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        waiting = order.lines.filter(state__in=BY_HAND)
        self.fields["line"].queryset = waiting
        self.fields["line"].initial = waiting.first()
