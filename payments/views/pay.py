"""The payment page: what to pay and how, until the gateway's word arrives.

Its address holds 128 random bits and is the only key to it, so that the payment can go on in another browser than the
one it began in (out of WeChat, back from an app). It shows an amount and a name, never what was bought with it.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps

import segno
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from common import clock
from common.exceptions import DomainError
from payments.exceptions import AttemptNotFound
from payments.gateways import WORKS_INSIDE, device_for, provider_of
from payments.models import Channel, PaymentAttempt
from payments.providers import Device
from payments.purposes import Payable, PayableState, payable_of
from payments.selectors import attempt_for, option_for, pay_options, refused_channels
from payments.services import expect_news, form_fields, recheck_attempt, start_attempt, wants_payer

State = PaymentAttempt.State
Show = PaymentAttempt.Show
# What a QR code may hold to be offered as a link on the phone that shows it. WeChat's own scheme only opens by scanning.
OPENS_HERE = ("https://", "http://", "alipays://", "alipay://", "mqqapi://", "mqqwpa://")
# Methods that no app scans: their code opens a page.
ON_THEIR_PAGE = (Channel.Method.USDT, Channel.Method.CARD)
LONGEST_CODE = 300
RATE_PLACES = Decimal("0.0001")
ON_PHONES = {Device.MOBILE, *WORKS_INSIDE}


def with_attempt(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Hands the view the attempt behind the address; 404 where there is none. No cache keeps the answer."""

    @wraps(view)
    def answered(request: HttpRequest, public_id: str) -> HttpResponse:
        try:
            response = view(request, attempt_for(public_id))
        except AttemptNotFound as error:
            raise Http404(str(error)) from error
        response["Cache-Control"] = "no-store, private"
        return response

    return answered


