"""A whole rule set in sentences: what the public rules page and the operator read is made from what the engine runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from common.texts import in_language, listed
from membership.rules.catalogue import METRICS, Span
from membership.rules.nodes import (
    DEFAULT_KEEP,
    OFFER_DAYS,
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
from membership.rules.render import inside, multiple_text, sentence, value_text

PERIODS = {"day": gettext_lazy("每天"), "week": gettext_lazy("每周"), "month": gettext_lazy("每月")}
EXCLUSIONS = {
    "points_paid": gettext_lazy("用积分支付的部分"),
    "gift_cards": gettext_lazy("礼品卡"),
    "not_counted": gettext_lazy("对应的消费未计入"),
    "unsettled": gettext_lazy("还在质保期内"),
    "wash_trade": gettext_lazy("虚假交易"),
    "refund_cycle": gettext_lazy("反复购买又退款"),
    "closed_loop": gettext_lazy("互相邀请套取奖励"),
    "withdrawn": gettext_lazy("评价已不再公开"),
    "repeated": gettext_lazy("评价已计入过"),
}


@dataclass(frozen=True, slots=True)
class TierText:
    rank: int
    name: str
    enter: str  # empty for the default tier
    gates: tuple[str, ...]
    keep: str
    # How a tier that is no longer kept is lost; empty where nothing that time does takes it.
    down: str = ""


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
            down=_down(tier),
        )
        for tier in rules.tiers
    ]


@dataclass(frozen=True, slots=True)
class Section:
    """Rules of one kind that hold for all tiers, a sentence each."""

    title: str
    lines: tuple[str, ...]


def describe_program(rules: RuleSet, categories: Mapping[str, str] | None = None) -> list[str]:
    """Everything that holds for all tiers, one sentence each. `categories` gives names for category codes."""
    return [line for section in describe_sections(rules, categories) for line in section.lines]


def describe_sections(rules: RuleSet, categories: Mapping[str, str] | None = None) -> list[Section]:
    """The same by what it is about; kinds of which there is nothing to say are left out."""
    names = categories or {}
    spend = [_counts(rules)]
    spend += [weights_text(name, table, names) for name, table in rules.weights.items()]
    spend += [exclusion_rule_text(rule, names) for rule in rules.exclude]
    points = [bundle_text(bundle) for bundle in rules.bundles]
    points += [cap_text(cap) for cap in rules.caps]
    points += [multiplier_text(item) for item in rules.multipliers]
    personal = [dynamic_text(formula) for formula in rules.dynamic.values()]
    personal += _dynamic_terms() if personal else []
    jumps = [jump_text(jump) for jump in rules.jumps]
    keeping = _keeping(rules)
    sections = [
        Section(_("消费怎样计入"), tuple(spend)),
        Section(_("活跃值与奖励"), tuple(points)),
        Section(_("动态门槛"), tuple(personal)),
        Section(_("跳级"), tuple(jumps)),
        Section(_("保级与降级"), tuple(keeping)),
    ]
    return [section for section in sections if section.lines]


def _dynamic_terms() -> list[str]:
    """What else the formula of membership.engine.dynamic says: whoever is measured by it can work it out."""
    return [
        _("平均停留时间按全体会员已结束和仍在继续的停留计算；活跃度上升指每日活跃值的趋势线向上"),
        _("下调后的门槛自给出起固定 %(valid)s 天，每一级只给一次；在此期间升级的，保级也按它计算")
        % {"valid": OFFER_DAYS},
    ]


def _keeping(rules: RuleSet) -> list[str]:
    """How tiers are lost, where any can be."""
    lines = []
    if any(_down(tier) for tier in rules.tiers):
        lines.append(_("未达到保级条件时先预警，次日起进入宽限期；其间补足就恢复，宽限期结束仍未达到才降级"))
        lines.append(_("满足升级条件的会员一定保级；同一次评定不会先降后升"))
    if any(tier.gates for tier in rules.tiers):
        lines.append(_("不再满足门槛时没有宽限期，立即降到门槛仍满足的最高等级；门槛恢复后等级随之恢复"))
    return lines


def exclusion_text(reason: str) -> str:
    """Why something does not count, in words; in general ones where the name of the reason is an operator's own."""
    return str(EXCLUSIONS[reason]) if reason in EXCLUSIONS else _("规则不计入的商品或支付方式")


def exclusion_name(reason: str) -> str:
    """The same for staff, who know the names that operators gave."""
    return str(EXCLUSIONS.get(reason, reason))


def _counts(rules: RuleSet) -> str:
    if rules.counts == "settled":
        return _("消费在结算后计入（质保期满即结算，没有质保的发货即结算），日期以付款时间为准；退款会从付款当日扣回")
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
    needs, grants = (
        [
            # Translators: such as "签到 5 次".
            _("%(metric)s %(value)s")
            % {"metric": inside(METRICS[name].label), "value": value_text(count, METRICS[name])}
            for name, count in what
        ]
        for what in (bundle.needs, bundle.grants)
    )
    return _("%(period)s完成%(needs)s，得%(grants)s，每个周期一次") % {
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
    return _("%(first)s 至 %(last)s，%(metric)s %(factor)s；此前和此后获得的不变") % {
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


def _lasts(tier: Tier) -> bool:
    """Whether a tier is kept by sums over the whole life, which do not fall."""
    if tier.enter is None or tier.keep is not None:
        return False
    return all(leaf.win.span is Span.LIFE and leaf.metric.accumulates for leaf in leaves(tier.enter))


def _down(tier: Tier) -> str:
    if tier.enter is None or _lasts(tier):
        return ""
    grace = ngettext("宽限 %(n)s 天", "宽限 %(n)s 天", tier.grace_days) % {"n": tier.grace_days}
    if not tier.min_stay_days:
        return _("%(grace)s，到期仍未达到降一级") % {"grace": grace}
    stay = ngettext("升级后 %(n)s 天内不降", "升级后 %(n)s 天内不降", tier.min_stay_days) % {"n": tier.min_stay_days}
    return _("%(stay)s；%(grace)s，到期仍未达到降一级") % {"stay": stay, "grace": grace}


def keep_text(tier: Tier) -> str:
    """What keeps a member in the tier; empty where nothing can be asked for."""
    if tier.enter is None:
        return ""
    if _lasts(tier):
        return _("达到后保留")
    keep = DEFAULT_KEEP if tier.keep is None else tier.keep
    return sentence(scaled(tier.enter, keep.factor) if isinstance(keep, Scale) else keep)
