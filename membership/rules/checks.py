"""What can be said of a rule set before anybody is evaluated by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from membership.rules.logic import implies, satisfiable
from membership.rules.nodes import RuleSet, Scale, Tier


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    path: str
    message: Any


def check(rules: RuleSet) -> list[Finding]:
    """Everything that is wrong or odd, by tier. A rule set with an error must not be published."""
    of_tiers = (
        finding
        for index, tier in enumerate(rules.tiers[1:], 1)
        for finding in (*_keep(tier, index), *_reachable(tier, index), *_order(rules, tier, index))
    )
    return [*_counts(rules), *of_tiers]


def _counts(rules: RuleSet) -> Iterator[Finding]:
    if rules.counts == "settled":
        message = _("结算后计入只影响生效之后付款的订单：已计入的消费不变，推演里也看不出差别")
        yield Finding(Level.WARNING, "counts", message)


def _keep(tier: Tier, index: int) -> Iterator[Finding]:
    if tier.keep is None or isinstance(tier.keep, Scale) or tier.enter is None:
        return
    if implies(tier.enter, tier.keep) is False:
        message = _("“%(tier)s”的保级条件比升级条件更难：刚升级的会员可能马上不满足保级") % {"tier": tier.name}
        yield Finding(Level.ERROR, f"tiers[{index}].keep", message)


def _reachable(tier: Tier, index: int) -> Iterator[Finding]:
    if tier.enter is None:
        message = _("“%(tier)s”没有升级条件，只能由人工授予") % {"tier": tier.name}
        yield Finding(Level.WARNING, f"tiers[{index}]", message)
    elif not satisfiable((tier.enter, *tier.gates)):
        message = _("“%(tier)s”的条件互相矛盾，没有人能达到") % {"tier": tier.name}
        yield Finding(Level.ERROR, f"tiers[{index}]", message)


def _order(rules: RuleSet, tier: Tier, index: int) -> Iterator[Finding]:
    if tier.enter is None:
        return
    for lower in rules.tiers[1:index]:
        if lower.enter is None:
            continue
        names = {"tier": tier.name, "lower": lower.name}
        if not tier.gates and implies(lower.enter, tier.enter):
            message = _("满足“%(lower)s”的会员都满足更高的“%(tier)s”：没有人会停留在“%(lower)s”") % names
            yield Finding(Level.ERROR, f"tiers[{index}].enter", message)
        elif implies(tier.enter, lower.enter) is False:
            message = _("不满足“%(lower)s”也可能直接达到更高的“%(tier)s”") % names
            yield Finding(Level.WARNING, f"tiers[{index}].enter", message)
