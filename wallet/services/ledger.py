"""Posting to the ledger. Everything that moves money comes through `post`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Sum

from accounts.models import User
from audit.services import record
from common import clock
from common.locks import LockOutsideTransaction, lock, lock_one
from common.money import CENT, MAX_AMOUNT, ZERO
from common.persons import require_another
from common.reasons import read_reason
from wallet.exceptions import BadTransfer, InsufficientBalance, ReferenceReused
from wallet.models import Account, ByHand, Entry, Transfer, TransferRef
from wallet.services.hands import Word, by_hand

Purpose = Account.Purpose
Kind = Transfer.Kind


@dataclass(frozen=True)
class Posting:
    """One leg: `amount` in yuan raises (or, negative, lowers) what `account` is owed.

    `restricted` is the change of the part that cannot be withdrawn. None: money that comes in is free, money that goes out
    is taken from the restricted part first.
    """

    account: Account
    amount: Decimal
    restricted: Decimal | None = None


def user_wallet(user_id: int) -> Account:
    """The member's wallet, opened on first use."""
    return _open(f"user:{user_id}:wallet", purpose=Purpose.WALLET, user_id=user_id, balance=Decimal("0.00"))


def user_hold(user_id: int) -> Account:
    """Where a member's money waits that has left the wallet and not yet the shop."""
    return _open(f"user:{user_id}:hold", purpose=Purpose.HOLD, user_id=user_id, balance=Decimal("0.00"))


def lock_wallet(user_id: int) -> Account:
    """The member's wallet, opened where needed, locked and read afresh."""
    return lock_one(Account.objects.filter(pk=user_wallet(user_id).pk))


def order_credit(order_id: int) -> Account:
    """The account on which a guest's order keeps money that is owed to the guest."""
    return _open(f"order:{order_id}:credit", purpose=Purpose.ORDER_CREDIT, order_id=order_id, balance=Decimal("0.00"))


def lock_order_credit(order_id: int) -> Account:
    """The account of a guest's order, opened where needed, locked and read afresh."""
    return lock_one(Account.objects.filter(pk=order_credit(order_id).pk))


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
    moved = _apply(legs, {one.account.pk: one.restricted for one in postings if one.restricted is not None})
    Entry.objects.bulk_create(
        Entry(
            transfer=transfer,
            account_id=pk,
            amount=amount,
            balance_after=moved[pk].balance if pk in moved else None,
            restricted=moved[pk].restricted if pk in moved else ZERO,
            at=at,
        )
        for pk, amount in legs.items()
    )
    return transfer, True


def is_posted(ref: str) -> bool:
    """Whether a transfer with this reference exists."""
    return TransferRef.objects.filter(ref=ref).exists()


def transfer_of(ref: str) -> int:
    """The id of the transfer that was posted under this reference."""
    return TransferRef.objects.filter(ref=ref).order_by("-transfer_id").values_list("transfer_id", flat=True)[0]


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


@dataclass(frozen=True)
class _Moved:
    """The balance after a leg, and by how much its restricted part changed."""

    balance: Decimal
    restricted: Decimal


def _apply(legs: dict[int, Decimal], restricted: dict[int, Decimal]) -> dict[int, _Moved]:
    """Move the cached balances of people's accounts; by account id."""
    moved = {}
    for account in lock(Account.objects.filter(pk__in=legs, balance__isnull=False)):
        amount = legs[account.pk]
        change = restricted.get(account.pk)
        if change is None:
            change = -min(account.restricted, max(-amount, ZERO))
        after, kept = account.balance + amount, account.restricted + change
        if after < 0 or not 0 <= kept <= after:
            raise InsufficientBalance
        account.balance, account.restricted, account.version = after, kept, account.version + 1
        account.save(update_fields=["balance", "restricted", "version"])
        moved[account.pk] = _Moved(after, change)
    return moved


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
    """Pay a rebate into a member's wallet, once per `ref`, to buy with: what it was for may still be given back, and then
    it would have been earned for nothing. Locks the wallet."""
    legs = [Posting(user_wallet(user_id), amount, restricted=amount), Posting(shop_account(Purpose.REBATES), -amount)]
    return post(ref=ref, kind=Kind.REBATE, postings=legs, at=at, memo=memo)[0]


