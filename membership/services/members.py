"""People entering a program."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from common.clock import day_of
from membership.metrics import Book
from membership.models import MemberTier, TierDecision
from membership.selectors.rules import program_for, version_in_force
from membership.services.evaluation import stand, tell


def ensure_member(*, user_id: int, storefront_id: int, at: datetime) -> MemberTier:
    """The person's place in the storefront's program. The first time: the default tier, by a decision of its own.

    Safe to call at any time and from several processes; the second waits for the first.
    """
    program = program_for(storefront_id)
    known = MemberTier.objects.filter(user=user_id, program=program).first()
    if known is not None:
        return known
    with transaction.atomic():
        joined = User.objects.values_list("date_joined", flat=True).get(pk=user_id)
        version = version_in_force(program.pk, at)
        standing = stand(version, Book(totals={}), day_of(at))
        rank = version.rules.default_tier.rank
        member, created = MemberTier.objects.get_or_create(
            user_id=user_id,
            program=program,
            defaults={
                "rank": rank,
                "since": joined,
                "version_id": version.pk,
                "evaluated_at": at,
                "evaluation": {"day": standing.day.isoformat(), "tiers": standing.trace_document()},
            },
        )
        if created:
            decision = TierDecision.objects.create(
                member=member,
                from_rank=None,
                to_rank=rank,
                cause=TierDecision.Cause.DEFAULT,
                version_id=version.pk,
                trace=standing.trace_document(),
                gap=standing.gap_after(rank),
                day=day_of(joined),
                at=joined,
            )
            tell(decision, version.rules)
    return member
