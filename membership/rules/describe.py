"""A whole rule set in sentences: what the public rules page and the operator read is made from what the engine runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from common.texts import in_language, listed
from membership.rules.catalogue import METRICS, Span
from membership.rules.nodes import (
    DEFAULT_KEEP,
    Bundle,
    Cap,
    Dynamic,
    Exclusion,
    Jump,
    Multiplier,
    RuleSet,
    Scale,
    Tier,
    leaves,
    scaled,
)
from membership.rules.render import multiple_text, sentence, value_text

PERIODS = {"day": gettext_lazy("每天"), "week": gettext_lazy("每周"), "month": gettext_lazy("每月")}
EXCLUSIONS = {
    "points_paid": gettext_lazy("用积分支付的部分"),
    "gift_cards": gettext_lazy("礼品卡"),
    "not_counted": gettext_lazy("对应的消费未计入"),
}


@dataclass(frozen=True, slots=True)
class TierText:
    rank: int
    name: str
    enter: str  # empty for the default tier
    gates: tuple[str, ...]
    keep: str


def tier_name(tier: Tier) -> str:
    """The tier's name in the active language; the Chinese one where there is no other."""
    return in_language(tier.name, tier.name_en)


def describe_tiers(rules: RuleSet) -> list[TierText]:
    return [
        TierText(
            rank=tier.rank,
            name=tier_name(tier),
            enter=sentence(tier.enter) if tier.enter is not None else "",
            gates=tuple(sentence(gate) for gate in tier.gates),
            keep=keep_text(tier),
        )
        for tier in rules.tiers
    ]


def describe_program(rules: RuleSet, categories: Mapping[str, str] | None = None) -> list[str]:
    """Everything that holds for all tiers, one sentence each. `categories` gives names for category codes."""
    names = categories or {}
    return [
        _counts(rules),
        *(weights_text(name, table, names) for name, table in rules.weights.items()),
        *(exclusion_rule_text(rule, names) for rule in rules.exclude),
        *(bundle_text(bundle) for bundle in rules.bundles),
        *(cap_text(cap) for cap in rules.caps),
        *(multiplier_text(item) for item in rules.multipliers),
        *(dynamic_text(formula) for formula in rules.dynamic.values()),
        *(jump_text(jump) for jump in rules.jumps),
    ]


def exclusion_text(reason: str) -> str:
    """Why something does not count, in words; the reason's own name where nobody wrote words for it."""
    return str(EXCLUSIONS.get(reason, reason))


def _counts(rules: RuleSet) -> str:
    if rules.counts == "settled":
        return _("消费在结算后计入，日期以付款时间为准；退款会从付款当日扣回")
    return _("消费在发货后计入，日期以付款时间为准；退款会从付款当日扣回")


def weights_text(name: str, table: Mapping, names: Mapping[str, str]) -> str:
    others = _("其他品类")
    parts = [
        f"{others if category == 'default' else names.get(category, category)} {multiple_text(factor)}"
        for category, factor in sorted(table.items(), key=lambda item: item[0] == "default")
    ]
    return _("权重 %(name)s：%(parts)s") % {"name": name, "parts": listed(parts)}


def exclusion_rule_text(rule: Exclusion, names: Mapping[str, str]) -> str:
    what = _("用积分支付的部分") if rule.part else names.get(rule.category or "", rule.category or "")
    return _("不计入有效消费：%(what)s") % {"what": what}


def bundle_text(bundle: Bundle) -> str:
    needs = [f"{METRICS[name].label} {value_text(count, METRICS[name])}" for name, count in bundle.needs]
    grants = [f"{METRICS[name].label} {value_text(count, METRICS[name])}" for name, count in bundle.grants]
    return _("%(period)s完成%(needs)s，得%(grants)s") % {
        "period": PERIODS[bundle.window],
        "needs": listed(needs),
        "grants": listed(grants),
    }


def cap_text(cap: Cap) -> str:
    metric = METRICS[cap.m]
    return _("%(period)s%(metric)s最多计 %(limit)s") % {
        "period": PERIODS[cap.per],
        "metric": metric.label,
        "limit": value_text(cap.max, metric),
    }


def multiplier_text(item: Multiplier) -> str:
    return _("%(first)s 至 %(last)s，%(metric)s %(factor)s") % {
        "first": item.first,
        "last": item.last,
        "metric": METRICS[item.m].label,
        "factor": multiple_text(item.factor),
    }


def dynamic_text(formula: Dynamic) -> str:
    return _("动态门槛：停留超过该等级的平均停留时间，且近 %(days)s 天活跃度上升时，门槛 %(factor)s；只降不升") % {
        "days": formula.rising_days,
        "factor": multiple_text(formula.factor),
    }


def jump_text(jump: Jump) -> str:
    levels = ngettext("%(n)s 级", "%(n)s 级", jump.up) % {"n": jump.up}
    return _("跳级：%(when)s，直接上升 %(levels)s") % {"when": sentence(jump.when), "levels": levels}


def keep_text(tier: Tier) -> str:
    """What keeps a member in the tier; empty where nothing can be asked for."""
    if tier.enter is None:
        return ""
    if tier.keep is None and all(leaf.win.span is Span.LIFE and leaf.metric.accumulates for leaf in leaves(tier.enter)):
        return _("达到后保留")
    keep = DEFAULT_KEEP if tier.keep is None else tier.keep
    return sentence(scaled(tier.enter, keep.factor) if isinstance(keep, Scale) else keep)
