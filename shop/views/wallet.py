"""The member's money: balance, what moved it, and the way to put more in."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from common.exceptions import BadInput, DomainError
from common.forms import sent_token
from common.ids import public_id
from common.money import parse_money
from marketing.selectors import rebate_progress, rebates_of
from payments.selectors import withdrawal_rules
from shop.refusals import private
from wallet.selectors import balance_of, credit_line_of, draws_of, dues_of, restricted_of, statement
from wallet.services import draw_credit, redeem_card, repay_credit, set_auto_use

ON_A_PAGE = 20
REBATES_SHOWN = 6


class CardForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("卡号"),
        max_length=80,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "placeholder": "XXXX-XXXX-XXXX-XXXX-XXXX",
            }
        ),
        help_text=gettext_lazy("不分大小写，空格和连字符可有可无"),
    )


@private
@login_required
def redeem(request: HttpRequest) -> HttpResponse:
    """Turn a recharge or gift card into balance."""
    form = CardForm(request.POST or None)
    done = None
    if request.method == "POST" and form.is_valid():
        try:
            done = redeem_card(user=request.user, code=form.cleaned_data["code"], address=request.client_address)
        except DomainError as refusal:
            form.add_error("code", str(refusal))
    return render(request, "shop/redeem.html", {"form": form, "done": done, "balance": balance_of(request.user)})


@private
@login_required
def credit(request: HttpRequest) -> HttpResponse:
    """The member's credit line: used, free, due; using it, paying it back, the switch. 404 for who has none."""
    line = credit_line_of(request.user)
    if line is None:
        raise Http404
    refusal = ""
    if request.method == "POST":
        try:
            messages.success(request, _act(request, request.POST.get("act", "")))
            return redirect("shop:wallet_credit")
        except DomainError as error:
            refusal = str(error)
            line = credit_line_of(request.user)
    balance = balance_of(request.user)
    context = {
        "line": line,
        "dues": dues_of(line, clock.day_of(clock.now())),
        "balance": balance,
        "refusal": refusal,
        "repay_amount": line.used,
        "page": Paginator(draws_of(line), ON_A_PAGE).get_page(request.GET.get("page")),
        "token": public_id(),
    }
    return render(request, "shop/credit.html", context)


def _act(request: HttpRequest, act: str) -> str:
    """Do what the button says; the sentence that tells it. Raises DomainError."""
    if act in ("auto-on", "auto-off"):
        set_auto_use(user=request.user, on=act == "auto-on")
        return _("已打开") if act == "auto-on" else _("已关闭")
    if act not in ("draw", "repay"):
        raise BadInput(message=_("请选择要做什么"))
    amount, token = parse_money(request.POST.get("amount", "")), sent_token(request)
    if act == "repay":
        done = repay_credit(user=request.user, amount=amount, idempotency_key=token)
        return _("已归还 ¥%(amount)s") % {"amount": done.amount}
    draw = draw_credit(user=request.user, amount=amount, idempotency_key=token)
    return _("¥%(amount)s 已转入余额") % {"amount": draw.amount}


@private
@login_required
def wallet(request: HttpRequest) -> HttpResponse:
    page = Paginator(statement(request.user), ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "balance": balance_of(request.user),
        "restricted": restricted_of(request.user),
        "can_withdraw": withdrawal_rules().is_open,
        "credit": credit_line_of(request.user),
        "page": page,
        "rebate": rebate_progress(user_id=request.user.pk, at=clock.now()),
        "rebates": rebates_of(user_id=request.user.pk)[:REBATES_SHOWN],
    }
    return render(request, "shop/wallet.html", context)
