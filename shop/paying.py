"""The ways to pay that a checkout offers, the one that it proposes, and where each one leads."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from common import clock
from common.money import ZERO
from common.templatetags.ui import yuan
from common.texts import listed
from orders.models import Order
from orders.services import left_to_pay, pay_from_wallet
from payments.exceptions import MethodUnavailable
from payments.selectors import method_name, option_for, options_elsewhere, refused_channels
from payments.selectors import pay_options as channel_options
from payments.services import start_attempt
from shop import visitor
from wallet.selectors import auto_credit_of, balance_of
from wallet.services import is_guarded

WALLET = "wallet"
# No way to pay: the word for those that want another browser.
ELSEWHERE = "elsewhere"
COOKIE = "pay"
KEEP = 60 * 60 * 24 * 365


@dataclass(frozen=True)
class PayOption:
    """`value` is what the form sends; `hint` says why it is off, or what it offers."""

    value: str
    name: str
    hint: str = ""
    usable: bool = True
    chosen: bool = False

    @property
    def is_wallet(self) -> bool:
        return self.value == WALLET


def pay_options(
    request: HttpRequest, amount: Decimal, *, order: Order | None = None, cash_only: bool = False
) -> list[PayOption]:
    """What this visitor can pay `amount` (yuan) with; `cash_only`: by no balance. One usable option is
    chosen: a wallet that suffices before the method used last, before the first. Channels that just refused this order stay away."""
    options = [
        *([] if cash_only else _wallet(request, amount)),
        *_channels(request, amount, order),
        *_elsewhere(request, amount),
    ]
    usable = [option.value for option in options if option.usable]
    last = request.COOKIES.get(COOKIE, "")
    proposed = WALLET if WALLET in usable else last if last in usable else usable[0] if usable else ""
    return [replace(option, chosen=option.value == proposed) for option in options]


def _wallet(request: HttpRequest, amount: Decimal) -> list[PayOption]:
    user = visitor.member(request)
    if user is None:
        return []
    balance = balance_of(user)
    lent = auto_credit_of(user) if balance < amount else ZERO
    if balance < amount <= balance + lent:
        hint = _("余额 %(balance)s，另用授信 %(lent)s") % {"balance": yuan(balance), "lent": yuan(amount - balance)}
        return [PayOption(WALLET, pgettext("way to pay", "余额支付"), hint)]
    hint = _("余额 %(balance)s") % {"balance": yuan(balance)}
    if balance < amount:
        hint = _("余额 %(balance)s，还差 %(missing)s") % {"balance": yuan(balance), "missing": yuan(amount - balance)}
    return [PayOption(WALLET, pgettext("way to pay", "余额支付"), hint, usable=balance >= amount)]


def _channels(request: HttpRequest, amount: Decimal, order: Order | None) -> list[PayOption]:
    skip: Collection[int] = refused_channels(order.attempts.all()) if order else ()
    offered = channel_options(amount=amount, user_agent=_agent(request), at=clock.now(), skip=skip)
    return [
        PayOption(option.value, option.label, _("手续费 %(fee)s") % {"fee": yuan(option.fee)} if option.fee else "")
        for option in offered
    ]


def _elsewhere(request: HttpRequest, amount: Decimal) -> list[PayOption]:
    """What does not open inside WeChat and the like is named with the way out."""
    found = options_elsewhere(amount=amount, user_agent=_agent(request), at=clock.now())
    names = listed(option.label for option in found)
    return [PayOption(ELSEWHERE, names, _("请点右上角，选择在浏览器中打开"), usable=False)] if found else []


def name_of(paid_with: str) -> str:
    """What an order was paid with, in words."""
    return _("余额") if paid_with == WALLET else method_name(paid_with)


def is_known(request: HttpRequest, value: str, amount: Decimal, *, cash_only: bool = False) -> bool:
    """Whether `value` is a way to pay for this visitor at all. Whether a balance suffices, the services say: a repeated
    click must reach its order although the first one has emptied the wallet."""
    return value in {option.value for option in pay_options(request, amount, cash_only=cash_only)}


def asks_first(request: HttpRequest, value: str, amount: Decimal) -> bool:
    """Whether the member wants to say yes once more before this leaves the wallet."""
    user = visitor.member(request)
    return value == WALLET and user is not None and is_guarded(user=user, amount=amount)


def pay(request: HttpRequest, order: Order, value: str) -> HttpResponse:
    """Pay an unpaid order the chosen way; returns the redirect to where that goes on.

    Raises what `pay_from_wallet` and `start_attempt` raise, MethodUnavailable for a channel that is offered no more.
    """
    user = visitor.member(request)
    if asks_first(request, value, order.total):
        return redirect("shop:order_confirm", order.public_id)
    if value == WALLET and user is not None:
        pay_from_wallet(order_id=order.pk, user=user)
        return redirect("shop:order", order.public_id)
    offered = channel_options(amount=left_to_pay(order), user_agent=_agent(request), at=clock.now())
    chosen = option_for(value, offered)
    if chosen is None:
        raise MethodUnavailable
    attempt = start_attempt(
        target=order,
        channel=chosen.channel,
        method=chosen.method,
        client_address=request.client_address,
        user_agent=_agent(request),
    )
    return redirect("payments:payment", attempt.public_id)


def remember(response: HttpResponse, value: str) -> None:
    response.set_cookie(COOKIE, value, max_age=KEEP, httponly=True, samesite="Lax")


def _agent(request: HttpRequest) -> str:
    return request.headers.get("User-Agent", "")
