"""Where a member stands, in words and figures, from what was stored when they were last evaluated. Computes no metric."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common import clock
from membership.engine.book import Book, Snapshot
from membership.models import Benefit, MemberTier, Program, TierDecision, TierRule
from membership.rules.dump import dump_value
from membership.rules.evaluate import (
    GroupTrace,
    LeafTrace,
    TierTrace,
    Trace,
    evaluate_tiers,
    leaf_traces,
    progress,
)
from membership.rules.render import finding_text, gap_text, subject_text, tier_gap_sentence, value_text
from membership.rules.traces import load_jump_traces, load_tier_trace, load_tier_traces
from membership.selectors.perks import benefit_text
from membership.selectors.rules import Published, program_for, published_versions, version_at

Cause = TierDecision.Cause
SHOWN_DECISIONS = 5


@dataclass(frozen=True)
class Bar:
    """One condition of a tier: figures for machines, texts for people. `since` and `until` are the days that count."""

    key: str
    metric: str
    window: str
    value: Any
    target: Any
    gap: Any
    passed: bool
    percent: int
    label: str
    value_text: str
    target_text: str
    todo: str
    since: date | None
    until: date | None


@dataclass(frozen=True)
class Part:
    """A condition as it is nested: a bar, or `all` or `any` of further parts."""

    kind: str
    passed: bool
    bar: Bar | None = None
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class BenefitText:
    kind: str
    layer: str
    text: str

    @property
    def layer_name(self) -> str:
        return str(Benefit.Layer(self.layer).label)


@dataclass(frozen=True)
class NextTier:
    rank: int
    name: str
    percent: int
    todo: str
    parts: tuple[Part, ...]
    benefits: tuple[BenefitText, ...]


@dataclass(frozen=True)
class Rung:
    """A tier on the way up. `held` up to the member's own."""

    rank: int
    name: str
    held: bool
    current: bool


@dataclass(frozen=True)
class TierFindings:
    """What a decision found for one tier."""

    name: str
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


@dataclass(frozen=True)
class Standing:
    """A member in a program. `day` is the Shanghai day whose figures are shown, `next` None at the top."""

    program: Program
    rank: int
    name: str
    since: datetime | None
    day: date
    next: NextTier | None
    benefits: tuple[BenefitText, ...]
    ladder: tuple[Rung, ...]
    decisions: tuple[DecisionText, ...]


def member_standing(*, user_id: int, storefront_id: int) -> Standing:
    """The member's standing in the storefront's program.

    Somebody whose registration was not heard of yet stands where everybody begins.
    """
    program = program_for(storefront_id)
    versions = published_versions(program.pk)
    member = MemberTier.objects.filter(user=user_id, program=program).first()
    if member is None:
        return _beginning(program, version_at(versions, clock.now()))
    return _of_member(program, member, versions)


def stored_todo(member: MemberTier) -> str:
    """What is missing for the tier above, as last evaluated; empty at the top. Asks the database nothing."""
    traces = [load_tier_trace(document) for document in member.evaluation["tiers"]]
    return next((tier_gap_sentence(trace) for trace in traces if trace.rank > member.rank), "")


def stored_findings(member: MemberTier, version: Published) -> tuple[TierFindings, ...]:
    """Every tier's conditions as last evaluated, under `version`, the one that evaluated."""
    return tuple(_findings(load_tier_trace(document), version) for document in member.evaluation["tiers"])


def _of_member(program: Program, member: MemberTier, versions: Sequence[Published]) -> Standing:
    by_id = {version.pk: version for version in versions}
    day = _day_shown(member)
    return _standing(
        program,
        by_id[member.version_id],
        rank=member.rank,
        since=member.since,
        day=day,
        traces=[_moved(load_tier_trace(document), day) for document in member.evaluation["tiers"]],
        decisions=tuple(
            decision_text(decision, by_id[decision.version_id])
            for decision in member.decisions.order_by("-id")[:SHOWN_DECISIONS]
        ),
    )


