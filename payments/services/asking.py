"""Asking gateways what became of attempts: on the buyer's request, after a notify, and in the background."""

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet

from common import clock
from common.locks import lock_one
from common.queue import send
from payments.exceptions import TransactionTaken
from payments.gateways import can_be_asked, provider_of
from payments.models import NotifyLog, PaymentAttempt
from payments.providers import PaymentState, Queried
from payments.services.applying import apply_payment

logger = logging.getLogger(__name__)
State = PaymentAttempt.State
# A buyer who keeps pressing "I have paid" gets the last answer.
PRESS_GAP = timedelta(seconds=3)
SHORTEST_GAP, LONGEST_GAP = timedelta(seconds=30), timedelta(minutes=10)
# The last chance to learn of money before the order's keys go back on sale.
BEFORE_DEADLINE = timedelta(seconds=20)
# How long after its deadline an unpaid attempt is still asked about, and one whose gateway gives no answer.
AFTER_UNPAID, AFTER_SILENT = timedelta(minutes=30), timedelta(hours=24)
# How long after its deadline an attempt that nobody asks about any more is asked about once a day.
PARKED_FOR = timedelta(days=7)
# Unanswered questions in a row after which a channel is left alone for this round.
PATIENCE = 2


def recheck_attempt(*, attempt_id: int) -> PaymentAttempt:
    """The buyer says that it is paid: ask now, unless that was done seconds ago. Network; no transaction may be open."""
    at = clock.now()
    idle = Q(asked_at=None) | Q(asked_at__lt=at - PRESS_GAP)
    asked = PaymentAttempt.objects.filter(idle, pk=attempt_id).exclude(state=State.PAID).update(asked_at=at)
    if asked:
        ask_attempt(attempt_id=attempt_id)
    return PaymentAttempt.objects.get(pk=attempt_id)


def expect_news(*, attempt_id: int) -> None:
    """The buyer came back from the gateway: let a worker ask soon, should the notify not be here yet. Calls nobody."""
    at = clock.now()
    idle = Q(asked_at=None) | Q(asked_at__lt=at - PRESS_GAP)
    if PaymentAttempt.objects.filter(idle, pk=attempt_id, ask_at__gt=at).update(ask_at=at):
        transaction.on_commit(partial(send, "payments.tasks.ask_attempt", attempt_id))


def ask_attempt(*, attempt_id: int) -> PaymentState:
    """Ask the gateway about one attempt and write down the answer; money that it reports is booked.

    Network; no transaction may be open.
    """
    attempt = PaymentAttempt.objects.select_related("channel").get(pk=attempt_id)
    if attempt.state == State.PAID:
        return PaymentState.PAID
    if not can_be_asked(attempt.channel):
        return _wait_out(attempt.pk)
    queried = provider_of(attempt.channel).query(attempt.number, ref=attempt.ref)
    if queried.state == PaymentState.PAID:
        try:
            apply_payment(attempt_id=attempt.pk, provider_txn=queried.provider_txn, amount=queried.amount)
        except TransactionTaken:
            logger.error("attempt %s: transaction %s was booked before", attempt.number, queried.provider_txn)
            _park_taken(attempt.pk)
            return PaymentState.UNKNOWN
    else:
        _note_answer(attempt.pk, queried)
    return queried.state


def _park_taken(attempt_id: int) -> None:
    """Nobody but staff can tell whose money it was; until they do, the attempt stands among those without an answer, also
    one that was closed."""
    mine = PaymentAttempt.objects.filter(pk=attempt_id).exclude(state=State.PAID)
    mine.update(ask_at=None, last_error=TransactionTaken.code)
    mine.filter(state__in=PaymentAttempt.LIVE).update(state=State.UNKNOWN)


def end_of_waiting(attempt: PaymentAttempt) -> datetime:
    """Until when an attempt may still be paid, where nobody can be asked whether it was."""
    return attempt.expires_at + AFTER_UNPAID


def _wait_out(attempt_id: int) -> PaymentState:
    """A gateway that cannot be asked sends a notify, or nothing was paid: past its time the attempt is over. One whose notify
    staff are looking at is theirs to close."""
    with transaction.atomic():
        at = clock.now()
        attempt = lock_one(PaymentAttempt.objects.filter(pk=attempt_id))
        over = at >= end_of_waiting(attempt)
        if attempt.state == State.PAID or held_of(attempt).exists():
            attempt.ask_at = None
        elif not over:
            attempt.ask_at = end_of_waiting(attempt)
        else:
            attempt.ask_at = attempt.close_at = None
            attempt.state = State.CLOSED if attempt.state in PaymentAttempt.LIVE else attempt.state
        attempt.save(update_fields=["ask_at", "close_at", "state"])
    return PaymentState.CLOSED if attempt.state == State.CLOSED else PaymentState.UNKNOWN


def held_of(attempt: PaymentAttempt) -> QuerySet[NotifyLog]:
    """What the attempt's own channel told of it that staff have to look at."""
    return NotifyLog.objects.filter(
        attempt_id=attempt.pk, channel_id=attempt.channel_id, verdict=NotifyLog.Verdict.HELD
    )


