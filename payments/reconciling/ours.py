"""Our side of a comparison, read from the database."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat

from payments.models import Channel, GatewayTransaction, PaymentAttempt, Refund
from payments.reconciling.books import Books, Mark, Neighbour, OurRefund, Ours
from payments.reconciling.comparing import TOLERANCE
from payments.reconciling.models import Reconciliation
from payments.reconciling.rows import Period, Row
from payments.services.applying import REST
from wallet.models import Transfer

CHUNK = 5_000
FIELDS = ("pk", "number", "provider_txn", "amount", "state", "paid_at")
FOREIGN = ("currency", "currency_amount", "rate")
# A payment that we hear of days late is still found in the statement of its own day.
OTHER_DAYS = timedelta(days=7)


def our_refunds(channel: Channel, period: Period, numbers: Iterable[str]) -> list[OurRefund]:
    """Refunds by the original route: those that came back within `period`, and all of the payments with these `numbers`.

    One whose result is not known is ours if the statement has it, and is not missed if it has not.
    """
    mine = Refund.objects.filter(Q(attempt__channel=channel) | Q(channel=channel))
    told = mine.exclude(state__in=[Refund.State.CREATED, Refund.State.REFUSED])
    found = {
        one.number: one
        for one in _refunds(told.filter(settled_at__gte=period.start, settled_at__lt=period.end), period)
    }
    for some in _chunks(numbers):
        found.update((one.number, one) for one in _refunds(told.filter(of_payments(some)), period))
    return list(found.values())


def of_payments(numbers: Sequence[str]) -> Q:
    return Q(attempt__number__in=numbers) | Q(attempt=None, paid_number__in=numbers)


def _refunds(refunds: QuerySet[Refund], period: Period) -> Iterator[OurRefund]:
    payments = Coalesce("attempt__number", "paid_number")
    for number, payment, amount, at in refunds.values_list("number", payments, "amount", "settled_at").iterator(
        chunk_size=CHUNK
    ):
        # Nothing is missed at the very end of a period.
        yield OurRefund(number=number, payment=payment, amount=amount, at=at or period.end)


def books_for(channel: Channel, period: Period, rows: Sequence[Row]) -> Books:
    """Everything of ours that a statement's rows could be about."""
    numbers = {row.number for row in rows if row.number}
    txns = {row.txn for row in rows if row.txn}
    mine = PaymentAttempt.objects.filter(channel=channel)
    window = (period.start - TOLERANCE, period.end + TOLERANCE)
    found = {one.attempt_id: one for one in _attempts(mine.filter(paid_at__gte=window[0], paid_at__lt=window[1]))}
    for some in _chunks(numbers):
        found.update((one.attempt_id, one) for one in _attempts(mine.filter(number__in=some)))
    for some in _chunks(txns):
        found.update((one.attempt_id, one) for one in _attempts(mine.filter(provider_txn__in=some)))
    runs = Reconciliation.objects.filter(channel=channel, state=Reconciliation.State.CONFIRMED)
    return Books(
        attempts=list(found.values()),
        refunds=our_refunds(channel, period, numbers | {one.number for one in found.values()}),
        further=_further(channel, window, numbers, txns),
        unclaimed=_unclaimed(channel, txns),
        beyond=_beyond(runs, period),
        before=_neighbour(runs.filter(first_day__lt=period.first, last_day__gte=period.first - timedelta(days=1))),
        after=_neighbour(runs.filter(last_day__gt=period.last, first_day__lte=period.last + timedelta(days=1))),
        fee_rate=channel.fee_rate,
    )


def _attempts(found: QuerySet[PaymentAttempt]) -> Iterator[Ours]:
    rest = GatewayTransaction.objects.filter(
        attempt=OuterRef("pk"), provider_txn=Concat(OuterRef("provider_txn"), Value(REST))
    )
    booked = F("paid_amount") + Coalesce(Subquery(rest.values("amount")[:1]), Decimal(0))
    rows = found.annotate(booked=booked).values_list(*FIELDS, "booked", *FOREIGN)
    for row in rows.iterator(chunk_size=CHUNK):
        pk, number, txn, asked, state, at, paid, currency, foreign, rate = row
        yield Ours(
            attempt_id=pk,
            number=number,
            txn=txn or "",
            amount=paid,
            asked=asked,
            state=state,
            at=at,
            currency=currency,
            foreign=foreign,
            rate=rate,
        )


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(sorted(values))
    while some := list(islice(rest, CHUNK)):
        yield some


def _unclaimed(channel: Channel, txns: Iterable[str]) -> dict[str, int]:
    """Transfers, by the gateway's transaction, that booked money which nobody expected."""
    start = f"gw:{channel.pk}:"
    found: dict[str, int] = {}
    for some in _chunks(txns):
        refs = [start + txn for txn in some]
        rows = Transfer.objects.filter(ref__in=refs, kind=Transfer.Kind.UNCLAIMED).values_list("ref", "pk")
        found.update((ref.removeprefix(start), pk) for ref, pk in rows)
    return found


def _further(
    channel: Channel, window: tuple[datetime, datetime], numbers: Iterable[str], txns: Iterable[str]
) -> list[Ours]:
    """What was booked beside the first payments of attempts: of numbers that were paid twice, and what nobody expected."""
    rest_of_first = Concat("attempt__provider_txn", Value(REST))
    unlike_first = Q(attempt=None) | ~Q(provider_txn=F("attempt__provider_txn")) & ~Q(provider_txn=rest_of_first)
    mine = GatewayTransaction.objects.filter(unlike_first, channel=channel)
    found = {one.txn: one for one in _transactions(mine.filter(booked_at__gte=window[0], booked_at__lt=window[1]))}
    for some in _chunks(numbers):
        found.update((one.txn, one) for one in _transactions(mine.filter(attempt__number__in=some)))
    for some in _chunks(txns):
        found.update((one.txn, one) for one in _transactions(mine.filter(provider_txn__in=some)))
    return list(found.values())


def _transactions(found: QuerySet[GatewayTransaction]) -> Iterator[Ours]:
    rows = list(found.select_related("attempt"))
    strange = [row.transfer_id for row in rows if row.attempt is None]
    numbers = dict(Transfer.objects.filter(pk__in=strange).values_list("pk", "memo"))
    for row in rows:
        facts = {"txn": row.provider_txn, "amount": row.amount, "at": row.booked_at, "is_further": True}
        if row.attempt is None:
            number = numbers.get(row.transfer_id, "")
            yield Ours(attempt_id=None, number=number, transfer_id=row.transfer_id, asked=row.amount, **facts)
            continue
        one = row.attempt
        asked = {"number": one.number, "asked": one.amount, "state": one.state}
        foreign = {"currency": one.currency, "foreign": one.currency_amount, "rate": one.rate}
        yield Ours(attempt_id=one.pk, **asked, **foreign, **facts)


def _beyond(runs, period: Period) -> set[Mark]:
    """What statements of days around showed, though we booked it on other days."""
    others = runs.filter(last_day__gte=period.first - OTHER_DAYS, first_day__lte=period.last + OTHER_DAYS).exclude(
        first_day__gte=period.first, last_day__lte=period.last
    )
    return {mark for borders in others.values_list("borders", flat=True) for mark in borders.get("beyond", ())}


def _neighbour(runs) -> Neighbour | None:
    run = runs.order_by("-confirmed_at").first()
    return None if run is None else Neighbour(run.borders.get("beyond", ()), run.borders.get("waiting", ()))
