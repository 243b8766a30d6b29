"""Booking points. Everything that moves points comes through here, in the caller's transaction or one of its own.

Locks the PointsAccount and nothing else: after ledger accounts, before coupon slots (docs/locking.md). A reference that
is known is answered with the first entry and moves nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum

from accounts.models import User
from audit.services import record
from common import clock
from common.clock import day_of, start_of_day
from common.locks import lock_one
from common.persons import require_another
from common.texts import in_both
from membership.exceptions import BadPoints, InsufficientPoints, PointsReasonNeeded, PointsRefReused
from membership.models import EarningRules, PointsAccount, PointsDraw, PointsEntry, PointsLot, PointsRef
from membership.models.points import MAX_MEMO
from membership.selectors.points import CAPPED, everyday_caps

Kind, Cause = PointsEntry.Kind, PointsEntry.Cause
MAX_POINTS = 1_000_000
# What comes back of a spend may be used for at least so long, even where its lot has ended meanwhile.
RETURNED_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Booked:
    """The entry of a reference, or None where a cap left nothing; and whether it was made now."""

    entry: PointsEntry | None
    is_new: bool

    @property
    def amount(self) -> int:
        return self.entry.amount if self.entry is not None else 0


def grant_points(
    *,
    user_id: int,
    amount: int,
    cause: str,
    ref: str,
    at: datetime,
    memo: object = "",
    expires_at: datetime | None = None,
    actor: User | None = None,
) -> Booked:
    """Give points that end at `expires_at`, or after the months that the rules say.

    Check-ins and tasks are cut to what the day's and the week's cap leave. What the person owes is paid first. `memo` is
    what they are for, as a text or as what names itself in the reader's language: it is kept in both.
    Raises BadPoints, PointsRefReused.
    """
    _check_amount(amount)
    with transaction.atomic():
        account = _locked(user_id)
        known = _known(account, ref, Kind.EARN)
        if known is not None:
            return known
        rules = EarningRules.objects.get()
        if cause in CAPPED:
            amount = min(amount, _room(account, rules, at))
        if not amount:
            PointsRef.objects.create(ref=ref, account=account)
            return Booked(None, True)
        ends = expires_at or expiry_of(at, rules.points_months)
        if ends <= at:
            raise BadPoints
        entry = _write(account, ref, Kind.EARN, cause, amount, at=at, memo=memo, actor=actor)
        _add_lot(entry, amount, ends)
        _pay_owed(account, entry, at)
    return Booked(entry, True)


def spend_points(*, user_id: int, amount: int, cause: str, ref: str, at: datetime, memo: object = "") -> Booked:
    """Take points, those that end first before the others. Raises InsufficientPoints, BadPoints, PointsRefReused."""
    _check_amount(amount)
    with transaction.atomic():
        account = _locked(user_id)
        known = _known(account, ref, Kind.SPEND, -amount)
        if known is not None:
            return known
        _expire(account, at)
        if account.balance < amount:
            raise InsufficientPoints(balance=account.balance, wanted=amount)
        entry = _write(account, ref, Kind.SPEND, cause, -amount, at=at, memo=memo)
        _draw(entry, amount, _open_lots(account))
    return Booked(entry, True)


def reverse_points(
    *,
    user_id: int,
    of_ref: str,
    ref: str,
    at: datetime,
    amount: int | None = None,
    memo: object = "",
    actor: User | None = None,
) -> Booked:
    """Undo what was booked as `of_ref`, or `amount` of it: points that were spent come back, points that were earned go.

    Of earned points what is spent already stays owed, and what ended unspent is gone already. Never undoes more than was
    booked; nothing booked, nothing undone.
    Raises PointsRefReused.
    """
    with transaction.atomic():
        account = _locked(user_id)
        known = _known(account, ref, Kind.REVERSAL)
        if known is not None:
            return known
        _expire(account, at)
        of = account.entries.filter(ref=of_ref).order_by("id").first()
        left = _left_to_reverse(account, of) if of is not None else 0
        wanted = min(left, amount) if amount is not None else left
        if of is None or wanted <= 0:
            PointsRef.objects.create(ref=ref, account=account)
            return Booked(None, True)
        undo = _take_back if of.amount > 0 else _give_back
        return Booked(undo(account, of, wanted, ref=ref, at=at, memo=memo, actor=actor), True)


def adjust_points(
    *, user_id: int, amount: int, ref: str, reason: str, actor: User, address: str | None = None
) -> PointsEntry:
    """Correct a person's points by hand, with an entry in the audit log; once per `ref`.

    Raises PointsReasonNeeded, BadPoints, OwnMatter, InsufficientPoints, PointsRefReused.
    """
    reason = reason.strip()[:MAX_MEMO]
    if not reason:
        raise PointsReasonNeeded
    _check_amount(abs(amount))
    require_another(actor, user_id)
    with transaction.atomic():
        at = clock.now()
        account = _locked(user_id)
        known = _known(account, ref, Kind.ADJUST, amount)
        if known is not None and known.entry is not None:
            return known.entry
        _expire(account, at)
        if account.balance + amount < 0:
            raise InsufficientPoints(balance=account.balance, wanted=-amount)
        entry = _write(account, ref, Kind.ADJUST, Cause.ADJUSTMENT, amount, at=at, memo=reason, actor=actor)
        if amount > 0:
            _add_lot(entry, amount, expiry_of(at, EarningRules.objects.get().points_months))
            _pay_owed(account, entry, at)
        else:
            _draw(entry, -amount, _open_lots(account))
        detail = {"points": amount, "reason": reason, "ref": ref}
        record(action="points.adjust", at=at, actor=actor, target=account.user, detail=detail, address=address)
    return entry


def expire_points(*, user_id: int, at: datetime) -> int:
    """Take off what has ended by `at`; returns how many points."""
    with transaction.atomic():
        return _expire(_locked(user_id), at)


def expire_due_points(*, at: datetime, limit: int = 5000) -> int:
    """Take off what has ended, person by person in transactions of their own; returns for how many persons."""
    due = PointsLot.objects.filter(left__gt=0, expires_at__lte=at).values_list("account_id", flat=True)
    users = list(due.order_by("account_id").distinct()[:limit])
    for user_id in users:
        expire_points(user_id=user_id, at=at)
    return len(users)


def expiry_of(at: datetime, months: int) -> datetime:
    """The first moment after the month that lies `months` after the month of `at`: everything of a month ends together."""
    day = day_of(at)
    number = day.year * 12 + day.month - 1 + months + 1
    return start_of_day(date(number // 12, number % 12 + 1, 1))


def _check_amount(amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= MAX_POINTS:
        raise BadPoints


def _locked(user_id: int) -> PointsAccount:
    mine = PointsAccount.objects.filter(pk=user_id)
    if not mine.exists():
        PointsAccount.objects.bulk_create([PointsAccount(user_id=user_id)], ignore_conflicts=True)
    return lock_one(mine)


def _known(account: PointsAccount, ref: str, kind: str, amount: int | None = None) -> Booked | None:
    """What was booked under the reference. Asked under the account's lock, so that twins come one after the other."""
    found = PointsRef.objects.filter(ref=ref).first()
    if found is None:
        return None
    entry = PointsEntry.objects.get(pk=found.entry_id) if found.entry_id else None
    same = found.account_id == account.pk and (entry is None or entry.kind == kind)
    if not same or (entry is not None and amount is not None and entry.amount != amount):
        raise PointsRefReused
    return Booked(entry, False)


