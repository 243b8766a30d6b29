"""The one place where a gateway's money becomes ours."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from common import clock
from common.locks import lock_name, lock_one
from common.money import ZERO
from payments.exceptions import TransactionTaken
from payments.gateways import merchant_of
from payments.models import Channel, GatewayTransaction, NotifyLog, PaymentAttempt
from payments.purposes import apply_money
from wallet.models import Account, Transfer
from wallet.services import is_posted, receive_from_channel, shop_account, transfer_of

State, Verdict = PaymentAttempt.State, NotifyLog.Verdict
# What marks the second part of a transaction that was booked in two.
REST = "+rest"
LONGEST_TXN = GatewayTransaction._meta.get_field("provider_txn").max_length


def ledger_ref(channel_id: int, provider_txn: str) -> str:
    """The ledger's reference of a gateway's transaction: the same money cannot be booked twice, whatever it is for."""
    return f"gw:{channel_id}:{provider_txn}"


def apply_payment(*, attempt_id: int, provider_txn: str, amount: Decimal) -> bool:
    """Book confirmed money of a gateway for an attempt, in whatever state it is; returns False when that was done before.

    Locks the attempt, the transaction (advisory), then what its purpose locks: order or top-up, wallet, keys. Raises
    TransactionTaken when the gateway's transaction was booked for something else, through whichever channel, or this
    attempt was paid by another transaction.
    """
    with transaction.atomic():
        at = clock.now()
        attempt = lock_one(PaymentAttempt.objects.select_related("channel").filter(pk=attempt_id))
        if attempt.state == State.PAID:
            if attempt.provider_txn != provider_txn:
                raise TransactionTaken
            return False
        attempt.outcome = _book(attempt, provider_txn, amount, at)
        attempt.state, attempt.paid_at, attempt.ask_at, attempt.close_at = State.PAID, at, None, None
        attempt.provider_txn, attempt.paid_amount, attempt.last_error = provider_txn, amount, ""
        facts = ["provider_txn", "paid_amount", "outcome", "last_error"]
        attempt.save(update_fields=["state", "paid_at", "ask_at", "close_at", *facts])
    return True


def apply_second(*, attempt_id: int, provider_txn: str, amount: Decimal) -> bool:
    """Book confirmed money under the number of an attempt, also where that was paid before by another transaction: its buyer
    paid twice, and what paid for nothing is the buyer's. Returns False when it was booked before.

    Locks like `apply_payment`. Raises TransactionTaken.
    """
    with transaction.atomic():
        attempt = lock_one(PaymentAttempt.objects.select_related("channel").filter(pk=attempt_id))
        if attempt.state != State.PAID or attempt.provider_txn == provider_txn:
            return apply_payment(attempt_id=attempt_id, provider_txn=provider_txn, amount=amount)
        if attempt.transactions.filter(provider_txn=provider_txn, channel_id=attempt.channel_id).exists():
            return False
        _book(attempt, provider_txn, amount, clock.now())
    return True


def booked_of(attempt: PaymentAttempt, provider_txn: str) -> Decimal:
    """What was booked of a transaction for an attempt, with what was booked afterwards of the rest, in yuan."""
    parts = attempt.transactions.filter(provider_txn__in=[provider_txn, _rest_of(provider_txn)])
    return parts.aggregate(sum=Sum("amount"))["sum"] or ZERO


def apply_rest(*, attempt_id: int, provider_txn: str, amount: Decimal) -> bool:
    """Book what a paid attempt's transaction of `amount` yuan brought beyond what staff had confirmed of it: it is the buyer's.
    Once; it stands as a transaction of its own, `…+rest`. Returns False when there is nothing to book.

    Locks like `apply_payment`. Raises TransactionTaken when a rest was booked before.
    """
    with transaction.atomic():
        attempt = lock_one(PaymentAttempt.objects.select_related("channel").filter(pk=attempt_id))
        rest = amount - booked_of(attempt, provider_txn)
        if attempt.state != State.PAID or attempt.provider_txn != provider_txn or rest <= ZERO:
            return False
        _book(attempt, _rest_of(provider_txn), rest, clock.now())
    return True


def _rest_of(provider_txn: str) -> str:
    return f"{provider_txn[: LONGEST_TXN - len(REST)]}{REST}"


def book_unclaimed(*, channel: Channel, number: str, provider_txn: str, amount: Decimal) -> bool:
    """Book money that nobody expected, until staff assign it; returns False when it was booked so before, through whichever
    channel of the merchant. Locks the transaction (advisory). Raises TransactionTaken.
    """
    with transaction.atomic():
        at = clock.now()
        known = _booked(channel, provider_txn)
        if known is None and is_posted(ledger_ref(channel.pk, provider_txn)):
            raise TransactionTaken
        if known is not None:
            if known.attempt_id is not None or known.amount != amount:
                raise TransactionTaken
            return False
        transfer, _new = receive_from_channel(
            channel=channel.code,
            to=shop_account(Account.Purpose.UNCLAIMED),
            amount=amount,
            kind=Transfer.Kind.UNCLAIMED,
            ref=ledger_ref(channel.pk, provider_txn),
            at=at,
            memo=number[:200],
        )
        _note(channel, provider_txn, amount, transfer.pk, at)
    return True


def is_booked(channel: Channel, provider_txn: str) -> bool:
    """Whether the transaction was booked through any channel of the same merchant, wherever its gateway was at the time."""
    return _of_merchant(channel, provider_txn).exists()


def _book(attempt: PaymentAttempt, provider_txn: str, amount: Decimal, at: datetime) -> str:
    """Book it once, and close what was told of it; returns what became of the money. Raises TransactionTaken."""
    ref = ledger_ref(attempt.channel_id, provider_txn)
    if _booked(attempt.channel, provider_txn) is not None or is_posted(ref):
        raise TransactionTaken
    outcome = apply_money(attempt, amount=amount, ref=ref, at=at)
    _note(attempt.channel, provider_txn, amount, transfer_of(ref), at, attempt)
    told = NotifyLog.objects.filter(
        attempt_id=attempt.pk, verdict__in=[Verdict.WAITING, Verdict.HELD], provider_txn__in=[provider_txn, ""]
    )
    told.filter(channel_id=attempt.channel_id).update(verdict=Verdict.APPLIED, reason="")
    told.update(verdict=Verdict.REJECTED)
    return outcome


def _booked(channel: Channel, provider_txn: str) -> GatewayTransaction | None:
    """Where the transaction was booked. One may be told of twice at once: whoever comes second waits for the first."""
    lock_name("gw:" + ":".join([*merchant_of(channel), provider_txn]))
    return _of_merchant(channel, provider_txn).first()


def _of_merchant(channel: Channel, provider_txn: str) -> QuerySet[GatewayTransaction]:
    """A gateway may move to another host: what the merchant's channels booked before is theirs all the same."""
    gateway, merchant = merchant_of(channel)
    same = [one.pk for one in Channel.objects.all() if merchant_of(one) == (gateway, merchant)]
    of_merchant = Q(gateway=gateway, merchant=merchant) | Q(channel__in=[channel.pk, *same])
    return GatewayTransaction.objects.filter(of_merchant, provider_txn=provider_txn)


def _note(
    channel: Channel,
    provider_txn: str,
    amount: Decimal,
    transfer_id: int,
    at: datetime,
    attempt: PaymentAttempt | None = None,
) -> None:
    gateway, merchant = merchant_of(channel)
    GatewayTransaction.objects.create(
        channel=channel,
        gateway=gateway,
        merchant=merchant,
        provider_txn=provider_txn,
        amount=amount,
        attempt=attempt,
        transfer_id=transfer_id,
        booked_at=at,
    )