@require_GET
@with_attempt
def payment(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    payable = payable_of(attempt)
    if attempt.state == State.PAID or payable.state == PayableState.PAID:
        return redirect(done_url(attempt))
    is_open = payable.state == PayableState.UNPAID and payable.deadline > clock.now()
    device = device_for(request.headers.get("User-Agent", ""))
    needs_payer = is_open and attempt.state in (State.CREATED, State.UNKNOWN) and wants_payer(attempt, device)
    if needs_payer and attempt.state == State.CREATED and "payer" not in request.GET:
        return redirect("payments:payer", attempt.public_id)
    context = {
        "attempt": attempt,
        "payable": payable,
        "subject": payable.subject(),
        "is_open": is_open,
        "mark": _mark(attempt, payable),
        "done_url": done_url(attempt),
        "seconds_left": max(0, int((payable.deadline - clock.now()).total_seconds())),
        "options": _other_options(request, attempt, payable) if is_open else [],
        "on_phone": device in ON_PHONES,
        "in_app": device in WORKS_INSIDE,
        "in_wechat": device == Device.WECHAT,
        "needs_payer": needs_payer,
        "misfit": is_open and _is_misfit(attempt, device),
        "foreign": _foreign(attempt),
        "on_their_page": attempt.method in ON_THEIR_PAGE,
        **_way(attempt),
    }
    response = render(request, "payments/payment.html", context)
    if attempt.show == Show.FORM:
        # A browser also checks where the gateway sends it on to, and that no gateway tells beforehand.
        hosts = provider_of(attempt.channel).browser_hosts()
        response._csp_update = {"form-action": [*hosts, "https:"]}
    return response


def _foreign(attempt: PaymentAttempt) -> str:
    """What the gateway asks for where that is no yuan."""
    if attempt.rate is None or attempt.currency_amount is None:
        return ""
    told = {
        "amount": f"{attempt.currency_amount.normalize():f}",
        "currency": attempt.currency,
        "rate": f"{attempt.rate.quantize(RATE_PLACES).normalize():f}",
    }
    return _("付款时为 %(amount)s %(currency)s（1 %(currency)s = ¥%(rate)s）") % told


def _way(attempt: PaymentAttempt) -> dict:
    """How the buyer gets to the payment: a code to scan, a link to follow, a form to send."""
    if attempt.state != State.PENDING:
        return {}
    if attempt.show == Show.FORM:
        return {"form_fields": form_fields(attempt).items()}
    if attempt.show == Show.BRIDGE:
        return {"bridge": attempt.payload}
    way = {}
    if attempt.show != Show.QR or attempt.payload.startswith(OPENS_HERE):
        way["link"] = attempt.payload
    # The signed address of a gateway's page is too long for a code that a phone could read.
    if attempt.show == Show.QR or attempt.show == Show.PAGE and len(attempt.payload) <= LONGEST_CODE:
        way["qr"] = segno.make(attempt.payload, error="m", micro=False).png_data_uri(scale=6, border=3)
    return way


def _is_misfit(attempt: PaymentAttempt, device: Device) -> bool:
    """Whether it was put up for another browser: inside WeChat only its own bridge pays, and elsewhere that never does."""
    if attempt.state != State.PENDING or (device != Device.WECHAT and attempt.show != Show.BRIDGE):
        return False
    return (attempt.show == Show.BRIDGE) != wants_payer(attempt, device)


def _other_options(request: HttpRequest, attempt: PaymentAttempt, payable: Payable) -> list:
    refused = refused_channels(PaymentAttempt.objects.filter(**payable.column))
    offered = pay_options(
        amount=payable.amount, user_agent=request.headers.get("User-Agent", ""), at=clock.now(), skip=refused
    )
    current = (attempt.channel_id, attempt.method) if attempt.state in PaymentAttempt.LIVE else None
    return [option for option in offered if (option.channel.pk, option.method) != current]


def _mark(attempt: PaymentAttempt, payable: Payable) -> str:
    """Changes when the page would look different."""
    over = payable.deadline <= clock.now() and payable.state == PayableState.UNPAID
    return f"{PayableState.CLOSED if over else payable.state}-{attempt.state}"


@require_GET
@with_attempt
def status(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    """What the page asks while it waits: {"state", "next"}."""
    payable = payable_of(attempt)
    paid = attempt.state == State.PAID or payable.state == PayableState.PAID
    return JsonResponse({"state": _mark(attempt, payable), "next": done_url(attempt) if paid else ""})


@require_POST
@with_attempt
def recheck(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    """ "I have paid": ask the gateway now."""
    attempt = recheck_attempt(attempt_id=attempt.pk)
    if attempt.state == State.PAID:
        return redirect(done_url(attempt_for(attempt.public_id)))
    messages.info(request, _("还没有收到这笔付款。刚付完的话请稍等几秒，到账后这里会自己更新。"))
    return redirect("payments:payment", attempt.public_id)


@require_POST
@with_attempt
def switch(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    """Pay the same thing another way."""
    payable = payable_of(attempt)
    agent = request.headers.get("User-Agent", "")
    chosen = option_for(
        request.POST.get("pay", ""), pay_options(amount=payable.amount, user_agent=agent, at=clock.now())
    )
    if chosen is None:
        messages.error(request, _("请选择支付方式"))
        return redirect("payments:payment", attempt.public_id)
    try:
        attempt = start_attempt(
            target=payable.row,
            channel=chosen.channel,
            method=chosen.method,
            client_address=request.client_address,
            user_agent=agent,
        )
    except DomainError as refusal:
        messages.error(request, str(refusal))
    return redirect("payments:payment", attempt.public_id)


@require_GET
@with_attempt
def come_back(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    """The gateway sends the browser back here. What the address claims is not read: it pays nothing."""
    expect_news(attempt_id=attempt.pk)
    return redirect("payments:payment", attempt.public_id)


def done_url(attempt: PaymentAttempt) -> str:
    """The page of what was paid for."""
    if attempt.top_up_id:
        return reverse("payments:top_up_detail", args=[attempt.top_up.public_id])
    return reverse("shop:order", args=[attempt.order.public_id])
