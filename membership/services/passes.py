"""Getting and using upgrade coupons and acceleration packs."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from common import clock
from common.locks import lock_one
from membership.exceptions import PassBlocked, PassInForce, PassLimit, PassNotFound, PassOver, PassUseless
from membership.models import MemberTier, Override, Pass, PassOffer, PointsEntry
from membership.selectors.evaluations import evaluated_tiers
from membership.selectors.rules import published_versions, version_in_force
from membership.services.acting import locked_member
from membership.services.evaluation import evaluate_locked
from membership.services.overrides import grant_floor
from membership.services.points import spend_points

LIMIT_OVER = timedelta(days=30)


def give_pass(*, user_id: int, offer: PassOffer, ref: str, at: datetime, price: int = 0) -> Pass:
    """Put a pass into a person's hand, once per reference, on the terms that the offer has now."""
    with transaction.atomic():
        given, _ = Pass.objects.get_or_create(
            ref=ref,
            defaults={
                "user_id": user_id,
                "offer": offer,
                "price": price,
                "up": offer.up,
                "most": offer.most,
                "days": offer.days,
                "got_at": at,
                "use_by": at + timedelta(days=offer.use_within),
            },
        )
    return given


def buy_pass(*, user: User, offer_id: int, key: str) -> Pass:
    """Buy one with points; the same `key` buys once. Locks the person's points.

    Raises PassNotFound, PassLimit, InsufficientPoints, PointsRefReused.
    """
    with transaction.atomic():
        at = clock.now()
        offer = PassOffer.objects.filter(pk=offer_id, is_active=True, price__isnull=False).first()
        if offer is None or offer.price is None:
            raise PassNotFound
        ref = f"pass:{user.pk}:{key}"[:80]
        # The lock on the points keeps twins apart while the limit is counted.
        paid = spend_points(
            user_id=user.pk, amount=offer.price, cause=PointsEntry.Cause.PASS, ref=ref, at=at, memo=offer
        )
        if paid.is_new:
            bought = Pass.objects.filter(user=user, offer=offer, price__gt=0, got_at__gt=at - LIMIT_OVER)
            if bought.count() >= offer.limit:
                raise PassLimit(limit=offer.limit)
        return give_pass(user_id=user.pk, offer=offer, ref=ref, at=at, price=offer.price)


def redeem_pass(*, user: User, public_id: str, storefront_id: int) -> Pass:
    """Use a pass: one floor for the member that ends by itself; using it again changes nothing.

    Locks the MemberTier, then the pass. Raises PassNotFound, PassOver, PassInForce, PassUseless,
    PassBlocked.
    """
    with transaction.atomic():
        at = clock.now()
        member = locked_member(user_id=user.pk, storefront_id=storefront_id, at=at)
        try:
            mine = lock_one(Pass.objects.filter(user=user, public_id=public_id).select_related("offer"))
        except Pass.DoesNotExist as error:
            raise PassNotFound from error
        if mine.redeemed_at is not None:
            return mine
        if mine.use_by <= at:
            raise PassOver
        if Pass.objects.filter(user=user, until__gt=at).exists():
            raise PassInForce
        # Another floor may have ended since anybody looked: the way up begins where the member stands now.
        evaluate_locked([member], published_versions(member.program_id), at=at)
        mine.rank = rank_of_pass(member, up=mine.up, most=mine.most, at=at)
        mine.redeemed_at, mine.until = at, at + timedelta(days=mine.days)
        mine.save(update_fields=["rank", "redeemed_at", "until"])
        grant_floor(
            member_id=member.pk,
            rank=mine.rank,
            expires_at=mine.until,
            ref=f"{Override.COUPON}{mine.pk}",
            reason=mine.offer.name,
            at=at,
        )
    return mine


def rank_of_pass(member: MemberTier, *, up: int, most: int | None, at: datetime) -> int:
    """Where a pass leads from where the member, just evaluated, stands. Raises PassUseless where that is no higher.

    Without a limit of its own a pass does not open the highest tier. Nor does it open a tier whose gates do not hold;
    raises PassBlocked where they are in the way of all.
    """
    ranks = sorted(version_in_force(member.program_id, at).tiers)
    above = [rank for rank in ranks if rank > member.rank]
    highest = most if most is not None else ranks[-2] if len(ranks) > 2 else ranks[-1]
    within = [rank for rank in above[:up] if rank <= highest]
    if not within:
        raise PassUseless
    closed = {trace.rank for trace in evaluated_tiers(member) if not all(gate.passed for gate in trace.gates)}
    open_ranks = [rank for rank in within if rank not in closed]
    if not open_ranks:
        raise PassBlocked
    return open_ranks[-1]
