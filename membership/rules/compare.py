"""What one rule set says otherwise than another, in the sentences that people read."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from membership.rules.describe import TierText, describe_program, describe_tiers
from membership.rules.nodes import RuleSet


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` are sentences; empty where there was, or is, nothing."""

    where: str
    before: str
    after: str


def rule_changes(before: RuleSet, after: RuleSet, categories: Mapping[str, str] | None = None) -> list[Change]:
    """Tier by tier, then what holds for all of them."""
    old = {tier.rank: tier for tier in describe_tiers(before)}
    new = {tier.rank: tier for tier in describe_tiers(after)}
    found = []
    for rank in sorted({*old, *new}):
        found += _tier_changes(old.get(rank), new.get(rank))
    return found + _line_changes(describe_program(before, categories), describe_program(after, categories))


def counts_days_otherwise(before: RuleSet, after: RuleSet) -> bool:
    """Whether multipliers, caps or bundles differ: those hold for whole days (membership.engine.versions.Timeline)."""
    return (before.multipliers, before.caps, before.bundles) != (after.multipliers, after.caps, after.bundles)


def _tier_changes(old: TierText | None, new: TierText | None) -> list[Change]:
    if old is None or new is None:
        gone, come = (old.name if old else ""), (new.name if new else "")
        return [Change(_("新增等级") if old is None else _("取消等级"), gone, come)]
    parts = [
        (_("名称"), old.name, new.name),
        (_("升级条件"), old.enter, new.enter),
        (_("门槛"), "；".join(old.gates), "；".join(new.gates)),
        (_("保级"), old.keep, new.keep),
        (_("降级"), old.down, new.down),
    ]
    return [Change(f"{new.name} · {part}", was, now) for part, was, now in parts if was != now]


def _line_changes(old: list[str], new: list[str]) -> list[Change]:
    gone = [Change(_("取消"), line, "") for line in old if line not in new]
    return gone + [Change(_("新增"), "", line) for line in new if line not in old]
