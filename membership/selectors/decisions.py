"""Decisions in plain language, each with everything that it found."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.texts import in_both
from membership.models import Override, RuleSetVersion, TierDecision
from membership.rules.evaluate import JumpTrace, LeafTrace, TierTrace, Trace, leaf_traces, unmet
from membership.rules.render import finding_text, gap_sentence, tier_gap_sentence
from membership.selectors.bars import Part, TierFindings, findings_of, part_of, tier_called
from membership.selectors.evaluations import decision_traces
from membership.selectors.rules import Published, program_for, published_versions

Cause = TierDecision.Cause


@dataclass(frozen=True)
class JumpFindings:
    """A jump that was looked at. `used` says that it was made, now or before."""

    up: int
    used: bool
    passed: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class DecisionText:
    id: int
    at: datetime
    day: date
    cause: str
    from_rank: int | None
    to_rank: int
    rises: bool
    title: str
    reasons: tuple[str, ...]
    findings: tuple[TierFindings, ...]
    jumps: tuple[JumpFindings, ...] = ()


def decisions_of(*, user_id: int, storefront_id: int) -> QuerySet[TierDecision]:
    """The member's decisions in the storefront's program, the newest first."""
    program = program_for(storefront_id)
    return TierDecision.objects.filter(member__user=user_id, member__program=program).order_by("-id")


def decision_texts(rows: Sequence[TierDecision]) -> list[DecisionText]:
    """Decisions of one program in plain language."""
    if not rows:
        return []
    program_id = RuleSetVersion.objects.values_list("program_id", flat=True).get(pk=rows[0].version_id)
    by_id = {version.pk: version for version in published_versions(program_id)}
    return [decision_text(decision, by_id[decision.version_id]) for decision in rows]


def member_decisions(*, user_id: int, storefront_id: int, page: int | str, per_page: int = 20) -> Page:
    """A page of the member's decisions as DecisionText, the newest first."""
    found = Paginator(decisions_of(user_id=user_id, storefront_id=storefront_id), per_page).get_page(page)
    found.object_list = decision_texts(list(found.object_list))
    return found


def decision_text(decision: TierDecision, version: Published) -> DecisionText:
    """A decision in plain language, with what it found."""
    traces, jumps = decision_traces(decision)
    return DecisionText(
        id=decision.pk,
        at=decision.at,
        day=decision.day,
        cause=decision.cause,
        from_rank=decision.from_rank,
        to_rank=decision.to_rank,
        rises=decision.from_rank is not None and decision.to_rank > decision.from_rank,
        title=_headline(decision, version),
        reasons=tuple(_reasons(decision, traces, jumps)),
        findings=tuple(findings_of(trace, version) for trace in _concerned(traces, decision)),
        jumps=tuple(JumpFindings(jump.up, jump.used, jump.when.passed, (part_of(jump.when),)) for jump in jumps),
    )


def _concerned(traces: Sequence[TierTrace], decision: TierDecision) -> list[TierTrace]:
    """The tiers between the old and the new one, and the next above: the others were not in question.

    Where the rank stays, it is the tier that is held.
    """
    ranks = {decision.to_rank, decision.to_rank if decision.from_rank is None else decision.from_rank}
    if decision.from_rank == decision.to_rank:
        return [trace for trace in traces if trace.rank == decision.to_rank]
    above = next((trace.rank for trace in traces if trace.rank > max(ranks)), max(ranks))
    return [trace for trace in traces if min(ranks) < trace.rank <= above]


HEADLINES = {
    Cause.DEFAULT: gettext_lazy("加入会员，成为%(tier)s"),
    Cause.ENTER: gettext_lazy("升级为%(tier)s"),
    Cause.JUMP: gettext_lazy("跳级为%(tier)s"),
    Cause.GATE: gettext_lazy("未通过门槛，调整为%(tier)s"),
    Cause.WARN: gettext_lazy("未达到保级条件，%(tier)s已预警"),
    Cause.GRACE: gettext_lazy("%(tier)s进入宽限期"),
    Cause.DOWN: gettext_lazy("宽限期结束，降为%(tier)s"),
    Cause.OVERRIDE: gettext_lazy("等级调整为%(tier)s"),
    Cause.OVERRIDE_EXPIRED: gettext_lazy("等级调整到期，现为%(tier)s"),
    Cause.REVERSAL: gettext_lazy("退款或撤销后重新评定，调整为%(tier)s"),
    Cause.RULES: gettext_lazy("规则更新后成为%(tier)s"),
}


