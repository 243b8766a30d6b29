"""The member's tokens for programs: what each may pay from the wallet, and ending one."""

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.exceptions import TokenUnknown
from accounts.models import ApiToken
from accounts.selectors import usable_tokens
from accounts.services import revoke_token
from common import clock
from shop.forms import AllowanceForm
from shop.refusals import missing_is_404, private
from wallet.selectors import guard_of
from wallet.services import left_today, set_allowance


@private
@missing_is_404
@login_required
@reauthentication_required(allow_get=True)
def tokens(request: HttpRequest) -> HttpResponse:
    found = list(usable_tokens(request.user).select_related("allowance"))
    wrong: AllowanceForm | None = None
    if request.method == "POST":
        token = _chosen(found, request.POST.get("token", ""))
        if "revoke" in request.POST:
            revoke_token(user=request.user, public_id=token.public_id, address=request.client_address)
            messages.success(request, _("令牌“%(name)s”已撤销，马上失效") % {"name": token.name})
            return redirect("shop:tokens")
        wrong = AllowanceForm(request.POST, prefix=token.public_id)
        if wrong.is_valid():
            set_allowance(token=token, **wrong.cleaned_data, actor=request.user, address=request.client_address)
            messages.success(request, _("已保存“%(name)s”的付款限额") % {"name": token.name})
            return redirect("shop:tokens")
    shown = [(token, _form(token, wrong), _left(token)) for token in found]
    return render(request, "shop/tokens.html", {"tokens": shown, "guard": guard_of(request.user)})


def _chosen(found: list[ApiToken], public_id: str) -> ApiToken:
    token = next((one for one in found if one.public_id == public_id), None)
    if token is None:
        raise TokenUnknown
    return token


def _form(token: ApiToken, wrong: AllowanceForm | None) -> AllowanceForm:
    if wrong is not None and wrong.prefix == token.public_id:
        return wrong
    known = getattr(token, "allowance", None)
    initial = {"once": known.once, "daily": known.daily} if known else {}
    return AllowanceForm(prefix=token.public_id, initial=initial)


def _left(token: ApiToken):
    known = getattr(token, "allowance", None)
    return left_today(known, clock.now()) if known else None
