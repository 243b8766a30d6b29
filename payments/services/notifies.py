"""Notifies: kept first, believed after signature, merchant and a question to the gateway, applied once."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.db import transaction

from audit.services import Limit, has_left, take
from common import clock
from common.exceptions import TooManyRequests
from common.queue import send
from payments.exceptions import TransactionTaken
from payments.gateways import kind_of, provider_of
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.providers import Notice, NotifyRefused, PaymentState, Provider, Queried, RawNotify, Reply
from payments.services.applying import apply_payment, ledger_ref
from payments.services.asking import SHORTEST_GAP
from payments.services.keys import expect_keys
from wallet.exceptions import ReferenceReused
from wallet.models import Account, Transfer
from wallet.services import receive_from_channel, shop_account

logger = logging.getLogger(__name__)
Verdict = NotifyLog.Verdict

MAX_HEADER = 2000
# Per address: so many that must not be believed are kept, then one a minute.
FORGERIES = Limit("notify", burst=200, every=timedelta(minutes=1))
# A notify that is still "received" after this long lost its process between the two commits.
ORPHANED_AFTER = timedelta(seconds=20)
# How long unanswered ones are taken up again before they wait for staff.
GIVE_UP_AFTER = timedelta(hours=1)
KEEP_REJECTED, KEEP = timedelta(days=7), timedelta(days=180)


def receive_notify(*, channel: Channel, raw: RawNotify, address: str) -> Reply:
    """Keep a callback and do what it asks; returns the exact answer.

    The raw text is committed before anything else happens. Anything but the accepting answer makes gateways repeat. Who
    sends one forgery after the other is not kept any more, unless it is signed.
    """
    if not has_left(FORGERIES, subject=address, at=clock.now()) and not _is_signed(channel, raw):
        return provider_of(channel).refused
    kind = kind_of(channel)
    log = NotifyLog.objects.create(
        channel=channel,
        http_method=raw.method[:8],
        raw=_as_text(raw, kind.most_bytes),
        headers={name: raw.headers[name][:MAX_HEADER] for name in kind.signed_headers if name in raw.headers},
        address=address,
        received_at=raw.received_at,
    )
    provider = provider_of(channel)
    verdict = _process(log, channel, provider, raw)
    done = verdict in (Verdict.APPLIED, Verdict.REPEATED, Verdict.IGNORED) or log.reason == NotifyLog.FOR_STAFF
    return provider.accepted if done else provider.refused


def _is_signed(channel: Channel, raw: RawNotify) -> bool:
    try:
        provider_of(channel).verify_notify(raw)
    except NotifyRefused:
        return False
    return True


def process_notify(*, log_id: int) -> str:
    """Take up a kept notify again, whose process died or whose gateway did not answer; returns the verdict."""
    log = NotifyLog.objects.select_related("channel").get(pk=log_id)
    if log.verdict not in (Verdict.RECEIVED, Verdict.WAITING):
        return log.verdict
    return _process(log, log.channel, provider_of(log.channel), _from_text(log))


def sweep_notifies(*, limit: int = 100) -> int:
    """Finish what was left between the commits, and ask again for money that nobody expected; returns how many."""
    at = clock.now()
    left = NotifyLog.objects.filter(
        verdict__in=[Verdict.RECEIVED, Verdict.WAITING],
        # Notifies of a known attempt wait for the attempt to be asked.
        attempt_id=None,
        received_at__range=(at - GIVE_UP_AFTER, at - ORPHANED_AFTER),
    ).order_by("pk")
    ids = list(left.values_list("pk", flat=True)[:limit])
    for log_id in ids:
        try:
            process_notify(log_id=log_id)
        except Exception:
            # Such as credentials that no longer open: it stays for staff to see, the others go on.
            logger.exception("cannot take up notify %s", log_id)
    return len(ids)


def forget_old_notifies(*, limit: int = 50_000) -> int:
    """Delete notifies that no dispute will ask for any more; returns how many."""
    at = clock.now()
    forgotten = 0
    for verdicts, keep in (([Verdict.REJECTED], KEEP_REJECTED), (Verdict.values, KEEP)):
        old = NotifyLog.objects.filter(verdict__in=verdicts, received_at__lt=at - keep).order_by("pk")
        ids = list(old.values_list("pk", flat=True)[:limit])
        forgotten += NotifyLog.objects.filter(pk__in=ids).delete()[0]
    return forgotten


def _process(log: NotifyLog, channel: Channel, provider: Provider, raw: RawNotify) -> str:
    try:
        notice = provider.verify_notify(raw)
    except NotifyRefused as refusal:
        logger.warning("notify %s of channel %s refused: %s", log.pk, channel.code, refusal.code)
        if refusal.code == "serial":
            expect_keys(channel)
        with suppress(TooManyRequests):
            take(FORGERIES, subject=log.address or "", at=clock.now())
        return _conclude(log, Verdict.REJECTED, refusal.code)
    attempt = PaymentAttempt.objects.filter(number=notice.number, channel=channel).first()
    if not notice.paid:
        return _conclude(log, Verdict.IGNORED, f"status {notice.status}", attempt)
    if attempt is not None and attempt.state == PaymentAttempt.State.PAID:
        return _conclude_repeat(log, attempt, notice)
    if provider.weak_signature and not provider.can_query:
        return _leave_to_staff(log, attempt, notice)
    queried = _confirmed(provider, channel, attempt, notice) if provider.weak_signature else _believed(notice)
    if queried.state == PaymentState.UNKNOWN:
        return _wait(log, attempt, queried)
    reason = _contradiction(attempt, notice, queried)
    if reason:
        logger.error("notify %s of channel %s is signed but %s", log.pk, channel.code, reason)
        return _conclude(log, Verdict.REJECTED, reason, attempt)
    if attempt is not None and _is_another(attempt, notice):
        logger.error("notify %s of channel %s pays %s by what was not put up for it", log.pk, channel.code, attempt)
        return _leave_to_staff(log, attempt, notice)
    return _apply(log, channel, attempt, notice)


def _confirmed(provider: Provider, channel: Channel, attempt: PaymentAttempt | None, notice: Notice) -> Queried:
    others = PaymentAttempt.objects.filter(channel=channel, ref=notice.provider_txn)
    if others.exclude(pk=attempt.pk if attempt else None).exists():
        # What the gateway calls so was put up under a number of ours, and this is not that one.
        return Queried(state=PaymentState.MISSING)
    return provider.confirm(notice)


def _believed(notice: Notice) -> Queried:
    return Queried(state=PaymentState.PAID, provider_txn=notice.provider_txn, amount=notice.amount)


def _contradiction(attempt: PaymentAttempt | None, notice: Notice, queried: Queried) -> str:
    """How the gateway's own answer, or what was put up there, differs from the notify; "" when it does not."""
    if queried.state != PaymentState.PAID:
        return f"gateway_says_{queried.state}"
    if queried.provider_txn != notice.provider_txn:
        return "another_transaction"
    if queried.amount != notice.amount:
        return "another_amount"
    if attempt is not None and notice.ref and notice.ref == attempt.ref and attempt.currency_amount is not None:
        fits = (notice.amount, notice.foreign) == (attempt.amount, attempt.currency_amount)
        return "" if fits else "another_amount"
    return ""


