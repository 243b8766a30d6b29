"""Topping up the wallet: amount and method on one page, then the payment page, then what came of it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from common import clock
from common.exceptions import DomainError
from common.forms import sent_token
from common.ids import public_id as new_token
from payments.bonuses import best_of, holds_a_promise, rules_for
from payments.exceptions import MethodUnavailable
from payments.forms import TopUpForm
from payments.models import BonusGrant, PaymentAttempt, TopUp
from payments.selectors import pay_options
from payments.services import place_top_up, start_attempt
from wallet.selectors import balance_of, owed_by

CREDIT = "credit"


@never_cache
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    form = TopUpForm(request.POST or None, initial={"amount": request.GET.get("amount", "")})
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            return _start(request, form)
        except DomainError as error:
            refusal = str(error)
    at = clock.now()
    options = pay_options(amount=None, user_agent=_agent(request), at=at)
    repays = _repays(request)
    rules = [] if repays else rules_for(request.user, request.storefront.pk, at)
    context = {
        "form": form,
        "refusal": refusal,
        "presets": [(amount, best_of(rules, amount)) for amount in TopUpForm.presets()],
        "bonus_rules": rules,
        "gift_waits": not repays and holds_a_promise(request.user),
        "repays": repays,
        "preset": request.POST.get("preset", ""),
        "options": options,
        "chosen": request.POST.get("method", "") or (options[0].method if options else ""),
        "balance": balance_of(request.user),
        # A repeated click sends the same token and is answered with the same top-up. After a refusal the amount may
        # change, so that is a new one.
        "token": new_token(),
    }
    return render(request, "payments/top_up.html", context)


def _start(request: HttpRequest, form: TopUpForm) -> HttpResponse:
    """Place the top-up, put the payment up, go to its page. Raises DomainError."""
    amount, method = form.cleaned_data["money"], request.POST.get("method", "")
    fitting = pay_options(amount=amount, user_agent=_agent(request), at=clock.now())
    chosen = next((option for option in fitting if option.method == method), None)
    if chosen is None:
        raise MethodUnavailable(message=_("这种支付方式不支持该金额，请换一种或调整金额"))
    top_up = place_top_up(
        user=request.user,
        storefront=request.storefront,
        amount=amount,
        idempotency_key=sent_token(request),
        repays_credit=_repays(request),
    )
    attempt = start_attempt(
        target=top_up,
        channel=chosen.channel,
        method=chosen.method,
        client_address=request.client_address,
        user_agent=_agent(request),
    )
    return redirect("payments:payment", attempt.public_id)


@never_cache
@login_required
def show(request: HttpRequest, public_id: str) -> HttpResponse:
    """What became of a top-up; only for the member whose it is."""
    top_up = TopUp.objects.filter(public_id=public_id, user=request.user).first()
    if top_up is None:
        raise Http404
    live = top_up.attempts.filter(state__in=PaymentAttempt.LIVE).order_by("-pk").first()
    if top_up.state == TopUp.State.UNPAID and live is not None:
        return redirect("payments:payment", live.public_id)
    if top_up.state == TopUp.State.PAID and top_up.credited != top_up.amount:
        messages.info(request, _("实际到账金额与充值金额不同，已按实际到账入账。"))
    grant = BonusGrant.objects.filter(top_up=top_up).first()
    context = {"top_up": top_up, "grant": grant, "balance": balance_of(request.user)}
    return render(request, "payments/top_up_done.html", context)


def _repays(request: HttpRequest) -> bool:
    """Whether this top-up pays back what was used on credit."""
    return CREDIT in (request.POST.get("for"), request.GET.get("for")) and bool(owed_by(request.user))


def _agent(request: HttpRequest) -> str:
    return request.headers.get("User-Agent", "")
