"""Notifies: kept first, believed after signature, merchant and a question to the gateway, applied once."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from audit.services import Limit, has_left, take
from common import clock
from common.addresses import counted_as
from common.exceptions import TooManyRequests
from common.ids import is_payment_number
from common.queue import send
from payments.exceptions import TransactionTaken
from payments.gateways import kind_of, provider_of
from payments.models import Channel, NotifyLog, PaymentAttempt
from payments.providers import Notice, NotifyRefused, PaymentState, Provider, Queried, RawNotify, Reply
from payments.selectors import GIVE_UP_AFTER
from payments.services.applying import apply_second, book_unclaimed, booked_of, is_booked
from payments.services.asking import SHORTEST_GAP
from payments.services.keys import expect_keys

logger = logging.getLogger(__name__)
State, Verdict = PaymentAttempt.State, NotifyLog.Verdict
# The reason of what staff found to be no money.
DISMISSED = "dismissed"

MAX_HEADER = 2000
# Per sender: so many that must not be believed are kept, then one a minute; and per channel, whoever sends them.
FORGERIES = Limit("notify", burst=200, every=timedelta(minutes=1))
FORGERIES_OF_ALL = Limit("notify-channel", burst=10_000, every=timedelta(seconds=10))
# Of one payment so many are kept that tell nothing new, then one every ten minutes.
REPEATS = Limit("notify-again", burst=50, every=timedelta(minutes=10))
# Characters of a forged one that are kept: enough to see what it was.
KEEP_OF_FORGED = 4096
# A notify that is still "received" after this long lost its process between the two commits.
ORPHANED_AFTER = timedelta(seconds=20)
KEEP_FORGED, KEEP = timedelta(days=7), timedelta(days=180)


def receive_notify(*, channel: Channel, raw: RawNotify, address: str) -> Reply:
    """Keep a callback and do what it asks; returns the exact answer.

    The raw text is committed before anything else happens. Anything but the accepting answer makes gateways repeat. Who
    sends one forgery after the other is not kept any more, unless it is signed; nor is what is told of one payment for ever.
    """
    at = clock.now()
    kept = has_left(FORGERIES, subject=_sender(address), at=at) and has_left(
        FORGERIES_OF_ALL, subject=channel.code, at=at
    )
    if not kept and not _is_signed(channel, raw):
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
    heard = verdict in (Verdict.APPLIED, Verdict.REPEATED, Verdict.IGNORED, Verdict.HELD)
    if verdict in (Verdict.REPEATED, Verdict.IGNORED, Verdict.WAITING) or (verdict == Verdict.REJECTED and log.number):
        _drop_beyond_few(log)
    return provider.accepted if heard and log.reason not in NotifyLog.NOT_ACKNOWLEDGED else provider.refused


def _drop_beyond_few(log: NotifyLog) -> None:
    """Every buyer holds a genuine notify, in the address to which they returned, and may hand it over again and again."""
    told = log.number or log.attempt_id or _sender(log.address)
    try:
        take(REPEATS, subject=f"{log.channel_id}:{told}", at=clock.now())
    except TooManyRequests:
        log.delete()


def _sender(address: str | None) -> str:
    return counted_as(address) if address else ""


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
        # Notifies of an attempt that is not paid wait for the attempt to be asked.
        Q(attempt_id=None) | Exists(PaymentAttempt.objects.filter(pk=OuterRef("attempt_id"), state=State.PAID)),
        verdict__in=[Verdict.RECEIVED, Verdict.WAITING],
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
    """Delete notifies that no dispute will ask for any more; returns how many. What waits for staff is none of them."""
    at = clock.now()
    # Whoever signed it is the gateway: also what was refused may have been money.
    forged = NotifyLog.objects.filter(verdict=Verdict.REJECTED, provider_txn="", received_at__lt=at - KEEP_FORGED)
    rest = NotifyLog.objects.exclude(verdict=Verdict.HELD).filter(received_at__lt=at - KEEP)
    forgotten = 0
    for old in (forged, rest):
        ids = list(old.order_by("pk").values_list("pk", flat=True)[:limit])
        forgotten += NotifyLog.objects.filter(pk__in=ids).delete()[0]
    return forgotten


def _process(log: NotifyLog, channel: Channel, provider: Provider, raw: RawNotify) -> str:
    try:
        notice = provider.verify_notify(raw)
    except NotifyRefused as refusal:
        return _refuse(log, channel, refusal.code)
    attempt = PaymentAttempt.objects.filter(number=notice.number).first()
    own = attempt if attempt is not None and attempt.channel_id == channel.pk else None
    if not notice.paid:
        return _conclude(log, Verdict.IGNORED, f"status {notice.status}", own)
    log.number, log.provider_txn, log.amount = notice.number[:64], notice.provider_txn[:64], notice.amount
    if own is not None and own.state == State.PAID:
        if own.provider_txn == notice.provider_txn and booked_of(own, notice.provider_txn) == notice.amount:
            return _conclude(log, Verdict.REPEATED, "", own)
        if (
            own.provider_txn != notice.provider_txn
            and own.transactions.filter(provider_txn=notice.provider_txn).exists()
        ):
            return _conclude(log, Verdict.REPEATED, "", own)
    if own is None and is_booked(channel, notice.provider_txn):
        if attempt is not None:
            return _conclude(log, Verdict.REJECTED, NotifyLog.ANOTHER_CHANNEL, attempt)
        if not is_payment_number(notice.number):
            return _conclude_taken(log, notice)
    return _process_money(log, provider, attempt, notice)


def _process_money(log: NotifyLog, provider: Provider, attempt: PaymentAttempt | None, notice: Notice) -> str:
    """A payment of which we have not heard, or not of so much. The gateway is asked where an MD5 alone vouches for it, or where
    it would be the second of its number; what passes is booked if it is ours to book, and else held."""
    reason = _reason_to_hold(log, attempt, notice)
    second = reason == NotifyLog.SECOND
    if provider.weak_signature and not provider.can_query:
        return _leave_to_staff(log, attempt, reason)
    queried = provider.confirm_second(notice) if second else _asked(provider, log.channel, attempt, notice)
    if queried.state == PaymentState.UNKNOWN:
        return _wait(log, attempt, queried)
    contradiction = _contradiction(attempt, notice, queried)
    if contradiction:
        logger.error("notify %s of channel %s is signed but %s", log.pk, log.channel.code, contradiction)
        if second and not provider.weak_signature:
            return _hold(log, NotifyLog.SECOND, attempt)
        return _conclude(log, Verdict.REJECTED, contradiction, attempt)
    if reason in (NotifyLog.ANOTHER_CHANNEL, NotifyLog.STRANGE_NUMBER, NotifyLog.BOOKED_AMOUNT):
        return _hold(log, reason, attempt)
    if attempt is not None and not reason and _is_another(attempt, notice):
        logger.error("notify %s of channel %s pays %s by what was not put up", log.pk, log.channel.code, attempt)
        return _leave_to_staff(log, attempt, reason)
    return _apply(log, attempt, notice)


def _reason_to_hold(log: NotifyLog, attempt: PaymentAttempt | None, notice: Notice) -> str:
    """What keeps money from being booked as a matter of course; "" where nothing does.

    A number of ours without an attempt is owed to somebody, such as after a restore from a backup. A merchant may be shared
    with another shop, whose numbers are none of ours. And a genuine notify may be handed to another channel's door.
    """
    if attempt is None:
        return "" if is_payment_number(notice.number) else NotifyLog.STRANGE_NUMBER
    if attempt.channel_id != log.channel_id:
        return NotifyLog.ANOTHER_CHANNEL
    if attempt.state != State.PAID:
        return ""
    # Staff may have confirmed another amount of it.
    return NotifyLog.BOOKED_AMOUNT if attempt.provider_txn == notice.provider_txn else NotifyLog.SECOND


def _leave_to_staff(log: NotifyLog, attempt: PaymentAttempt | None, reason: str) -> str:
    """Nobody can be asked whether it is true: staff compares it with the gateway's console."""
    if attempt is not None and not reason:
        PaymentAttempt.objects.filter(pk=attempt.pk).update(ask_at=None)
    return _hold(log, reason or NotifyLog.FOR_STAFF, attempt)


