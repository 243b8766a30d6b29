"""What only people can settle: notifies that wait for staff, and payments of which nobody will ever tell."""

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from audit.services import record
from common import clock
from common.locks import lock_one
from common.persons import require_another
from payments.exceptions import NotifyDecided, TransactionTaken, WaitsForNobody
from payments.gateways import can_be_asked
from payments.models import NotifyLog, PaymentAttempt
from payments.purposes import owner_of
from payments.selectors import parked_attempts
from payments.services.applying import apply_rest, apply_second, book_unclaimed
from payments.services.asking import end_of_waiting, held_of
from payments.services.notifies import DISMISSED
from payments.services.reasons import reason_about_payment
from wallet.models import ByHand
from wallet.services import Word, by_hand

State, Verdict = PaymentAttempt.State, NotifyLog.Verdict
BOOK, DISMISS, UNPAID = "payments.book_notify", "payments.dismiss_notify", "payments.note_unpaid"


def book_held(*, log_id: int, reason: str, actor: User, address: str | None = None) -> PaymentAttempt | None:
    """Book the money of a held notify that staff saw in the gateway's own console, with an audit entry: for the attempt whose
    number it is, returned; or, None, as money that nobody expected, to be assigned. Where a part of it was booked, the rest is.

    Locks the attempt, the notify, then what `apply_second` or `book_unclaimed` lock. Raises ReasonNeeded, OwnMatter,
    NotifyDecided, SecondPersonNeeded, TransactionTaken.
    """
    known = NotifyLog.objects.get(pk=log_id)
    reason = reason_about_payment(reason, known.attempt_id)
    if known.verdict != Verdict.HELD:
        raise NotifyDecided
    named = PaymentAttempt.objects.select_related("order", "top_up").filter(pk=known.attempt_id).first()
    owner_id = owner_of(named) if named is not None else None
    require_another(actor, owner_id)
    order = named.order.number if named is not None and named.order else ""
    who = {"actor": actor, "owner_id": owner_id, "order": order, "address": address}
    with by_hand(Word(ByHand.Act.BOOK, known, known.amount, ref=f"book:{known.pk}", reason=reason, **who)):
        attempt, log = _locked(log_id)
        facts = {"provider_txn": log.provider_txn, "amount": log.amount}
        if attempt is not None and log.reason == NotifyLog.BOOKED_AMOUNT:
            new = apply_rest(attempt_id=attempt.pk, **facts)
        elif attempt is not None:
            new = apply_second(attempt_id=attempt.pk, **facts)
        else:
            new = book_unclaimed(channel=log.channel, number=log.number, **facts)
        if not new:
            raise TransactionTaken
        told = "" if attempt is not None else "unclaimed"
        NotifyLog.objects.filter(pk=log.pk).update(verdict=Verdict.APPLIED, reason=told)
        detail = {"provider_txn": log.provider_txn, "amount": str(log.amount), "number": log.number, "reason": reason}
        record(action=BOOK, at=clock.now(), actor=actor, target=log, detail=detail, address=address)
    return attempt


def dismiss_notify(*, log_id: int, reason: str, actor: User, address: str | None = None) -> None:
    """A held notify that the gateway's console does not bear out: it is refused, with an audit entry. Money that turns up
    later is booked all the same. Locks the attempt, the notify. Raises ReasonNeeded, NotifyDecided.
    """
    reason = reason_about_payment(reason, NotifyLog.objects.get(pk=log_id).attempt_id)
    with transaction.atomic():
        attempt, log = _locked(log_id)
        _refuse(NotifyLog.objects.filter(pk=log.pk))
        if attempt is not None and not held_of(attempt).exists():
            _wait_on(attempt)
        detail = {"provider_txn": log.provider_txn, "amount": str(log.amount), "number": log.number, "reason": reason}
        record(action=DISMISS, at=clock.now(), actor=actor, target=log, detail=detail, address=address)


def note_unpaid(*, attempt_id: int, reason: str, actor: User, address: str | None = None) -> None:
    """Staff saw in the gateway's own console that nothing was paid, or settled otherwise what was booked for something else: the
    attempt is closed, what told of money is refused, with an audit entry. Money that turns up later is booked all the same.

    Locks the attempt. Raises ReasonNeeded, WaitsForNobody.
    """
    reason = reason_about_payment(reason, attempt_id)
    with transaction.atomic():
        attempt = lock_one(PaymentAttempt.objects.filter(pk=attempt_id))
        if attempt.state == State.PAID or not parked_attempts().filter(pk=attempt.pk).exists():
            raise WaitsForNobody
        told = NotifyLog.objects.filter(attempt_id=attempt.pk, channel_id=attempt.channel_id)
        _refuse(told.filter(verdict__in=[Verdict.WAITING, Verdict.HELD]))
        if attempt.state in PaymentAttempt.LIVE:
            attempt.state = State.CLOSED
        attempt.ask_at, attempt.last_error = None, ""
        attempt.save(update_fields=["state", "ask_at", "last_error"])
        detail = {"number": attempt.number, "reason": reason}
        record(action=UNPAID, at=clock.now(), actor=actor, target=attempt, detail=detail, address=address)


def _locked(log_id: int) -> tuple[PaymentAttempt | None, NotifyLog]:
    """The held notify, and the attempt of its channel whose number it is: attempts are locked before their notifies."""
    known = NotifyLog.objects.get(pk=log_id)
    mine = PaymentAttempt.objects.select_related("channel").filter(pk=known.attempt_id, channel_id=known.channel_id)
    attempt = lock_one(mine) if mine.exists() else None
    log = lock_one(NotifyLog.objects.select_related("channel").filter(pk=log_id))
    if log.verdict != Verdict.HELD:
        raise NotifyDecided
    return attempt, log


def _refuse(notifies: QuerySet[NotifyLog]) -> None:
    notifies.update(verdict=Verdict.REJECTED, reason=DISMISSED)


def _wait_on(attempt: PaymentAttempt) -> None:
    """It goes on as if that notify had never come."""
    if attempt.state in PaymentAttempt.LIVE and attempt.ask_at is None:
        at = clock.now()
        attempt.ask_at = at if can_be_asked(attempt.channel) else max(at, end_of_waiting(attempt))
        attempt.save(update_fields=["ask_at"])
