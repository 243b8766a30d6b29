"""Posting to the ledger. Everything that moves money comes through `post`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from accounts.models import User
from audit.services import record
from common import clock
from common.locks import LockOutsideTransaction, lock
from common.money import CENT, MAX_AMOUNT, ZERO
from wallet.exceptions import BadTransfer, InsufficientBalance, ReasonNeeded, ReferenceReused
from wallet.guarding import Agreement, agree, is_guarded, set_guard, use_agreement
from wallet.models import Account, Entry, Transfer, TransferRef

__all__ = ["Agreement", "agree", "is_guarded", "set_guard"]
Purpose = Account.Purpose
Kind = Transfer.Kind


@dataclass(frozen=True)
class Posting:
    """One leg: `amount` in yuan raises (or, negative, lowers) what `account` is owed."""

    account: Account
    amount: Decimal


def user_wallet(user_id: int) -> Account:
    """The member's wallet, opened on first use."""
    return _open(f"user:{user_id}:wallet", purpose=Purpose.WALLET, user_id=user_id, balance=Decimal("0.00"))


def order_credit(order_id: int) -> Account:
    """The account on which a guest's order keeps money that is owed to the guest."""
    return _open(f"order:{order_id}:credit", purpose=Purpose.ORDER_CREDIT, order_id=order_id, balance=Decimal("0.00"))


def shop_account(purpose: str, name: str = "") -> Account:
    """One of the shop's own accounts, e.g. (SALES) or (CLEARING, "epay")."""
    return _open(f"shop:{purpose}:{name}" if name else f"shop:{purpose}", purpose=purpose)


def _open(code: str, **fields) -> Account:
    found = Account.objects.filter(code=code).first()
    if found is None:
        found, _ = Account.objects.get_or_create(code=code, defaults=fields)
    return found


def post(
    *, ref: str, kind: str, postings: Sequence[Posting], at: datetime, memo: str = "", actor: User | None = None
) -> tuple[Transfer, bool]:
    """Post one transfer in the caller's transaction; returns (transfer, whether it is new).

    The same `ref` with the same content is answered with the first transfer and moves nothing. Locks the accounts with a
    balance in id order. Raises BadTransfer, ReferenceReused, InsufficientBalance, LockOutsideTransaction.
    """
    if not connection.in_atomic_block:
        raise LockOutsideTransaction("post() needs a transaction")
    legs = _checked(postings)
    with connection.cursor() as cursor:
        # Waits for a concurrent twin, and only then sees whether it committed.
        cursor.execute(
            "INSERT INTO wallet_transferref (ref, transfer_id)"
            " VALUES (%s, nextval(pg_get_serial_sequence('wallet_transfer', 'id'))) ON CONFLICT (ref) DO NOTHING"
            " RETURNING transfer_id",
            [ref],
        )
        new = cursor.fetchone()
    if new is None:
        return _known(ref, kind, legs), False
    transfer = Transfer(pk=new[0], ref=ref, kind=kind, at=at, memo=memo, actor_id=actor.pk if actor else None)
    transfer.save(force_insert=True)
    balances = _apply(legs)
    Entry.objects.bulk_create(
        Entry(transfer=transfer, account_id=pk, amount=amount, balance_after=balances.get(pk), at=at)
        for pk, amount in legs.items()
    )
    return transfer, True


def is_posted(ref: str) -> bool:
    """Whether a transfer with this reference exists."""
    return TransferRef.objects.filter(ref=ref).exists()


def _checked(postings: Sequence[Posting]) -> dict[int, Decimal]:
    legs: dict[int, Decimal] = {}
    for posting in postings:
        amount = posting.amount
        if not amount.is_finite() or amount != amount.quantize(CENT) or abs(amount) > MAX_AMOUNT:
            raise BadTransfer
        legs[posting.account.pk] = legs.get(posting.account.pk, Decimal(0)) + amount
    legs = {pk: amount for pk, amount in sorted(legs.items()) if amount}
    if not legs or sum(legs.values()):
        raise BadTransfer
    return legs


