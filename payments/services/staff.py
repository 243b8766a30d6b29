"""What staff do by hand where a gateway cannot be asked."""

from decimal import Decimal

from django.db import transaction

from accounts.models import User
from audit.services import record
from common import clock
from payments.exceptions import ReasonNeeded
from payments.models import PaymentAttempt
from payments.services.applying import apply_payment

CONFIRM = "payments.confirm"


def confirm_payment(
    *, attempt_id: int, provider_txn: str, amount: Decimal, reason: str, actor: User, address: str | None = None
) -> bool:
    """Book money that staff saw in the gateway's own console, the same way as a notify would; returns False when it was
    booked before. Writes an audit entry. Raises ReasonNeeded, TransactionTaken.
    """
    reason, provider_txn = reason.strip(), provider_txn.strip()
    if not reason or not provider_txn or amount <= 0:
        raise ReasonNeeded
    with transaction.atomic():
        new = apply_payment(attempt_id=attempt_id, provider_txn=provider_txn, amount=amount)
        if new:
            record(
                action=CONFIRM,
                at=clock.now(),
                actor=actor,
                target=PaymentAttempt.objects.get(pk=attempt_id),
                detail={"provider_txn": provider_txn, "amount": str(amount), "reason": reason[:200]},
                address=address,
            )
    return new
