"""What every act of a member does beside its own purpose: it makes the day an active one, and facts for the tier of it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from common.clock import day_of
from common.locks import lock_by_statement, lock_one
from common.sql import fetch
from events.contracts import InviteeActive, InviteeSpent
from events.services import emit
from membership.models import ActiveDay, Activity, EarningRules, MemberTier, Referral
from membership.selectors.rules import PROGRAM_OF, published_versions
from membership.services.evaluation import take_locked
from membership.services.members import ensure_member

# Every event begins here.
_LOCK = f"""
SELECT member.* FROM membership_membertier AS member
WHERE member.user_id = %s AND member.program_id = {PROGRAM_OF.format(storefront="%s")}
FOR UPDATE OF member
"""  # noqa: S608 - our own text

_NOTE_DAY = "INSERT INTO membership_activeday (user_id, day) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING day"


def locked_member(*, user_id: int, storefront_id: int, at: datetime) -> MemberTier:
    """The person's place in the storefront's program, locked. Whoever goes on to book points takes this lock first."""
    known = lock_by_statement(MemberTier, _LOCK, [user_id, storefront_id])
    if known:
        return known[0]
    member = ensure_member(user_id=user_id, storefront_id=storefront_id, at=at)
    return lock_one(MemberTier.objects.filter(pk=member.pk))


def note_active_day(*, member: MemberTier, at: datetime, heard_at: datetime) -> bool:
    """Count the day of `at` as active, once; tells when an invited friend has been active on enough days.

    The caller holds the member's lock.
    """
    row = active_day(member, at=at, heard_at=heard_at)
    if row is None:
        return False
    append_facts(member=member, rows=[row], at=heard_at)
    tell_when_active(user_id=member.user_id, at=heard_at)
    return True


def active_day(member: MemberTier, *, at: datetime, heard_at: datetime) -> Activity | None:
    """The fact that a locked member was active on the day of `at`; None where that is known.

    Whoever asks writes it down, alone or with what made the day active, and calls `tell_when_active` then.
    """
    day = day_of(at)
    if not fetch(_NOTE_DAY, [member.user_id, day]):
        return None
    return Activity(
        source_ref=f"online:{member.user_id}:{day}",
        member=member,
        metric="online_days",
        occurred_at=at,
        recorded_at=heard_at,
        quantity=1,
    )


def tell_when_active(*, user_id: int, at: datetime) -> None:
    """Tell, where an invited friend has by now been active on enough days."""
    referral = Referral.objects.filter(invitee=user_id, active_at=None).first()
    if referral is None:
        return
    days = ActiveDay.objects.filter(user=user_id).count()
    if days >= EarningRules.objects.get().invite_days:
        emit(
            InviteeActive(referral_id=referral.pk, invitee_id=user_id, active_days=days, reached_at=at),
            at=at,
        )


def tell_inviter(*, user_id: int | None, order_id: int, at: datetime) -> None:
    """Called in the transaction that changed what an order of somebody counts for: if they were invited, the inviter's
    turn comes next. In a transaction of its own, because two MemberTiers are never locked in one.

    Told of a friend who is not active yet as well: they may be becoming it at this very moment.
    """
    referral = Referral.objects.filter(invitee=user_id).first() if user_id is not None else None
    if referral is not None:
        emit(
            InviteeSpent(invitee_id=user_id, storefront_id=referral.storefront_id, order_id=order_id, heard_at=at),
            at=at,
        )


def take_back_activity(*, member: MemberTier, of_ref: str, ref: str, at: datetime) -> None:
    """Undo a fact in full, at its own date. The caller holds the member's lock; nothing recorded, nothing undone."""
    of = Activity.objects.filter(member=member, source_ref=of_ref).first()
    if of is None:
        return
    row = reversal(member, of_ref, of, ref=ref, at=at, amount=of.amount, quantity=of.quantity)
    append_facts(member=member, rows=[row], at=at)


def reversal(
    member: MemberTier,
    of_ref: str,
    of: Activity | None,
    *,
    ref: str,
    at: datetime,
    amount: Decimal = Decimal(0),
    quantity: int = 0,
) -> Activity:
    """The fact, not yet written, that takes back `amount` or `quantity` of the fact `of_ref`, at its own date.

    Nothing of either takes back the whole. Where the fact is not known yet (`of` is None), the reversal waits for it.
    """
    return Activity(
        source_ref=ref,
        member=member,
        metric=of.metric if of is not None else "",
        subject=of.subject if of is not None else "",
        occurred_at=of.occurred_at if of is not None else at,
        recorded_at=at,
        amount=-amount,
        quantity=-quantity,
        category=of.category if of is not None else "",
        reverses=of_ref,
    )


def append_facts(*, member: MemberTier, rows: Sequence[Activity], at: datetime) -> None:
    """Put rows that take something back, or that are dated long ago, into the ledger of the locked member."""
    take_locked(member, rows, published_versions(member.program_id), at=at)
