"""Withdrawing: how much may go, where it goes, and what became of what was asked for."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.services import check_password_again, has_second_factor
from accounts.services.factors import ask_factor, factor_first, factor_missing, shown_lately
from common import clock
from common.exceptions import DomainError
from common.forms import sent_token
from common.ids import public_id as new_token
from payments.exceptions import WithdrawalNotFound
from payments.forms import PasswordForm, PayoutForm, WithdrawForm
from payments.models import Withdrawal
from payments.selectors import payout_account_of, withdrawable, withdrawal_rules
from payments.services import ask_withdrawal, cancel_withdrawal, save_payout_account
from wallet.models import PayConfirmation
from wallet.services import Agreement

ON_A_PAGE = 20
TONES = {
    Withdrawal.State.ASKED: "warn",
    Withdrawal.State.APPROVED: "primary",
    Withdrawal.State.PAID: "success",
    Withdrawal.State.REJECTED: "danger",
}


@never_cache
@login_required
def withdrawals(request: HttpRequest) -> HttpResponse:
    """What may be withdrawn, the form, and what was asked for before."""
    asks = not has_second_factor(request.user)
    form = WithdrawForm(request.POST or None, asks=asks, initial={"amount": request.GET.get("amount", "")[:12]})
    if request.method == "POST" and form.is_valid() and factor_missing(request):
        return ask_factor(request, f"{request.path}?{urlencode({'amount': form.cleaned_data['amount']})}")
    if request.method == "POST" and form.is_valid() and _is_owner(request, form):
        method = PayConfirmation.Method(shown_lately(request)) if not asks else PayConfirmation.Method.PASSWORD
        try:
            ask_withdrawal(
                user=request.user,
                amount=form.cleaned_data["amount"],
                agreement=Agreement(form.cleaned_data["amount"], method),
                idempotency_key=sent_token(request),
                address=request.client_address,
            )
            messages.success(request, _("已提交提现申请，审核后打款。"))
            return redirect("payments:withdrawals")
        except DomainError as refusal:
            form.add_error("amount", str(refusal))
    rules, account = withdrawal_rules(), payout_account_of(request.user)
    found = withdrawable(request.user, rules, account, clock.now())
    mine = Withdrawal.objects.filter(user=request.user).select_related("account").order_by("-pk")
    context = {
        "form": form,
        "rules": rules,
        "account": account,
        "found": found,
        "usable": rules.is_open and account is not None and account.state == "verified" and found.until is None,
        "page": (page := Paginator(mine, ON_A_PAGE).get_page(request.GET.get("page"))),
        "rows": [(row, TONES.get(Withdrawal.State(row.state), "")) for row in page],
        "token": new_token(),
    }
    return render(request, "payments/withdrawals.html", context)


@never_cache
@login_required
@factor_first
def payout_account(request: HttpRequest) -> HttpResponse:
    """Where withdrawals go; another account takes the place of the one before."""
    form = PayoutForm(request.POST or None, asks=not has_second_factor(request.user))
    if request.method == "POST" and form.is_valid() and _is_owner(request, form):
        data = form.cleaned_data
        try:
            save_payout_account(
                user=request.user,
                kind=data["kind"],
                name=data["name"],
                number=data["number"],
                address=request.client_address,
            )
            messages.success(request, _("收款账号已提交，核实通过后可以提现。"))
            return redirect("payments:withdrawals")
        except DomainError as refusal:
            form.add_error("number", str(refusal))
    context = {"form": form, "account": payout_account_of(request.user), "rules": withdrawal_rules()}
    return render(request, "payments/payout_account.html", context)


@never_cache
@require_POST
@login_required
def cancel(request: HttpRequest, public_id: str) -> HttpResponse:
    try:
        cancel_withdrawal(public_id=public_id, user=request.user, address=request.client_address)
        messages.success(request, _("已取消，金额退回余额。"))
    except WithdrawalNotFound as error:
        raise Http404(str(error)) from error
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("payments:withdrawals")


def _is_owner(request: HttpRequest, form: PasswordForm) -> bool:
    """Whether the password, where it is asked for, is right; tries are counted as those to sign in are."""
    if "password" not in form.fields:
        return True
    try:
        check_password_again(user=request.user, password=form.cleaned_data["password"], address=request.client_address)
    except DomainError as refusal:
        form.add_error("password", str(refusal))
        return False
    return True
