"""The one place where a gateway's money becomes ours."""

from decimal import Decimal

from django.db import transaction

from common import clock
from common.locks import lock_name, lock_one
from payments.exceptions import TransactionTaken
from payments.models import NotifyLog, PaymentAttempt
from payments.purposes import apply_money

State = PaymentAttempt.State


def ledger_ref(channel_id: int, provider_txn: str) -> str:
    """The ledger's reference of a gateway's transaction: the same money cannot be booked twice, whatever it is for."""
    return f"gw:{channel_id}:{provider_txn}"


def apply_payment(*, attempt_id: int, provider_txn: str, amount: Decimal) -> bool:
    """Book confirmed money of a gateway for an attempt, in whatever state it is; returns False when that was done before.

    Locks the attempt, the transaction's reference (advisory), then what its purpose locks: order or top-up, wallet, keys.
    Raises TransactionTaken when the gateway's transaction was booked for something else, or this attempt was paid by
    another transaction.
    """
    with transaction.atomic():
        at = clock.now()
        attempt = lock_one(PaymentAttempt.objects.select_related("channel").filter(pk=attempt_id))
        if attempt.state == State.PAID:
            if attempt.provider_txn != provider_txn:
                raise TransactionTaken
            return False
        ref = ledger_ref(attempt.channel_id, provider_txn)
        _wait_for_others_with(ref)
        attempt.outcome = apply_money(attempt, amount=amount, ref=ref, at=at)
        attempt.state, attempt.paid_at, attempt.ask_at, attempt.close_at = State.PAID, at, None, None
        attempt.provider_txn, attempt.paid_amount, attempt.last_error = provider_txn, amount, ""
        facts = ["provider_txn", "paid_amount", "outcome", "last_error"]
        attempt.save(update_fields=["state", "paid_at", "ask_at", "close_at", *facts])
        waiting = NotifyLog.objects.filter(attempt_id=attempt.pk, verdict=NotifyLog.Verdict.WAITING)
        waiting.update(verdict=NotifyLog.Verdict.APPLIED, reason="")
    return True


def _wait_for_others_with(ref: str) -> None:
    """One transaction may be told of two attempts at once: whoever comes second must see what the first has booked."""
    lock_name(ref)