def _room(account: PointsAccount, rules: EarningRules, at: datetime) -> int:
    """What the caps leave of everyday earnings, today and this week."""
    caps = everyday_caps(account.pk, rules, at)
    return min(MAX_POINTS, *caps.left) if caps.left else MAX_POINTS


def _write(
    account: PointsAccount,
    ref: str,
    kind: str,
    cause: str,
    amount: int,
    *,
    at: datetime,
    memo: object = "",
    reverses: str = "",
    short: int = 0,
    actor: User | None = None,
) -> PointsEntry:
    account.balance += amount
    account.owed += short
    account.save(update_fields=["balance", "owed"])
    chinese, english = in_both(memo)
    entry = PointsEntry.objects.create(
        ref=ref,
        account=account,
        kind=kind,
        cause=cause,
        amount=amount,
        short=short,
        balance_after=account.balance,
        reverses=reverses,
        memo=chinese[:MAX_MEMO],
        memo_en=english[:MAX_MEMO],
        at=at,
        actor_id=actor.pk if actor else None,
    )
    PointsRef.objects.create(ref=ref, entry_id=entry.pk, account=account)
    return entry


def _add_lot(entry: PointsEntry, amount: int, ends: datetime) -> None:
    PointsLot.objects.create(
        account_id=entry.account_id, entry_id=entry.pk, amount=amount, left=amount, expires_at=ends
    )


