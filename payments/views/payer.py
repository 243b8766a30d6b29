"""Who pays: inside WeChat's own browser the gateway has to be told, and only WeChat knows. The browser goes there and comes
back with a code, and with our state, which is good for this payment in this browser for some minutes."""

import logging
import secrets

from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from common.exceptions import DomainError
from payments.gateways import device_for, provider_of
from payments.models import PaymentAttempt
from payments.providers import PayerUnknown
from payments.purposes import payable_of
from payments.services import start_attempt, wants_payer
from payments.views.pay import with_attempt

logger = logging.getLogger(__name__)
COOKIE, SALT = "payer", "payments.payer"
SECONDS = 600


@require_GET
@with_attempt
def ask(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    """Send the browser to WeChat, which sends it back to `told`."""
    device = device_for(request.headers.get("User-Agent", ""))
    if attempt.state not in (PaymentAttempt.State.CREATED, PaymentAttempt.State.UNKNOWN):
        return redirect("payments:payment", attempt.public_id)
    if not wants_payer(attempt, device):
        return redirect("payments:payment", attempt.public_id)
    nonce = secrets.token_urlsafe(16)
    here = reverse("payments:payer_told", args=[attempt.public_id])
    try:
        address = provider_of(attempt.channel).payer_url(
            return_to=settings.PUBLIC_URL + here, state=_state(attempt, nonce)
        )
    except PayerUnknown:
        return _failed(request, attempt)
    response = HttpResponseRedirect(address)
    response.set_signed_cookie(
        COOKIE,
        nonce,
        salt=SALT,
        max_age=SECONDS,
        path=here,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@require_GET
@with_attempt
def told(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    """WeChat sends the browser back here. What is not of this browser and this payment starts nothing."""
    here = reverse("payments:payer_told", args=[attempt.public_id])
    if not _is_ours(request, attempt):
        return _failed(request, attempt)
    try:
        payer = provider_of(attempt.channel).payer(request.GET.get("code", ""))
    except PayerUnknown as error:
        logger.warning("attempt %s: nobody says who pays: %s", attempt.number, error)
        response = _failed(request, attempt)
    else:
        response = _start(request, attempt, payer)
    response.delete_cookie(COOKIE, path=here, samesite="Lax")
    return response


def _start(request: HttpRequest, attempt: PaymentAttempt, payer: str) -> HttpResponse:
    try:
        attempt = start_attempt(
            target=payable_of(attempt).row,
            channel=attempt.channel,
            method=attempt.method,
            client_address=request.client_address,
            user_agent=request.headers.get("User-Agent", ""),
            payer=payer,
        )
    except DomainError as refusal:
        messages.error(request, str(refusal))
        return _back(attempt)
    return redirect("payments:payment", attempt.public_id)


def _state(attempt: PaymentAttempt, nonce: str) -> str:
    """64 letters and digits: WeChat takes no others."""
    return salted_hmac(SALT, f"{attempt.public_id}:{nonce}", algorithm="sha256").hexdigest()


def _is_ours(request: HttpRequest, attempt: PaymentAttempt) -> bool:
    try:
        nonce = request.get_signed_cookie(COOKIE, salt=SALT, max_age=SECONDS)
    except (KeyError, signing.BadSignature):
        return False
    return constant_time_compare(request.GET.get("state", ""), _state(attempt, nonce))


def _failed(request: HttpRequest, attempt: PaymentAttempt) -> HttpResponse:
    messages.error(request, _("没能从微信得知付款人，请再试一次或换一种支付方式"))
    return _back(attempt)


def _back(attempt: PaymentAttempt) -> HttpResponse:
    """To the page that waits for a press, instead of going round again by itself."""
    return HttpResponseRedirect(f"{reverse('payments:payment', args=[attempt.public_id])}?payer=unknown")
