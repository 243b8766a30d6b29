"""Closing at gateways what shall not be paid any more: past its deadline, cancelled, paid another way."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from common import clock
from common.locks import lock_one
from orders.models import Order
from payments.gateways import kind_of, provider_of
from payments.models import PaymentAttempt, TopUp
from payments.providers import Outcome, PaymentState
from payments.services.asking import AFTER_SILENT, LONGEST_GAP, PATIENCE, SHORTEST_GAP, ask_attempt

logger = logging.getLogger(__name__)
State = PaymentAttempt.State


def close_attempt(*, attempt_id: int) -> Outcome:
    """Ask the gateway that an attempt can no longer be paid, after it said that it is not; money that it reports is booked.

    UNKNOWN: no clear answer, it is tried again later. Network; no transaction may be open.
    """
    attempt = PaymentAttempt.objects.select_related("channel").get(pk=attempt_id)
    if not kind_of(attempt.channel).can_close:
        return _settle(attempt_id, Outcome.REFUSED)
    asked = ask_attempt(attempt_id=attempt_id)
    if asked == PaymentState.UNKNOWN:
        return _settle(attempt_id, Outcome.UNKNOWN)
    if asked in (PaymentState.CLOSED, PaymentState.MISSING):
        return _settle(attempt_id, Outcome.DONE)
    if asked != PaymentState.UNPAID:
        return _settle(attempt_id, Outcome.REFUSED)
    return _settle(attempt_id, provider_of(attempt.channel).close(attempt.number, ref=attempt.ref))


def _settle(attempt_id: int, outcome: Outcome) -> Outcome:
    """Write down what became of the wish. What a gateway will not close may still be paid, and is asked about further."""
    with transaction.atomic():
        at = clock.now()
        attempt = lock_one(PaymentAttempt.objects.filter(pk=attempt_id))
        if attempt.state == State.PAID:
            return outcome
        attempt.close_at = _again(attempt, at) if outcome == Outcome.UNKNOWN else None
        if outcome == Outcome.DONE and attempt.state in PaymentAttempt.LIVE:
            attempt.state = State.CLOSED
        attempt.save(update_fields=["close_at", "state"])
    return outcome


def _again(attempt: PaymentAttempt, at: datetime) -> datetime | None:
    """When to try again: in growing gaps, and not for ever."""
    late = at - attempt.expires_at
    return None if late > AFTER_SILENT else at + min(max(late, SHORTEST_GAP), LONGEST_GAP)


def close_due_attempts(*, limit: int = 100) -> int:
    """Close what is due; returns how many answers came. A channel that does not answer does not hold up the others."""
    at = clock.now()
    _hurry(at)
    due = PaymentAttempt.objects.filter(close_at__lte=at).order_by("close_at")
    silent: dict[int, int] = {}
    answered = 0
    for attempt_id, channel_id, close_at in list(due.values_list("pk", "channel_id", "close_at")[:limit]):
        mine = PaymentAttempt.objects.filter(pk=attempt_id, close_at=close_at)
        if silent.get(channel_id, 0) >= PATIENCE or not mine.update(close_at=clock.now() + SHORTEST_GAP):
            continue
        known = _closed_safely(attempt_id) != Outcome.UNKNOWN
        silent[channel_id] = 0 if known else silent.get(channel_id, 0) + 1
        answered += known
    return answered


def _hurry(at: datetime) -> None:
    """What they were for is settled before its time: cancelled, or paid another way. Untried ones are those."""
    over = ~Q(order=None) & ~Q(order__state=Order.State.UNPAID) | ~Q(top_up=None) & ~Q(top_up__state=TopUp.State.UNPAID)
    early = PaymentAttempt.objects.filter(over, close_at__gt=at, close_at=F("expires_at"))
    PaymentAttempt.objects.filter(pk__in=early.values("pk")).update(close_at=at)


def _closed_safely(attempt_id: int) -> Outcome:
    try:
        return close_attempt(attempt_id=attempt_id)
    except Exception:
        # Such as credentials that no longer open: staff reads the log, the others go on.
        logger.exception("cannot close attempt %s", attempt_id)
        later = clock.now() + timedelta(minutes=10)
        PaymentAttempt.objects.filter(pk=attempt_id).exclude(close_at=None).update(close_at=later)
        return Outcome.UNKNOWN