def refund_sale(
    *, to: Account, amount: Decimal, ref: str, at: datetime, memo: str = "", actor: User | None = None
) -> Transfer:
    """Give money of a sale back to a member's wallet or to the order's own account; or let it go on its way to a gateway.

    `memo` is the order's number. What its payment took of the restricted part of a wallet goes back there first, so that
    buying and returning does not turn a gift into money to withdraw.
    """
    legs = [Posting(shop_account(Purpose.SALES), -amount), Posting(to, amount, min(amount, restricted_in(to, memo)))]
    return post(ref=ref, kind=Kind.REFUND, postings=legs, at=at, memo=memo, actor=actor)[0]


def restricted_in(account: Account, memo: str) -> Decimal:
    """How much of an account's restricted money went into the order of this number and has not come back, in yuan.

    Whoever relies on it holds the order's lock.
    """
    if not memo or account.user_id is None:
        return ZERO
    kinds = [Kind.PAYMENT, Kind.REFUND, Kind.FELL_BACK]
    # By the index on memos: few transfers bear the number of one order.
    entries = Entry.objects.filter(account=account, transfer__memo=memo, transfer__kind__in=kinds)
    return -(entries.aggregate(sum=Sum("restricted"))["sum"] or ZERO)


def refunding() -> Account:
    """Money on its way back to payers through gateways: taken from where it was, not yet known as returned."""
    return shop_account(Purpose.REFUNDING)


def send_back(
    *, source: Account, amount: Decimal, ref: str, at: datetime, memo: str = "", actor: User | None = None
) -> tuple[Transfer, bool]:
    """Take money from where it lies, such as a wallet, to be returned to its payer. Raises InsufficientBalance."""
    legs = [Posting(source, -amount, restricted=ZERO), Posting(refunding(), amount)]
    return post(ref=ref, kind=Kind.SENT_BACK, postings=legs, at=at, memo=memo, actor=actor)


def return_to_channel(
    *, channel: str, amount: Decimal, ref: str, at: datetime, memo: str = ""
) -> tuple[Transfer, bool]:
    """The gateway gave money back that was on its way: it holds that much less for us."""
    legs = [Posting(refunding(), -amount), Posting(shop_account(Purpose.CLEARING, channel), amount)]
    return post(ref=ref, kind=Kind.RETURNED, postings=legs, at=at, memo=memo)


def fall_back(
    *, to: Account, amount: Decimal, ref: str, at: datetime, memo: str = "", was_sold: bool = True
) -> tuple[Transfer, bool]:
    """Money on its way that no gateway took back goes to its owner's account.

    What `was_sold` restores the restricted part as `refund_sale` does; what `send_back` took was free and is so again.
    """
    restricted = min(amount, restricted_in(to, memo)) if was_sold else ZERO
    legs = [Posting(refunding(), -amount), Posting(to, amount, restricted)]
    return post(ref=ref, kind=Kind.FELL_BACK, postings=legs, at=at, memo=memo)


def adjust_by_staff(
    *, user_id: int, amount: Decimal, ref: str, reason: str, actor: User, address: str | None = None
) -> Transfer:
    """Correct a member's balance by hand, with an entry in the audit log; once per `ref`. Locks the wallet.

    Raises ReasonNeeded, OwnMatter, SecondPersonNeeded, BadTransfer, InsufficientBalance, ReferenceReused.
    """
    reason = read_reason(reason)
    require_another(actor, user_id)
    user = User.objects.get(pk=user_id)
    act = ByHand.Act.ADJUST
    word = Word(act, user, amount, ref=ref, reason=reason, actor=actor, owner_id=user.pk, address=address)
    with by_hand(word):
        at = clock.now()
        known = is_posted(ref)
        transfer = adjust(user=user, amount=amount, ref=ref, at=at, memo=reason, actor=actor)
        if not known:
            detail = {"amount": str(amount), "reason": reason, "ref": ref}
            record(action="wallet.adjust", at=at, actor=actor, target=user, detail=detail, address=address)
    return transfer


def adjust(*, user: User, amount: Decimal, ref: str, at: datetime, memo: str, actor: User) -> Transfer:
    """A correction by staff, positive or negative. Raises InsufficientBalance rather than going below zero."""
    legs = [Posting(user_wallet(user.pk), amount), Posting(shop_account(Purpose.ADJUSTMENT), -amount)]
    return post(ref=ref, kind=Kind.ADJUSTMENT, postings=legs, at=at, memo=memo, actor=actor)[0]