def member_decisions(*, user_id: int, storefront_id: int, page: int | str, per_page: int = 20) -> Page:
    """A page of the member's decisions as DecisionText, the newest first."""
    program = program_for(storefront_id)
    by_id = {version.pk: version for version in published_versions(program.pk)}
    rows = TierDecision.objects.filter(member__user=user_id, member__program=program).order_by("-id")
    found = Paginator(rows, per_page).get_page(page)
    found.object_list = [decision_text(decision, by_id[decision.version_id]) for decision in found.object_list]
    return found


def benefit_texts(tier: TierRule | None) -> tuple[BenefitText, ...]:
    if tier is None:
        return ()
    rows = sorted(tier.benefits.all(), key=lambda one: Benefit.Layer.values.index(one.layer))
    return tuple(BenefitText(one.kind, one.layer, benefit_text(one)) for one in rows)


def decision_text(decision: TierDecision, version: Published) -> DecisionText:
    """A decision in plain language, with what it found."""
    traces = load_tier_traces(decision.trace)
    return DecisionText(
        id=decision.pk,
        at=decision.at,
        day=decision.day,
        cause=decision.cause,
        from_rank=decision.from_rank,
        to_rank=decision.to_rank,
        rises=decision.from_rank is not None and decision.to_rank > decision.from_rank,
        title=_headline(decision, version),
        reasons=tuple(_reasons(decision, traces)),
        findings=tuple(_findings(trace, version) for trace in _concerned(traces, decision)),
    )


def _findings(trace: TierTrace, version: Published) -> TierFindings:
    return TierFindings(_name(version, trace.rank), trace.passed, _tier_parts(trace))


def _concerned(traces: Sequence[TierTrace], decision: TierDecision) -> list[TierTrace]:
    """The tiers between the old and the new one, and the next above: the others were not in question.

    Where the rank stays, it is the tier that is held.
    """
    ranks = {decision.to_rank, decision.to_rank if decision.from_rank is None else decision.from_rank}
    if decision.from_rank == decision.to_rank:
        return [trace for trace in traces if trace.rank == decision.to_rank]
    above = next((trace.rank for trace in traces if trace.rank > max(ranks)), max(ranks))
    return [trace for trace in traces if min(ranks) < trace.rank <= above]


def _day_shown(member: MemberTier) -> date:
    """Today, as long as nothing can have changed since the evaluation; else the day of the evaluation."""
    at = clock.now()
    if member.next_check_at is None or at < member.next_check_at:
        return clock.day_of(at)
    return date.fromisoformat(member.evaluation["day"])


def _moved(trace: TierTrace, day: date) -> TierTrace:
    """The trace with its windows ending on `day`: what they hold is the same, or the member would be due."""
    enter = _moved_part(trace.enter, day) if trace.enter is not None else None
    return replace(trace, enter=enter, gates=tuple(_moved_part(gate, day) for gate in trace.gates))


def _moved_part(trace: Trace, day: date) -> Trace:
    if isinstance(trace, GroupTrace):
        return replace(trace, children=tuple(_moved_part(child, day) for child in trace.children))
    return replace(trace, since=trace.leaf.win.first_day(day), until=day) if trace.since else trace


def _beginning(program: Program, version: Published) -> Standing:
    today = clock.day_of(clock.now())
    traces = evaluate_tiers(version.rules, Snapshot(Book(), version.rules, today), today)
    rank = version.rules.default_tier.rank
    return _standing(program, version, rank=rank, since=None, day=today, traces=traces, decisions=())