def _known(ref: str, kind: str, legs: dict[int, Decimal]) -> Transfer:
    transfer = Transfer.objects.get(pk=TransferRef.objects.get(ref=ref).transfer_id)
    recorded = dict(Entry.objects.filter(transfer=transfer).values_list("account_id", "amount"))
    if transfer.kind != kind or recorded != legs:
        raise ReferenceReused
    return transfer


def _apply(legs: dict[int, Decimal]) -> dict[int, Decimal]:
    """Move the cached balances of people's accounts; returns balances by account id."""
    balances = {}
    for account in lock(Account.objects.filter(pk__in=legs, balance__isnull=False)):
        after = account.balance + legs[account.pk]
        if after < 0:
            raise InsufficientBalance
        account.balance, account.version = after, account.version + 1
        account.save(update_fields=["balance", "version"])
        balances[account.pk] = after
    return balances


def pay_from_wallet(*, user: User, amount: Decimal, ref: str, at: datetime, memo: str = "") -> Transfer:
    """Move money from the member's wallet to sales. Raises InsufficientBalance, ConfirmationNeeded."""
    if not is_posted(ref):
        use_agreement(user=user, ref=ref, amount=amount, at=at)
    legs = [Posting(user_wallet(user.pk), -amount), Posting(shop_account(Purpose.SALES), amount)]
    return post(ref=ref, kind=Kind.PAYMENT, postings=legs, at=at, memo=memo, actor=user)[0]


def receive_from_channel(
    *,
    channel: str,
    to: Account,
    amount: Decimal,
    kind: str,
    ref: str,
    at: datetime,
    fee: Decimal = ZERO,
    memo: str = "",
) -> tuple[Transfer, bool]:
    """Book money that a gateway says it holds for us onto `to`, less the fee that the payer was charged for the way.

    Returns (transfer, whether it is new).
    """
    legs = [
        Posting(shop_account(Purpose.CLEARING, channel), -amount),
        Posting(shop_account(Purpose.FEES), fee),
        Posting(to, amount - fee),
    ]
    return post(ref=ref, kind=kind, postings=legs, at=at, memo=memo)


def pay_rebate(*, user_id: int, amount: Decimal, ref: str, at: datetime, memo: str = "") -> Transfer:
    """Pay a rebate into a member's wallet, once per `ref`. Locks the wallet."""
    legs = [Posting(user_wallet(user_id), amount), Posting(shop_account(Purpose.REBATES), -amount)]
    return post(ref=ref, kind=Kind.REBATE, postings=legs, at=at, memo=memo)[0]


def refund_sale(
    *, to: Account, amount: Decimal, ref: str, at: datetime, memo: str = "", actor: User | None = None
) -> Transfer:
    """Give money of a sale back to a member's wallet or to the order's own account."""
    legs = [Posting(shop_account(Purpose.SALES), -amount), Posting(to, amount)]
    return post(ref=ref, kind=Kind.REFUND, postings=legs, at=at, memo=memo, actor=actor)[0]


def adjust_by_staff(
    *, user_id: int, amount: Decimal, ref: str, reason: str, actor: User, address: str | None = None
) -> Transfer:
    """Correct a member's balance by hand, with an entry in the audit log; once per `ref`. Locks the wallet.

    Raises ReasonNeeded, BadTransfer, InsufficientBalance, ReferenceReused.
    """
    reason = reason.strip()
    if not reason:
        raise ReasonNeeded
    with transaction.atomic():
        at = clock.now()
        user = User.objects.get(pk=user_id)
        known = is_posted(ref)
        transfer = adjust(user=user, amount=amount, ref=ref, at=at, memo=reason[:200], actor=actor)
        if not known:
            detail = {"amount": str(amount), "reason": reason[:200], "ref": ref}
            record(action="wallet.adjust", at=at, actor=actor, target=user, detail=detail, address=address)
    return transfer


def adjust(*, user: User, amount: Decimal, ref: str, at: datetime, memo: str, actor: User) -> Transfer:
    """A correction by staff, positive or negative. Raises InsufficientBalance rather than going below zero."""
    legs = [Posting(user_wallet(user.pk), amount), Posting(shop_account(Purpose.ADJUSTMENT), -amount)]
    return post(ref=ref, kind=Kind.ADJUSTMENT, postings=legs, at=at, memo=memo, actor=actor)[0]
