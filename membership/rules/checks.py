"""What can be said of a rule set before anybody is evaluated by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy as _

from membership.rules.catalogue import Window
from membership.rules.ceilings import lowered, most
from membership.rules.evaluate import holds
from membership.rules.logic import implies, satisfiable
from membership.rules.nodes import Condition, Group, RuleSet, Scale, Tier


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
        for finding in (*_keep(rules, tier, index), *_reachable(rules, tier, index), *_order(rules, tier, index))
    )
    return [*_counts(rules), *of_tiers, *_jumps(rules)]


def _counts(rules: RuleSet) -> Iterator[Finding]:
    if rules.counts == "settled":
        message = _("结算后计入只影响生效之后付款的订单：已计入的消费不变，推演里也看不出差别")
        yield Finding(Level.WARNING, "counts", message)


class _Newcomer:
    """The figures of a member who has done nothing yet."""

    def value(self, metric: str, window: Window, weights: str | None) -> None:
        return None


def _possible(rules: RuleSet, *conditions: Condition) -> bool:
    """Whether a member can meet all of it, after what caps and weights leave and lower thresholds allow."""
    return satisfiable([lowered(rules, one) for one in conditions], partial(most, rules))


def _entry(enter: Condition, tier: Tier) -> Condition:
    """All that a member has to meet to enter: the gates too."""
    return Group("all", (enter, *tier.gates))


def _keep(rules: RuleSet, tier: Tier, index: int) -> Iterator[Finding]:
    """Offers are left out: who entered by a lowered threshold keeps by it too."""
    if tier.keep is None or isinstance(tier.keep, Scale) or tier.enter is None:
        return
    follows = implies(_entry(tier.enter, tier), tier.keep)
    path = f"tiers[{index}].keep"
    if follows is False or not _possible(rules, tier.keep, *tier.gates):
        message = _("“%(tier)s”的保级条件比升级条件更难：刚升级的会员可能马上不满足保级") % {"tier": tier.name}
        yield Finding(Level.ERROR, path, message)
    elif follows is None:
        message = _("无法判断达到“%(tier)s”升级条件的会员是否也满足它的保级条件，请核对") % {"tier": tier.name}
        yield Finding(Level.WARNING, path, message)


def _reachable(rules: RuleSet, tier: Tier, index: int) -> Iterator[Finding]:
    if tier.enter is None:
        message = _("“%(tier)s”没有升级条件，只能由人工授予") % {"tier": tier.name}
        yield Finding(Level.WARNING, f"tiers[{index}]", message)
    elif not _possible(rules, tier.enter, *tier.gates):
        message = _("“%(tier)s”的条件互相矛盾或超过上限，没有人能达到") % {"tier": tier.name}
        yield Finding(Level.ERROR, f"tiers[{index}]", message)
    elif holds(_entry(tier.enter, tier), _Newcomer()):
        message = _("什么都没做的新会员也满足“%(tier)s”：所有人都会马上达到") % {"tier": tier.name}
        yield Finding(Level.ERROR, f"tiers[{index}].enter", message)


def _order(rules: RuleSet, tier: Tier, index: int) -> Iterator[Finding]:
    if tier.enter is None:
        return
    higher, path = _entry(tier.enter, tier), f"tiers[{index}].enter"
    for below in rules.tiers[1:index]:
        if below.enter is None:
            continue
        lower, names = _entry(below.enter, below), {"tier": tier.name, "lower": below.name}
        # Both as low as offers make them: of two tiers with such thresholds, the nearer one is offered first.
        needs_lower = implies(_entry(lowered(rules, tier.enter), tier), _entry(lowered(rules, below.enter), below))
        if implies(lower, higher):
            message = _("满足“%(lower)s”的会员都满足更高的“%(tier)s”：没有人会停留在“%(lower)s”") % names
            yield Finding(Level.ERROR, path, message)
        elif needs_lower is False:
            message = _("不满足“%(lower)s”也可能直接达到更高的“%(tier)s”") % names
            yield Finding(Level.WARNING, path, message)
        elif needs_lower is None and implies(lower, higher, doubtful=True):
            message = _("无法判断更高的“%(tier)s”是否比“%(lower)s”更容易，请核对") % names
            yield Finding(Level.WARNING, path, message)


def _jumps(rules: RuleSet) -> Iterator[Finding]:
    for index, jump in enumerate(rules.jumps):
        path, names = f"jumps[{index}].when", {"jump": jump.id}
        if not _possible(rules, jump.when):
            message = _("跳级“%(jump)s”的条件互相矛盾或超过上限，没有人能达到") % names
            yield Finding(Level.ERROR, path, message)
        elif holds(jump.when, _Newcomer()):
            message = _("什么都没做的新会员也满足跳级“%(jump)s”的条件") % names
            yield Finding(Level.WARNING, path, message)
