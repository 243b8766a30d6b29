"""Gateway money under a number that we do not know: told on the ledger's page of its transfer, assigned or sent back by staff."""

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from accounts.selectors import member_named
from common.admin import Fact, Preview, ask, link_to, money
from common.admin.confirm import Answer
from common.registries import Panel, panels
from orders.models import Order
from orders.services import PaymentOutcome
from payments.admin.refunds import refund_chip
from payments.gateways import kind_of
from payments.models import NotifyLog, Refund
from payments.selectors import unclaimed_amount
from payments.services import assign_ref, assign_to_member, assign_to_order, is_free, return_unclaimed
from payments.services.unclaimed import channel_of
from wallet.models import Transfer
from wallet.selectors import balance_of

PERMISSION, MAY_RETURN = "payments.assign_unclaimed", "payments.send_back"
OUTCOMES = {
    PaymentOutcome.PAID: _("订单 %(number)s 已付款。"),
    PaymentOutcome.CREDITED: _("订单 %(number)s 不能由这笔款项支付，已转为买家余额或订单待退款。"),
}


class AssignForm(forms.Form):
    """Whose money it is: exactly one of the two."""

    member = forms.CharField(
        label=_("会员用户名"),
        max_length=150,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("款项转入这位会员的余额"),
    )
    order = forms.CharField(
        label=_("订单号"),
        max_length=24,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("或者：款项用于支付这个订单；不够或多出的部分转为买家余额"),
    )
    reason = forms.CharField(
        label=_("原因"), max_length=200, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text=_("写入审计记录")
    )

    def clean_member(self) -> User | None:
        name = self.cleaned_data["member"]
        found = member_named(name) if name else None
        if name and found is None:
            raise forms.ValidationError(_("没有这个会员"))
        return found

    def clean_order(self) -> Order | None:
        number = self.cleaned_data["order"].strip().upper()
        found = Order.objects.filter(number=number).first()
        if number and found is None:
            raise forms.ValidationError(_("没有找到这个订单"))
        return found

    def clean(self) -> dict:
        data = super().clean()
        if not self.errors and bool(data["member"]) == bool(data["order"]):
            raise forms.ValidationError(_("请填写会员用户名或订单号，二者填一"))
        return data