def _is_another(attempt: PaymentAttempt, notice: Notice) -> bool:
    """Whether what was paid is not what was put up: a trade that the gateway made anew, or one that we know no coins of."""
    return bool(notice.ref) and (notice.ref != attempt.ref or attempt.currency_amount is None)


def _apply(log: NotifyLog, channel: Channel, attempt: PaymentAttempt | None, notice: Notice) -> str:
    try:
        if attempt is None:
            return _book_unclaimed(log, channel, notice)
        with transaction.atomic():
            new = apply_payment(attempt_id=attempt.pk, provider_txn=notice.provider_txn, amount=notice.amount)
            return _conclude(log, Verdict.APPLIED if new else Verdict.REPEATED, "", attempt)
    except (TransactionTaken, ReferenceReused):
        logger.error("notify %s: transaction %s was booked before", log.pk, notice.provider_txn)
        return _conclude(log, Verdict.REJECTED, "transaction_taken", attempt)


def _book_unclaimed(log: NotifyLog, channel: Channel, notice: Notice) -> str:
    """Money under a number that we do not know, such as after a restore from a backup: it is kept for staff to assign."""
    with transaction.atomic():
        _, new = receive_from_channel(
            channel=channel.code,
            to=shop_account(Account.Purpose.UNCLAIMED),
            amount=notice.amount,
            kind=Transfer.Kind.UNCLAIMED,
            ref=ledger_ref(channel.pk, notice.provider_txn),
            at=clock.now(),
            memo=notice.number[:200],
        )
        logger.error("notify %s of channel %s pays the unknown number %s", log.pk, channel.code, notice.number)
        return _conclude(log, Verdict.APPLIED if new else Verdict.REPEATED, "unclaimed")