def _refuse(log: NotifyLog, channel: Channel, code: str) -> str:
    logger.warning("notify %s of channel %s refused: %s", log.pk, channel.code, code)
    if code == "serial":
        expect_keys(channel)
    at = clock.now()
    with suppress(TooManyRequests):
        take(FORGERIES, subject=_sender(log.address), at=at)
        take(FORGERIES_OF_ALL, subject=channel.code, at=at)
    NotifyLog.objects.filter(pk=log.pk).update(raw=log.raw[:KEEP_OF_FORGED], headers={})
    return _conclude(log, Verdict.REJECTED, code)


def _asked(provider: Provider, channel: Channel, attempt: PaymentAttempt | None, notice: Notice) -> Queried:
    """What the gateway itself says; a strong signature is its word already."""
    if provider.weak_signature:
        others = PaymentAttempt.objects.filter(channel=channel, ref=notice.provider_txn)
        if others.exclude(pk=attempt.pk if attempt else None).exists():
            # What the gateway calls so was put up under a number of ours, and this is not that one.
            return Queried(state=PaymentState.MISSING)
        return provider.confirm(notice)
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


def _apply(log: NotifyLog, attempt: PaymentAttempt | None, notice: Notice) -> str:
    facts = {"provider_txn": notice.provider_txn, "amount": notice.amount}
    try:
        with transaction.atomic():
            if attempt is None:
                logger.error("notify %s of channel %s pays the unknown number %s", log.pk, log.channel.code, log.number)
                new = book_unclaimed(channel=log.channel, number=notice.number, **facts)
            else:
                # It may have been paid by another transaction since it was looked at.
                new = apply_second(attempt_id=attempt.pk, **facts)
            told = "unclaimed" if attempt is None else ""
            return _conclude(log, Verdict.APPLIED if new else Verdict.REPEATED, told, attempt)
    except TransactionTaken:
        # Such as by staff who mistook the number: then the buyer's money is somebody else's in our books.
        logger.error("notify %s: transaction %s was booked before", log.pk, notice.provider_txn)
        return _hold(log, NotifyLog.TAKEN, attempt)


