"""Giving a member a tier with chosen benefits."""

import itertools

from accounts.models import User
from common import clock
from membership.models import Benefit, MemberTier, Program, RuleSetVersion, TierDecision
from membership.services import draft_rule_set, ensure_member, publish_rule_set
from tenancy.models import MAIN_ID

_layers = itertools.cycle(Benefit.Layer.values)


def publish(*tiers: list[dict]) -> RuleSetVersion:
    """New rules for the platform: a tier per list of benefits, from rank 0 on, each benefit as {"kind": …, "value": …}."""
    names = ["普通会员", "白银会员", "黄金会员", "铂金会员", "钻石会员"]
    document = {"tiers": [{"rank": rank, "name": names[rank]} for rank in range(5)]}
    draft = draft_rule_set(program=Program.objects.get(storefront=None), document=document, author=None)
    for rank, benefits in enumerate(tiers):
        tier = draft.tiers.get(rank=rank)
        for fields in benefits:
            benefit = Benefit(tier=tier, **{"layer": next(_layers), **fields})
            benefit.full_clean()
            benefit.save()
    return publish_rule_set(version_id=draft.pk, approver=None)


def hold(user: User, rank: int) -> User:
    """The member holds this rank from now on."""
    member = ensure_member(user_id=user.pk, storefront_id=MAIN_ID, at=clock.now())
    TierDecision.objects.create(
        member=member,
        from_rank=member.rank,
        to_rank=rank,
        cause=TierDecision.Cause.OVERRIDE,
        version_id=member.version_id,
        trace=[],
        day=clock.day_of(clock.now()),
        at=clock.now(),
    )
    MemberTier.objects.filter(pk=member.pk).update(rank=rank)
    return user