def _note_answer(attempt_id: int, queried: Queried) -> None:
    with transaction.atomic():
        at = clock.now()
        attempt = lock_one(PaymentAttempt.objects.filter(pk=attempt_id))
        if attempt.state == State.PAID:
            return
        attempt.asked_at, attempt.asked_count = at, min(attempt.asked_count + 1, 1000)
        silent = queried.state == PaymentState.UNKNOWN
        if not (silent and attempt.last_error == TransactionTaken.code):
            # Silence takes nothing from before staff.
            attempt.last_error = queried.reason
        if queried.state == PaymentState.CLOSED:
            attempt.ask_at = attempt.close_at = None
            attempt.state = State.CLOSED if attempt.state in PaymentAttempt.LIVE else attempt.state
        elif at < (_last_told(attempt) + AFTER_SILENT if silent else attempt.expires_at + AFTER_UNPAID):
            attempt.ask_at = next_question(attempt, at) if attempt.ask_at else None
        else:
            attempt.ask_at = None
            if attempt.state in PaymentAttempt.LIVE:
                # Silence is parked for staff to see; a clear "not paid" ends it.
                attempt.state = State.UNKNOWN if silent else State.CLOSED
        attempt.save(update_fields=["asked_at", "asked_count", "last_error", "ask_at", "close_at", "state"])
        if not silent:
            # What staff has to look at is not about what the gateway was asked for.
            waiting_of(attempt).exclude(reason=NotifyLog.FOR_STAFF).update(
                verdict=NotifyLog.Verdict.REJECTED, reason=f"gateway_says_{queried.state}"
            )


def waiting_of(attempt: PaymentAttempt) -> QuerySet[NotifyLog]:
    """Notifies of the attempt that its gateway has not confirmed yet."""
    return NotifyLog.objects.filter(attempt_id=attempt.pk, verdict=NotifyLog.Verdict.WAITING)


def _last_told(attempt: PaymentAttempt) -> datetime:
    """From when a gateway's silence counts: its deadline, or a later notify that waits for confirmation."""
    told = waiting_of(attempt).order_by("-received_at").values_list("received_at", flat=True).first()
    return max(attempt.expires_at, told or attempt.expires_at)


def next_question(attempt: PaymentAttempt, at: datetime) -> datetime:
    """When to ask again: in doubling gaps, and once shortly before the deadline."""
    gap = min(SHORTEST_GAP * 2 ** min(attempt.asked_count, 10), LONGEST_GAP)
    last_call = attempt.expires_at - BEFORE_DEADLINE
    return last_call if at < last_call < at + gap else at + gap


def ask_due_attempts(*, limit: int = 100) -> int:
    """Ask about what is due; returns how many answers came. A channel that does not answer, or an attempt that cannot be
    asked about, does not hold up the others, however many questions wait for it.
    """
    silent: dict[int, int] = {}
    answered = 0
    for attempt_id, channel_id, ask_at in _due(limit):
        # A round that takes long is overtaken by the next: whoever moves the time asks.
        mine = PaymentAttempt.objects.filter(pk=attempt_id, ask_at=ask_at)
        if silent.get(channel_id, 0) >= PATIENCE or not mine.update(ask_at=clock.now() + SHORTEST_GAP):
            continue
        if _asked_safely(attempt_id) == PaymentState.UNKNOWN:
            silent[channel_id] = silent.get(channel_id, 0) + 1
        else:
            silent[channel_id] = 0
            answered += 1
    return answered


def _due(limit: int) -> list[tuple[int, int, datetime]]:
    """(attempt, channel, when) of what is due, the oldest first; up to `limit`, shared out among the channels."""
    due = PaymentAttempt.objects.filter(ask_at__lte=clock.now())
    channels = list(due.order_by().values_list("channel_id", flat=True).distinct())
    found = [
        row
        for channel_id in channels
        for row in due.filter(channel_id=channel_id)
        .order_by("ask_at")
        .values_list("pk", "channel_id", "ask_at")[: max(PATIENCE, limit // len(channels))]
    ]
    return sorted(found, key=lambda row: row[2])


def ask_parked_again() -> int:
    """Let attempts without an answer be asked about once more, for a week after their deadline, and for as long as a notify of
    theirs waits to be confirmed; returns how many.

    A gateway that was down for longer than a day would otherwise leave them to staff alone.
    """
    at = clock.now()
    told = NotifyLog.objects.filter(verdict=NotifyLog.Verdict.WAITING, attempt_id__isnull=False)
    silent = Q(state=State.UNKNOWN, expires_at__gte=at - PARKED_FOR)
    open_ = (
        PaymentAttempt.objects.filter(ask_at=None).exclude(state=State.PAID).exclude(last_error=TransactionTaken.code)
    )
    return open_.filter(silent | Q(pk__in=told.values("attempt_id"))).update(ask_at=at)


def _asked_safely(attempt_id: int) -> PaymentState:
    try:
        return ask_attempt(attempt_id=attempt_id)
    except Exception:
        # Such as credentials that no longer open: staff reads the log, the others go on.
        logger.exception("cannot ask about attempt %s", attempt_id)
        PaymentAttempt.objects.filter(pk=attempt_id).update(ask_at=clock.now() + LONGEST_GAP)
        return PaymentState.UNKNOWN
