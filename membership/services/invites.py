"""Invite links, who came by them, and what both sides get once the friend has stayed."""

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from accounts.models import User
from audit.services import Limit, take
from common import clock
from common.clock import day_of, start_of_day
from common.crypto import fingerprint
from common.exceptions import Conflict, TooManyRequests
from common.locks import lock_one
from events.contracts import InviteeSpent, RewardGranted
from events.services import emit
from membership.engine.facts import UNSETTLED
from membership.models import Activity, EarningRules, InviteCode, MemberTier, PointsEntry, Referral, Task
from membership.selectors.invites import inviter_of_code, masked
from membership.selectors.rules import program_for
from membership.services.acting import append_facts, locked_member
from membership.services.facts import record_activity
from membership.services.points import grant_points
from membership.services.tasks import count_step

CODE_LENGTH = 8
# No 0/O, 1/I/L: a code is read aloud and typed by people.
LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
TRIES = 5
# Visits to one member's link that are looked at; more are programs.
OPENINGS = Limit("invite-link", burst=20, every=timedelta(minutes=30))


def invite_code_for(*, user: User) -> str:
    """The person's code, made on first use."""
    known = InviteCode.objects.filter(user=user).values_list("code", flat=True).first()
    if known is not None:
        return known
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                row, _made = InviteCode.objects.get_or_create(
                    user=user, defaults={"code": _new_code(), "made_at": clock.now()}
                )
                return row.code
        except IntegrityError:
            # Somebody has this code: one chance in 850 thousand millions.
            continue
    raise Conflict


def open_invite(*, code: str, visitor: str, user_id: int | None, storefront_id: int) -> User | None:
    """Somebody opened an invite link: whose it is, None for nobody's.

    Another's visit counts toward the owner's sharing tasks, one visitor once, and only so many a day.
    """
    owner = inviter_of_code(code)
    if owner is None or owner.pk == user_id:
        return owner
    at = clock.now()
    try:
        take(OPENINGS, subject=f"user:{owner.pk}", at=at)
    except TooManyRequests:
        return owner
    seen = fingerprint(visitor, "invite-visitor").hex()[:32]
    count_step(
        user_id=owner.pk,
        storefront_id=storefront_id,
        kind=Task.Kind.SHARE,
        subject=f"visitor:{seen}",
        at=at,
        told_at=at,
    )
    return owner


def _new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))


def note_inviter(*, user_id: int, code: str, storefront_id: int, at: datetime) -> Referral | None:
    """Write down who brought a person, once; None where the code leads to nobody who can have.

    The inviter must have been here before: so nobody invites themselves, and no ring closes.
    """
    owner = InviteCode.objects.filter(code=code.strip().upper()).select_related("user").first() if code else None
    if owner is None or not owner.user.is_active:
        return None
    invitee = User.objects.get(pk=user_id)
    if owner.user_id == user_id or owner.user.date_joined >= invitee.date_joined:
        return None
    with transaction.atomic():
        referral, is_new = Referral.objects.get_or_create(
            invitee=invitee,
            defaults={
                "inviter": owner.user,
                "storefront_id": storefront_id,
                "inviter_joined_at": owner.user.date_joined,
                "joined_at": invitee.date_joined,
            },
        )
        if is_new:
            count_step(
                user_id=owner.user_id,
                storefront_id=storefront_id,
                kind=Task.Kind.INVITE,
                subject=f"invitee:{user_id}",
                at=invitee.date_joined,
                told_at=at,
            )
    return referral if referral.inviter_id == owner.user_id else None