def _headline(decision: TierDecision, version: Published) -> str:
    return str(HEADLINES[Cause(decision.cause)]) % {"tier": tier_called(version, decision.to_rank)}


def _reasons(decision: TierDecision, traces: Sequence[TierTrace], jumps: Sequence[JumpTrace]) -> list[str]:
    """What was found: the conditions that were met, or of whoever fell those of every tier passed that no longer were."""
    to = decision.to_rank
    before = to if decision.from_rank is None else decision.from_rank
    passed = [trace for trace in reversed(traces) if to < trace.rank <= before]
    match decision.cause:
        case Cause.JUMP:
            used = [jump.when for jump in jumps if jump.used and jump.when.passed]
            return [finding_text(leaf) for when in used for leaf in leaf_traces(when)]
        case Cause.GATE:
            return _findings((gate for trace in passed for gate in trace.gates), unmet)
        case Cause.WARN | Cause.GRACE:
            return _findings((trace.keep for trace in traces if trace.rank == to and trace.keep is not None), unmet)
        case Cause.OVERRIDE:
            return [_("使用了升级券或加速包")] if decision.activity_ref.startswith(Override.COUPON) else []
    if passed:
        return _findings((part for trace in passed for part in (trace.enter, *trace.gates) if part), unmet)
    if decision.cause == Cause.OVERRIDE_EXPIRED:
        return []
    return _findings((trace.enter for trace in traces if trace.rank == to and trace.enter is not None), _met)


def _findings(parts: Iterable[Trace], telling: Callable[[Trace], Iterable[LeafTrace]]) -> list[str]:
    """What is told of the comparisons of these conditions, each once."""
    return list(dict.fromkeys(finding_text(leaf) for part in parts for leaf in telling(part)))


def _met(trace: Trace) -> Iterable[LeafTrace]:
    return (leaf for leaf in leaf_traces(trace) if leaf.passed)


@dataclass(frozen=True)
class TierNews:
    """A decision as a message tells it, each text in Chinese and in English; empty where there is nothing to say.

    `todo` is what the next tier takes, or where the tier is at risk what keeps it; `other` is the tier that it is about: the
    next one, or the one below. `until` is the end of the grace.
    """

    tier: tuple[str, str]
    todo: tuple[str, str] = ("", "")
    other: tuple[str, str] = ("", "")
    until: datetime | None = None


def tier_news(decision_ids: Iterable[int]) -> dict[int, TierNews]:
    """By decision; what is not there has none."""
    rows = (
        TierDecision.objects.filter(pk__in=set(decision_ids))
        .select_related("member")
        .prefetch_related("version__tiers")
    )
    return {decision.pk: _news(decision) for decision in rows}


def _news(decision: TierDecision) -> TierNews:
    tiers = {tier.rank: (tier.name, tier.name_en or tier.name) for tier in decision.version.tiers.all()}
    traces = decision_traces(decision)[0]
    own = tiers[decision.to_rank]
    if decision.cause in (Cause.WARN, Cause.GRACE):
        keep = next((one.keep for one in traces if one.rank == decision.to_rank and one.keep is not None), None)
        below = max((rank for rank in tiers if rank < decision.to_rank), default=decision.to_rank)
        todo = in_both(_lazy_gap(keep)) if keep is not None else ("", "")
        return TierNews(own, todo, tiers[below], decision.member.grace_until)
    above = next((one for one in traces if one.rank > decision.to_rank), None)
    if above is None:
        return TierNews(own)
    return TierNews(own, in_both(_lazy_tier_gap(above)), tiers[above.rank])


_lazy_gap = lazy(gap_sentence, str)
_lazy_tier_gap = lazy(tier_gap_sentence, str)
