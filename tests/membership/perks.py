"""Giving a member a tier with chosen benefits."""

import itertools
from datetime import timedelta

from accounts.models import User
from common import clock
from membership.models import Benefit, Program, RuleSetVersion
from membership.services import draft_rule_set, ensure_member, grant_floor, publish_rule_set
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
    """The member holds this rank for years, whatever the rules say."""
    at = clock.now()
    member = ensure_member(user_id=user.pk, storefront_id=MAIN_ID, at=at)
    until = at + timedelta(days=5 * 365)
    grant_floor(member_id=member.pk, rank=rank, expires_at=until, ref=f"test:{user.pk}:{rank}", reason="测试", at=at)
    return user
