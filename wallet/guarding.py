"""Payments from the wallet that a member wants to say yes to once more. The ledger asks here before it debits.

Who really is there (passkey, code, password) is looked at by the page that asks; what counts here is that the yes was to
this payment and this amount, is fresh, and serves once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.money import MAX_AMOUNT, ZERO
from wallet.exceptions import BadTransfer, ConfirmationNeeded
from wallet.models import PayConfirmation, PayGuard

FRESH = timedelta(minutes=10)


@dataclass(frozen=True)
class Agreement:
    """What somebody said yes to: an amount in yuan, and how (PayConfirmation.Method)."""

    amount: Decimal
    method: str


def is_guarded(*, user: User, amount: Decimal) -> bool:
    """Whether this member wants to be asked before `amount` yuan leave the wallet."""
    above = PayGuard.objects.filter(user_id=user.pk).values_list("above", flat=True).first()
    return above is not None and amount > above


def set_guard(*, user: User, above: Decimal | None, address: str | None = None) -> None:
    """Ask about payments above so many yuan, or, None, about none. Raises BadTransfer for an amount that is none."""
    if above is not None and not ZERO <= above <= MAX_AMOUNT:
        raise BadTransfer
    with transaction.atomic():
        at = clock.now()
        if above is None:
            PayGuard.objects.filter(user=user).delete()
        else:
            PayGuard.objects.update_or_create(user=user, defaults={"above": above, "since": at})
        detail = {"value": "–" if above is None else str(above)}
        record(action="wallet.guard", at=at, actor=user, target=user, detail=detail, address=address)


def agree(*, user: User, ref: str, agreement: Agreement, at: datetime) -> None:
    """Note a yes in the transaction of the payment with this reference."""
    PayConfirmation.objects.create(user=user, ref=ref, amount=agreement.amount, method=agreement.method, at=at)


def use_agreement(*, user: User, ref: str, amount: Decimal, at: datetime) -> None:
    """Use up the yes to this payment, where one is wanted. Raises ConfirmationNeeded: none, an old one, another amount's."""
    if not is_guarded(user=user, amount=amount):
        return
    fitting = PayConfirmation.objects.filter(user=user, ref=ref, amount=amount, used_at=None, at__gte=at - FRESH)
    if not fitting.update(used_at=at):
        raise ConfirmationNeeded