def _open_lots(account: PointsAccount) -> Iterable[PointsLot]:
    return account.lots.filter(left__gt=0).order_by("expires_at", "id")


def _draw(entry: PointsEntry, amount: int, lots: Iterable[PointsLot]) -> None:
    """Take `amount` from the lots in their order; they hold enough."""
    draws = []
    for lot in lots:
        if not amount:
            break
        taken = min(lot.left, amount)
        PointsLot.objects.filter(pk=lot.pk).update(left=F("left") - taken)
        draws.append(PointsDraw(entry_id=entry.pk, lot=lot, amount=taken))
        amount -= taken
    PointsDraw.objects.bulk_create(draws)


def _expire(account: PointsAccount, at: datetime) -> int:
    """One entry for all that ended at one moment."""
    gone: dict[datetime, list[PointsLot]] = {}
    for lot in _open_lots(account).filter(expires_at__lte=at):
        gone.setdefault(lot.expires_at, []).append(lot)
    total = 0
    for ended, lots in gone.items():
        amount = sum(lot.left for lot in lots)
        ref = f"expire:{account.pk}:{lots[0].pk}"
        _draw(_write(account, ref, Kind.EXPIRE, Cause.EXPIRY, -amount, at=ended), amount, lots)
        total += amount
    return total


def _left_to_reverse(account: PointsAccount, of: PointsEntry) -> int:
    return abs(of.amount) - _undone(account, of) - _ended(account, of)


def _ended(account: PointsAccount, of: PointsEntry) -> int:
    """What the entry had brought and ended unspent: nobody has that any more."""
    expiries = account.entries.filter(kind=Kind.EXPIRE).values("id")
    drawn = PointsDraw.objects.filter(lot__entry_id=of.pk, entry_id__in=expiries)
    return drawn.aggregate(sum=Sum("amount"))["sum"] or 0


def _undone(account: PointsAccount, of: PointsEntry) -> int:
    sums = account.entries.filter(kind=Kind.REVERSAL, reverses=of.ref).aggregate(moved=Sum("amount"), owed=Sum("short"))
    return abs(sums["moved"] or 0) + (sums["owed"] or 0)


def _give_back(account: PointsAccount, of: PointsEntry, amount: int, *, ref: str, at: datetime, **extra) -> PointsEntry:
    """Spent points return, those that end last first, in lots that can still be used for a while."""
    # What earlier returns of the same spend gave back already.
    skip = _undone(account, of)
    entry = _write(account, ref, Kind.REVERSAL, Cause.RETURNED, amount, at=at, reverses=of.ref, **extra)
    drawn_lots = PointsDraw.objects.filter(entry_id=of.pk).order_by("-lot__expires_at", "-id")
    for drawn, ends in drawn_lots.values_list("amount", "lot__expires_at"):
        back = min(max(drawn - skip, 0), amount)
        skip = max(skip - drawn, 0)
        if back:
            _add_lot(entry, back, max(ends, at + RETURNED_FOR))
            amount -= back
    _pay_owed(account, entry, at)
    return entry


def _take_back(account: PointsAccount, of: PointsEntry, amount: int, *, ref: str, at: datetime, **extra) -> PointsEntry:
    """Earned points go: from their own lot first, then from the others; what is missing is owed."""
    taken = min(amount, account.balance)
    short = amount - taken
    entry = _write(account, ref, Kind.REVERSAL, Cause.TAKEN_BACK, -taken, at=at, reverses=of.ref, short=short, **extra)
    _draw(entry, taken, sorted(_open_lots(account), key=lambda lot: lot.entry_id != of.pk))
    return entry


def _pay_owed(account: PointsAccount, entry: PointsEntry, at: datetime) -> None:
    """What came in pays what is owed."""
    paid = min(account.owed, account.balance)
    if paid:
        account.owed -= paid
        settled = _write(account, f"owed:{entry.pk}", Kind.SETTLE, Cause.TAKEN_BACK, -paid, at=at)
        _draw(settled, paid, _open_lots(account))