def _standing(
    program: Program,
    version: Published,
    *,
    rank: int,
    since: datetime | None,
    day: date,
    traces: Sequence[TierTrace],
    decisions: tuple[DecisionText, ...],
) -> Standing:
    above = next((trace for trace in traces if trace.rank > rank), None)
    return Standing(
        program=program,
        rank=rank,
        name=_name(version, rank),
        since=since,
        day=day,
        next=_next(version, above) if above is not None else None,
        benefits=benefit_texts(version.tiers.get(rank)),
        ladder=tuple(
            Rung(tier.rank, str(tier), tier.rank <= rank, tier.rank == rank) for tier in version.tiers.values()
        ),
        decisions=decisions,
    )


def _next(version: Published, trace: TierTrace) -> NextTier:
    parts = [part for part in (trace.enter, *trace.gates) if part is not None]
    return NextTier(
        rank=trace.rank,
        name=_name(version, trace.rank),
        percent=min((_percent(part) for part in parts), default=0),
        todo=tier_gap_sentence(trace),
        parts=_tier_parts(trace),
        benefits=benefit_texts(version.tiers.get(trace.rank)),
    )


def _tier_parts(trace: TierTrace) -> tuple[Part, ...]:
    return tuple(_part(part) for part in (trace.enter, *trace.gates) if part is not None)


def _part(trace: Trace) -> Part:
    if isinstance(trace, GroupTrace):
        return Part(trace.kind, trace.passed, parts=tuple(_part(child) for child in trace.children))
    return Part("bar", trace.passed, bar=_bar(trace))


def _bar(trace: LeafTrace) -> Bar:
    leaf, metric = trace.leaf, trace.leaf.metric
    return Bar(
        key=leaf.key,
        metric=leaf.m,
        window=str(leaf.win),
        value=dump_value(trace.value, metric.kind),
        target=dump_value(trace.effective, metric.kind),
        gap=dump_value(trace.gap, metric.kind),
        passed=trace.passed,
        percent=_percent(trace),
        label=subject_text(leaf),
        value_text=value_text(trace.value, metric),
        target_text=value_text(trace.effective, metric),
        todo=gap_text(trace),
        since=trace.since,
        until=trace.until,
    )


def _percent(trace: Trace) -> int:
    """Rounded down: a bar is full only when the condition holds."""
    return int((progress(trace) * 100).quantize(Decimal(1), rounding=ROUND_DOWN))


def _name(version: Published, rank: int) -> str:
    tier = version.tiers.get(rank)
    return str(tier) if tier is not None else _("等级 %(rank)s") % {"rank": rank}


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
    return str(HEADLINES[Cause(decision.cause)]) % {"tier": _name(version, decision.to_rank)}


def _reasons(decision: TierDecision, traces: Sequence[TierTrace]) -> list[str]:
    """What was found for the tier in question: the conditions that were met, or those that no longer were."""
    to = decision.to_rank
    before = to if decision.from_rank is None else decision.from_rank
    match decision.cause:
        case Cause.JUMP:
            used = [jump.when for jump in load_jump_traces(decision.trace) if jump.used and jump.when.passed]
            return [finding_text(leaf) for when in used for leaf in leaf_traces(when)]
        case Cause.GATE:
            gates = [gate for trace in traces if trace.rank == before for gate in trace.gates]
            return [finding_text(leaf) for gate in gates for leaf in leaf_traces(gate) if not leaf.passed]
        case Cause.WARN | Cause.GRACE:
            keeps = [trace.keep for trace in traces if trace.rank == to and trace.keep is not None]
            return [finding_text(leaf) for keep in keeps for leaf in leaf_traces(keep) if not leaf.passed]
        case Cause.DOWN | Cause.REVERSAL:
            return _found(traces, before, met=False)
        case Cause.OVERRIDE | Cause.OVERRIDE_EXPIRED:
            return []
    return _found(traces, to, met=True)


def _found(traces: Sequence[TierTrace], rank: int, *, met: bool) -> list[str]:
    trace = next((one for one in traces if one.rank == rank), None)
    if trace is None or trace.enter is None:
        return []
    return [finding_text(leaf) for leaf in leaf_traces(trace.enter) if leaf.passed == met]