def reward_referral(*, referral_id: int, at: datetime) -> Referral:
    """Reward both sides, once, for a friend who has been active on enough days; what is over the month's number counts
    without points. Locks the referral, the inviter's MemberTier and points, then the friend's points."""
    with transaction.atomic():
        referral = lock_one(Referral.objects.filter(pk=referral_id).select_related("inviter", "invitee"))
        if referral.active_at is not None:
            return referral
        rules = EarningRules.objects.get()
        referral.active_at = at
        member = locked_member(user_id=referral.inviter_id, storefront_id=referral.storefront_id, at=at)
        # Counted under the inviter's lock: two friends may get there at once.
        month = start_of_day(day_of(at).replace(day=1))
        rewarded = Referral.objects.filter(inviter=referral.inviter_id, active_at__gte=month, inviter_points__gt=0)
        _count_friend(member, referral, rules if rewarded.count() < rules.invites_a_month else None, at)
        referral.invitee_points = _give(referral, referral.invitee_id, rules.invitee_points, "invited", at)
        referral.save(update_fields=["active_at", "inviter_points", "invitee_points"])
        mirror_spend(referral=referral, at=at)
    return referral


def _count_friend(member: MemberTier, referral: Referral, rules: EarningRules | None, at: datetime) -> None:
    ref = f"referral:{referral.pk}"
    record_activity(
        member_id=member.pk, metric="invitee_active", quantity=1, occurred_at=at, at=at, ref=f"{ref}:active"
    )
    if rules is None:
        return
    points = rules.inviter_points
    record_activity(member_id=member.pk, metric="contrib", quantity=points, occurred_at=at, at=at, ref=f"{ref}:contrib")
    referral.inviter_points = _give(referral, referral.inviter_id, points, "invite", at)


def _give(referral: Referral, user_id: int, points: int, what: str, at: datetime) -> int:
    if not points:
        return 0
    other = referral.invitee if what == "invite" else referral.inviter
    ref = f"referral:{referral.pk}:{what}"
    name = masked(other)
    given = grant_points(user_id=user_id, amount=points, cause=PointsEntry.Cause(what), ref=ref, at=at, memo=name)
    emit(
        RewardGranted(ref=ref, user_id=user_id, what=what, name=name, points=given.amount, granted_at=at),
        at=at,
    )
    return given.amount


def tell_inviter(*, user_id: int | None, storefront_id: int, order_id: int, at: datetime) -> None:
    """Called in the transaction that counted an order of somebody: if they were invited, the inviter's turn comes next.

    In a transaction of its own, because two MemberTiers are never locked in one.
    """
    if user_id is not None and Referral.objects.filter(invitee=user_id, active_at__isnull=False).exists():
        emit(
            InviteeSpent(invitee_id=user_id, storefront_id=storefront_id, order_id=order_id, heard_at=at),
            at=at,
        )


def mirror_order(*, invitee_id: int, order_id: int, at: datetime) -> None:
    """Bring the inviter's figures into line with what an order of the friend counts for. Locks the inviter's MemberTier."""
    referral = Referral.objects.filter(invitee=invitee_id, active_at__isnull=False).first()
    if referral is not None:
        mirror_spend(referral=referral, at=at, subject=f"order:{order_id}")


def mirror_spend(*, referral: Referral, at: datetime, subject: str = "") -> None:
    """Repeat what an active friend's ledger says of their spend (all of it, or of one order) in the inviter's, row by row.

    The same dates, so that a refund lowers the inviter's figures on the day that it had raised; each row once.
    """
    program = program_for(referral.storefront_id)
    rows = Activity.objects.filter(member__user=referral.invitee_id, member__program=program, metric="spend")
    rows = rows.exclude(invalid_reason=UNSETTLED)
    if subject:
        rows = rows.filter(subject=subject)
    with transaction.atomic():
        member = locked_member(user_id=referral.inviter_id, storefront_id=referral.storefront_id, at=at)
        mirrored = [
            Activity(
                source_ref=_mirrored(row.source_ref),
                member=member,
                metric="invitee_spend",
                subject=_mirrored(row.subject),
                occurred_at=row.occurred_at,
                recorded_at=at,
                amount=row.amount,
                category=row.category,
                reverses=_mirrored(row.reverses),
                valid=row.valid,
                invalid_reason=row.invalid_reason,
            )
            for row in rows.order_by("id")
        ]
        append_facts(member=member, rows=mirrored, at=at)


def _mirrored(ref: str) -> str:
    return f"invitee:{ref}" if ref else ""
