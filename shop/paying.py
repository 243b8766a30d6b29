"""The ways to pay that a checkout offers, and the one that it proposes."""

from dataclasses import dataclass, replace
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from shop import visitor
from wallet.selectors import balance_of

WALLET = "wallet"
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


def pay_options(request: HttpRequest, amount: Decimal) -> list[PayOption]:
    """What this visitor can pay `amount` (yuan) with. One usable option is chosen: a wallet that suffices before the
    method used last, before the first."""
    options = [*_wallet(request, amount)]
    usable = [option.value for option in options if option.usable]
    last = request.COOKIES.get(COOKIE, "")
    proposed = WALLET if WALLET in usable else last if last in usable else usable[0] if usable else ""
    return [replace(option, chosen=option.value == proposed) for option in options]


def _wallet(request: HttpRequest, amount: Decimal) -> list[PayOption]:
    user = visitor.member(request)
    if user is None:
        return []
    balance = balance_of(user)
    hint = _("余额 ¥%(balance)s") % {"balance": balance}
    if balance < amount:
        hint = _("余额 ¥%(balance)s，还差 ¥%(missing)s") % {"balance": balance, "missing": amount - balance}
    return [PayOption(WALLET, _("余额支付"), hint, usable=balance >= amount)]


def name_of(paid_with: str) -> str:
    """What an order was paid with, in words."""
    return _("余额支付") if paid_with == WALLET else paid_with


def is_known(request: HttpRequest, value: str) -> bool:
    """Whether `value` is a way to pay for this visitor at all. Whether it works now, the services say: a repeated click
    must reach its order although the first one has emptied the wallet."""
    return value == WALLET and visitor.member(request) is not None


def remember(response: HttpResponse, value: str) -> None:
    response.set_cookie(COOKIE, value, max_age=KEEP, httponly=True, samesite="Lax")
