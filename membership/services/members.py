"""People entering a program."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from membership.engine.fold import Fold
from membership.engine.step import World
from membership.engine.versions import Timeline
from membership.models import MemberTier
from membership.selectors.books import StoredStays
from membership.selectors.rules import program_for, published_versions
from membership.services.evaluation import columns_of, keep_decisions


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
        timeline = Timeline(published_versions(program.pk))
        fold = Fold.fresh(World(timeline, StoredStays(program.pk)))
        fold.begin(joined)
        fold.advance(at)
        columns = columns_of(fold, at=at)
        member, created = MemberTier.objects.get_or_create(user_id=user_id, program=program, defaults=columns)
        if created:
            keep_decisions(member, fold.decisions, timeline)
    return member