def _conclude_taken(log: NotifyLog, notice: Notice) -> str:
    """A transaction that was booked, under a number that is none of ours: told again, or told of something else."""
    told = NotifyLog.objects.filter(channel=log.channel, number=notice.number, provider_txn=notice.provider_txn)
    if told.filter(verdict=Verdict.APPLIED).exists():
        return _conclude(log, Verdict.REPEATED, "")
    return _conclude(log, Verdict.REJECTED, TransactionTaken.code)


def _wait(log: NotifyLog, attempt: PaymentAttempt | None, queried: Queried) -> str:
    """The gateway did not confirm. An attempt of the channel is asked about again soon, also one that was closed; all else is
    taken up again by the sweep."""
    mine = attempt if attempt is not None and attempt.channel_id == log.channel_id else None
    if mine is not None:
        unpaid = PaymentAttempt.objects.filter(pk=mine.pk).exclude(state=State.PAID)
        if unpaid.update(ask_at=clock.now() + SHORTEST_GAP, last_error=queried.reason):
            send("payments.tasks.ask_attempt", mine.pk)
    return _conclude(log, Verdict.WAITING, queried.reason, mine)


def _hold(log: NotifyLog, reason: str, attempt: PaymentAttempt | None) -> str:
    """Only people can tell whether it is true, or whose it is: staff books it or dismisses it. What they have before them, or
    decided, is not put before them again."""
    same = {"channel": log.channel, "number": log.number, "provider_txn": log.provider_txn, "amount": log.amount}
    decided = Q(verdict=Verdict.HELD) | Q(verdict=Verdict.REJECTED, reason=DISMISSED)
    known = NotifyLog.objects.filter(decided, **same).exclude(pk=log.pk).exists()
    logger.error("notify %s of channel %s about %s is for staff: %s", log.pk, log.channel.code, log.number, reason)
    return _conclude(log, Verdict.REPEATED if known else Verdict.HELD, reason, attempt)


def _conclude(log: NotifyLog, verdict: str, reason: str, attempt: PaymentAttempt | None = None) -> str:
    log.verdict, log.reason, log.attempt_id = verdict, reason[:120], attempt.pk if attempt else None
    log.save(update_fields=["verdict", "reason", "attempt_id", "number", "provider_txn", "amount"])
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
