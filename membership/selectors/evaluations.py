"""What members' evaluations and decisions found: traces out of what is stored, in full or in short."""

from datetime import date
from functools import lru_cache
from typing import Any

from membership.engine.compact import Traces, stored_traces
from membership.models import MemberTier, RuleSetVersion, TierDecision
from membership.rules.evaluate import TierTrace
from membership.rules.nodes import RuleSet
from membership.rules.parse import parse_rules
from membership.rules.traces import dump_jump_trace, dump_tier_trace


@lru_cache(maxsize=128)
def _rules(version_id: int, mark: str) -> RuleSet:
    """What was published never changes, so that each process reads it once. Raises RuleSetVersion.DoesNotExist.

    A version that takes effect within a day is noted of a member before the figures are measured by it, and a pass may be
    killed in between: the rules of the figures are those with their fingerprint.
    """
    same = RuleSetVersion.objects.filter(program__versions=version_id, sha256__startswith=mark)
    return parse_rules(same.values_list("document", flat=True)[:1].get())


def evaluation_day(member: MemberTier) -> date:
    """The Shanghai day whose figures the evaluation shows."""
    return date.fromisoformat(member.evaluation["day"])


def evaluation_traces(member: MemberTier) -> Traces:
    """Every tier above the default one by rank, and every jump, as last evaluated."""
    return stored_traces(
        member.evaluation,
        version_id=member.version_id,
        rank=member.rank,
        day=evaluation_day(member),
        rules=_rules,
    )


def evaluated_tiers(member: MemberTier) -> list[TierTrace]:
    return evaluation_traces(member)[0]


def decision_traces(decision: TierDecision) -> Traces:
    """What a decision looked at: the tiers, the jumps."""
    return stored_traces(
        decision.trace,
        version_id=decision.version_id,
        rank=decision.to_rank,
        day=decision.day,
        rules=_rules,
    )


def decision_document(decision: TierDecision) -> list[dict[str, Any]]:
    """The trace of a decision in full, as JSON."""
    if isinstance(decision.trace, list):
        return decision.trace
    tiers, jumps = decision_traces(decision)
    return [*map(dump_tier_trace, tiers), *map(dump_jump_trace, jumps)]
