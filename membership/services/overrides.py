"""Ranks set beside the rules: proposed by one person, approved by another; a coupon's floor without persons.

Every function that changes where a member stands locks the MemberTier first, then the Override.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import User
from audit.services import record
from audit.services.persons import check_two_persons
from common.locks import lock_one
from membership.exceptions import OverrideRefused, OverrideTooLong
from membership.models import MemberTier, Override, TierDecision
from membership.selectors.rules import published_versions, version_at
from membership.services.evaluation import evaluate_member, show_locked

logger = logging.getLogger(__name__)
Status = Override.Status
# A later end is a slip of the pen.
LASTS_WITHIN = timedelta(days=3653)
SEEN_BY_THE_NIGHT = timedelta(days=2)


def propose_override(
    *, member_id: int, kind: str, rank: int, expires_at: datetime, reason: str, proposer: User, at: datetime
) -> Override:
    """Ask for a pin, floor or ceiling; it takes effect when somebody else approves it. Audited.

    Raises OverrideRefused for a rank that the rules do not have, an end in the past or no reason, OverrideTooLong for an end
    more than ten years away.
    """
    with transaction.atomic():
        member = MemberTier.objects.get(pk=member_id)
        _check(member, kind, rank, expires_at, reason, at, until=expires_at)
        override = Override.objects.create(
            member=member,
            kind=kind,
            rank=rank,
            reason=reason.strip(),
            proposer=proposer,
            proposed_at=at,
            expires_at=expires_at,
        )
        detail = {"kind": kind, "rank": rank, "expires_at": expires_at.isoformat(), "reason": override.reason}
        record(action="membership.override.propose", at=at, actor=proposer, target=override, detail=detail)
    return override


def approve_override(*, override_id: int, approver: User, at: datetime) -> TierDecision | None:
    """Put an override in force, from now on; returns the decision, if the member now stands elsewhere. Audited.

    Raises SamePerson for who proposed it, OverrideRefused for one that was decided, has ended, or names a rank that the
    rules no longer have. Locks the MemberTier and the Override.
    """
    with transaction.atomic():
        member, override = _locked(override_id)
        _decidable(override)
        check_two_persons(override.proposer_id, approver, at=at)
        until = override.expires_at
        _check(member, override.kind, override.rank, until, override.reason, at, until=until)
        override.status, override.decider = Status.APPROVED, approver
        override.decided_at = override.starts_at = at
        override.save(update_fields=["status", "decider", "decided_at", "starts_at"])
        record(action="membership.override.approve", at=at, actor=approver, target=override)
        return show_locked(member, published_versions(member.program_id), at=at)


def refuse_override(*, override_id: int, decider: User, at: datetime) -> None:
    """Turn a proposal down; the proposer may do so too, which withdraws it. Audited. Locks MemberTier and Override."""
    with transaction.atomic():
        _, override = _locked(override_id)
        if override.status != Status.PROPOSED:
            raise OverrideRefused
        override.status, override.decided_at = Status.REFUSED, at
        override.decider = decider if decider.pk != override.proposer_id else None
        override.save(update_fields=["status", "decider", "decided_at"])
        record(action="membership.override.refuse", at=at, actor=decider, target=override)


def end_override(*, override_id: int, actor: User, reason: str, at: datetime) -> TierDecision | None:
    """End an override before its time; it counts until now. Audited. Locks the MemberTier and the Override.

    Raises OverrideRefused for one that is not in force, or without a reason.
    """
    with transaction.atomic():
        member, override = _locked(override_id)
        over = override.ended_at is not None or override.expires_at <= at
        if override.status != Status.APPROVED or over or not reason.strip():
            raise OverrideRefused
        override.ended_at = at
        override.save(update_fields=["ended_at"])
        record(action="membership.override.end", at=at, actor=actor, target=override, detail={"reason": reason.strip()})
        return show_locked(member, published_versions(member.program_id), at=at)


def let_overrides_end(*, at: datetime, limit: int = 500) -> int:
    """Evaluate members whose pin, floor or ceiling has run out, each in a transaction of their own; returns how many.
    One that fails stops no other.

    Of the last two days only: what is older the nightly pass has seen. Locks each MemberTier.
    """
    ended = Override.objects.filter(
        status=Status.APPROVED,
        expires_at__lte=at,
        expires_at__gt=at - SEEN_BY_THE_NIGHT,
        member__folded_to__lt=F("expires_at"),
    )
    members = list(ended.order_by("member").values_list("member", flat=True).distinct()[:limit])
    return sum(_ended(member_id, at) for member_id in members)


def _ended(member_id: int, at: datetime) -> bool:
    try:
        evaluate_member(member_id=member_id, at=at)
    except Exception:
        # One who cannot be evaluated holds up nobody; staff reads the log.
        logger.exception("cannot evaluate member %s, whose override has run out", member_id)
        return False
    return True


def grant_floor(
    *, member_id: int, rank: int, expires_at: datetime, ref: str, reason: str, at: datetime
) -> TierDecision | None:
    """A floor that an upgrade coupon or an acceleration pack gives, in force at once; a reference gives one floor.

    A floor whose reference begins with Override.COUPON leads no higher than gates allow, at any time.

    Raises OverrideRefused for a rank that the rules do not have or an end in the past, OverrideTooLong for one more than ten
    years away. Locks the MemberTier.
    """
    with transaction.atomic():
        member = lock_one(MemberTier.objects.filter(pk=member_id))
        if Override.objects.filter(ref=ref).exists():
            return None
        # Gates bring it down to a tier that there is, should coming rules not know this one.
        _check(member, Override.Kind.FLOOR, rank, expires_at, reason, at, until=at)
        Override.objects.create(
            member=member,
            ref=ref,
            kind=Override.Kind.FLOOR,
            rank=rank,
            reason=reason,
            status=Status.APPROVED,
            proposed_at=at,
            decided_at=at,
            starts_at=at,
            expires_at=expires_at,
        )
        return show_locked(member, published_versions(member.program_id), at=at)


def _check(
    member: MemberTier, kind: str, rank: int, expires_at: datetime, reason: str, at: datetime, *, until: datetime
) -> None:
    """`until` is up to when rules that are published already have to know the rank."""
    if expires_at > at + LASTS_WITHIN:
        raise OverrideTooLong
    versions = published_versions(member.program_id)
    in_force = [version_at(versions, at), *(one for one in versions if at < one.effective_from < until)]
    known = all(rank in {tier.rank for tier in version.rules.tiers} for version in in_force)
    if not known or kind not in Override.Kind.values or expires_at <= at or not reason.strip():
        raise OverrideRefused


def _locked(override_id: int) -> tuple[MemberTier, Override]:
    member_id = Override.objects.values_list("member_id", flat=True).get(pk=override_id)
    member = lock_one(MemberTier.objects.filter(pk=member_id))
    return member, lock_one(Override.objects.filter(pk=override_id))


def _decidable(override: Override) -> None:
    if override.status != Status.PROPOSED:
        raise OverrideRefused