def _conclude_repeat(log: NotifyLog, attempt: PaymentAttempt, notice: Notice) -> str:
    if attempt.provider_txn != notice.provider_txn:
        reason = "another_transaction"
    elif attempt.paid_amount != notice.amount:
        reason = "another_amount"
    else:
        return _conclude(log, Verdict.REPEATED, "", attempt)
    logger.error("notify %s: attempt %s was paid before, but %s", log.pk, attempt.number, reason)
    return _conclude(log, Verdict.REJECTED, reason, attempt)


def _wait(log: NotifyLog, attempt: PaymentAttempt | None, queried: Queried) -> str:
    """The gateway did not confirm: the attempt is asked about again soon, also one that was closed."""
    if attempt is not None:
        PaymentAttempt.objects.filter(pk=attempt.pk).exclude(state=PaymentAttempt.State.PAID).update(
            ask_at=clock.now() + SHORTEST_GAP, last_error=queried.reason
        )
        send("payments.tasks.ask_attempt", attempt.pk)
    return _conclude(log, Verdict.WAITING, queried.reason[:120], attempt)


def _leave_to_staff(log: NotifyLog, attempt: PaymentAttempt | None, notice: Notice) -> str:
    """Nobody can be asked whether it is true: staff compares it with the gateway's console and confirms it by hand."""
    if attempt is not None:
        PaymentAttempt.objects.filter(pk=attempt.pk).update(ask_at=None)
    return _conclude(log, Verdict.WAITING, NotifyLog.FOR_STAFF, attempt)


def _conclude(log: NotifyLog, verdict: str, reason: str, attempt: PaymentAttempt | None = None) -> str:
    log.verdict, log.reason, log.attempt_id = verdict, reason[:120], attempt.pk if attempt else None
    log.save(update_fields=["verdict", "reason", "attempt_id"])
    return verdict


def _as_text(raw: RawNotify, most: int) -> str:
    """Query or body as stored: the bytes one to one as Latin-1, with NUL, which a text column cannot hold, spelled out."""
    data = raw.query if raw.method == "GET" else raw.query + b"\n" + raw.content_type.encode() + b"\n" + raw.body
    return data[: most + 1].decode("latin-1").replace("\0", "%00")


def _from_text(log: NotifyLog) -> RawNotify:
    data = log.raw.encode("latin-1")
    if log.http_method == "GET":
        query, content_type, body = data, b"", b""
    else:
        query, content_type, body = [*data.split(b"\n", 2), b"", b""][:3]
    return RawNotify(
        method=log.http_method,
        query=query,
        body=body,
        content_type=content_type.decode("latin-1"),
        received_at=log.received_at,
        headers=log.headers,
    )
