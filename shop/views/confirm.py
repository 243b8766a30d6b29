"""Saying yes once more before money leaves the wallet, for members who want to be asked; and the switch for that."""

import json
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.services import check_code, check_password_again, has_second_factor, has_typed_factor, passkeys
from common.exceptions import DomainError
from orders.exceptions import OrderNotFound
from orders.models import Order
from orders.services import pay_from_wallet
from shop import visitor
from shop.forms import PayCodeForm, PayGuardForm, PayPasswordForm
from shop.refusals import missing_is_404, private
from wallet.models import PayConfirmation
from wallet.selectors import guard_of
from wallet.services import Agreement, is_guarded, set_guard

KEPT = "pay_confirmation"
Method = PayConfirmation.Method


@private
@missing_is_404
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def confirm(request: HttpRequest, public_id: str) -> HttpResponse:
    """Ask the buyer, and pay on a yes: by passkey, by a typed code, or, where there is neither, by the password."""
    found, user = visitor.order(request, public_id), request.user
    if found.buyer_id != user.pk:
        raise OrderNotFound
    if found.state != Order.State.UNPAID or not is_guarded(user=user, amount=found.total):
        return redirect("shop:order", public_id)
    # What the device signs: this order at this price.
    agreed = f"{found.public_id} {found.total}"
    form = _form(request, user)
    if request.method == "POST":
        try:
            method = _shown(request, user, form, agreed)
            if method:
                pay_from_wallet(order_id=found.pk, user=user, agreement=Agreement(found.total, method))
                return redirect("shop:order", public_id)
        except DomainError as refusal:
            messages.error(request, str(refusal))
            return redirect("shop:order_confirm", public_id)
    context: dict[str, Any] = {"order": found, "form": form}
    if passkeys.has_passkey(user):
        context["passkey_options"], request.session[KEPT] = passkeys.ask(user=user, agreed=agreed)
    return render(request, "shop/confirm.html", context)


def _form(request: HttpRequest, user: User) -> PayCodeForm | PayPasswordForm:
    typed = request.POST if request.method == "POST" and "credential" not in request.POST else None
    return (PayCodeForm if has_typed_factor(user) or has_second_factor(user) else PayPasswordForm)(typed)


def _shown(request: HttpRequest, user: User, form: PayCodeForm | PayPasswordForm, agreed: str) -> str:
    """How the buyer said yes, "" for a form that is not filled in. Raises what the checks raise."""
    if "credential" in request.POST:
        passkeys.check(
            user=user, agreed=agreed, kept=request.session.pop(KEPT, None), answer=_parsed(request.POST["credential"])
        )
        return Method.PASSKEY
    if not form.is_valid():
        return ""
    if isinstance(form, PayCodeForm):
        check_code(user=user, code=form.cleaned_data["code"])
        return Method.CODE
    check_password_again(user=user, password=form.cleaned_data["password"], address=request.client_address)
    return Method.PASSWORD


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


@private
@login_required
@reauthentication_required(allow_get=True)
def pay_guard(request: HttpRequest) -> HttpResponse:
    known = guard_of(request.user)
    form = PayGuardForm(
        request.POST if request.method == "POST" else None,
        initial={"wanted": known is not None, "above": known.above if known else None},
    )
    if form.is_valid():
        above = form.cleaned_data["above"] or 0 if form.cleaned_data["wanted"] else None
        set_guard(user=request.user, above=above, address=request.client_address)
        messages.success(request, _("已保存"))
        return redirect("shop:pay_guard")
    return render(request, "shop/pay_guard.html", {"form": form, "has_passkey": passkeys.has_passkey(request.user)})