def assign(model_admin, request: HttpRequest, transfer_id: int) -> HttpResponse:
    """The act itself; leads back to the transfer."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    transfer = get_object_or_404(Transfer, pk=transfer_id, kind=Transfer.Kind.UNCLAIMED)

    def run(answer: Answer) -> str:
        member, order, reason = answer.data["member"], answer.data["order"], answer.data["reason"]
        told = {"reason": reason, "actor": request.user, "address": request.client_address}
        if member is not None:
            assign_to_member(transfer_id=transfer.pk, user_id=member.pk, **told)
            return gettext("已转入 %(name)s 的余额。") % {"name": member.get_username()}
        outcome = assign_to_order(transfer_id=transfer.pk, order_id=order.pk, **told)
        return str(OUTCOMES[outcome]) % {"number": order.number}

    return ask(
        model_admin,
        request,
        title=_("认领款项"),
        form=AssignForm,
        preview=lambda answer: _preview(transfer, answer),
        run=run,
        back=reverse("admin:wallet_transfer_change", args=[transfer.pk]),
    )


class ReturnForm(forms.Form):
    reason = forms.CharField(
        label=_("原因"), max_length=150, widget=UnfoldAdminTextareaWidget({"rows": 2}), help_text=_("写入审计记录")
    )


def give_back(model_admin, request: HttpRequest, transfer_id: int) -> HttpResponse:
    """Back to whoever paid it, through the gateway; leads to the transfer again."""
    if not request.user.has_perm(MAY_RETURN):
        raise PermissionDenied
    transfer = get_object_or_404(Transfer, pk=transfer_id, kind=Transfer.Kind.UNCLAIMED)

    def run(answer: Answer) -> str:
        made = return_unclaimed(
            transfer_id=transfer.pk,
            reason=answer.data["reason"],
            actor=request.user,
            address=request.client_address,
        )
        told = {"amount": made.amount, "number": made.number}
        return gettext("¥%(amount)s 正在原路退回，退款单号 %(number)s。") % told

    return ask(
        model_admin,
        request,
        title=_("原路退回"),
        form=ReturnForm,
        preview=lambda answer: _preview_return(transfer, answer),
        run=run,
        back=reverse("admin:wallet_transfer_change", args=[transfer.pk]),
    )


def _preview_return(transfer: Transfer, answer: Answer) -> Preview:
    channel, amount = channel_of(transfer), unclaimed_amount(transfer)
    free, can = is_free(transfer.pk), kind_of(channel).can_refund
    warnings = [_("先核对付款凭证：退回之后不能再认领。渠道拒绝时款项回到待认领；结果未知时系统会用同一个单号查询。")]
    if not free:
        warnings = [_("这笔款项已经认领，或正在原路退回。")]
    elif not can:
        warnings = [_("这个渠道不支持原路退回，请认领后另行处理。")]
    return Preview(
        facts=[
            Fact(_("原路退回"), format_html("{} {}", channel, money(amount)), strong=True),
            Fact(_("支付单号"), transfer.memo),
            Fact(_("渠道流水号"), transfer.ref.split(":", 2)[2]),
            Fact(_("原因"), answer.data["reason"]),
        ],
        warnings=warnings,
        possible=free and can,
        submit=gettext("确认退回 ¥%(amount)s") % {"amount": amount},
    )


def _preview(transfer: Transfer, answer: Answer) -> Preview:
    amount, member, order = unclaimed_amount(transfer), answer.data["member"], answer.data["order"]
    facts = [Fact(_("金额"), money(amount), strong=True), Fact(_("支付单号"), transfer.memo)]
    if member is not None:
        balance = balance_of(member)
        facts += [
            Fact(_("转给会员"), member.get_username(), strong=True),
            Fact(_("余额"), money(balance + amount), was=money(balance)),
        ]
    else:
        facts += [
            Fact(_("用于订单"), order.number, strong=True),
            Fact(_("状态"), order.get_state_display()),
            Fact(_("应付"), money(order.total)),
        ]
    done = not is_free(transfer.pk)
    return Preview(
        facts=[*facts, Fact(_("原因"), answer.data["reason"])],
        warnings=[_("这笔款项已经认领，或正在原路退回。")] if done else [],
        possible=not done,
        submit=gettext("确认认领 ¥%(amount)s") % {"amount": amount},
    )


def unclaimed_panel(transfer: Transfer, viewer: User) -> Panel | None:
    """On the page of the transfer that booked such money: whether it has found its owner."""
    if transfer.kind != Transfer.Kind.UNCLAIMED:
        return None
    done = Transfer.objects.filter(ref=assign_ref(transfer.pk)).first()
    if done is not None:
        address = reverse("admin:wallet_transfer_change", args=[done.pk])
        return Panel(title=_("待认领款项"), facts=[(_("状态"), _("已认领"))], links=[(_("转账"), address)])
    refunds = list(Refund.objects.filter(transfer_id=transfer.pk).order_by("-pk"))
    rows = [(link_to(one, viewer, one.number), refund_chip(one), one.last_error or "–") for one in refunds]
    told = {"columns": [_("退款单号"), _("状态"), _("最近的答复")] if rows else [], "rows": rows}
    if not is_free(transfer.pk):
        returned = refunds[0].state == Refund.State.DONE
        state = _("已原路退回") if returned else _("正在原路退回")
        return Panel(title=_("待认领款项"), facts=[(_("状态"), state)], **told)
    links = []
    if viewer.has_perm(PERMISSION):
        links.append((_("认领款项"), reverse("admin:payments_notifylog_assign", args=[transfer.pk])))
    if viewer.has_perm(MAY_RETURN):
        links.append((_("原路退回"), reverse("admin:payments_notifylog_give_back", args=[transfer.pk])))
    facts = [(_("状态"), _("等待认领")), (_("金额"), money(unclaimed_amount(transfer)))]
    return Panel(title=_("待认领款项"), facts=facts, links=links, **told)


def ledger_panel(log: NotifyLog, viewer: User) -> Panel | None:
    """On the page of a notify that nobody expected: where its money is."""
    if log.reason != "unclaimed" or not viewer.has_perm("wallet.view_transfer"):
        return None
    address = f"{reverse('admin:wallet_transfer_changelist')}?kind__exact={Transfer.Kind.UNCLAIMED}"
    return Panel(title=_("待认领款项"), links=[(_("在账本中认领"), address)])


panels.add("wallet.Transfer", unclaimed_panel)
panels.add("payments.NotifyLog", ledger_panel)
