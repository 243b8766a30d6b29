"""Pieces that several pages share."""

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from common.admin import chip
from membership.models import RuleSetVersion, TierDecision
from membership.selectors.bars import TierFindings
from membership.selectors.decisions import decision_text
from membership.selectors.rules import Published

CAUSE_TONES = {
    TierDecision.Cause.ENTER: "success",
    TierDecision.Cause.JUMP: "success",
    TierDecision.Cause.RULES: "info",
    TierDecision.Cause.REVERSAL: "warning",
    TierDecision.Cause.GATE: "danger",
    TierDecision.Cause.DOWN: "danger",
}


def published(version: RuleSetVersion) -> Published:
    return Published(version.pk, version.effective_from, version.sha256)


def tier_chip(version: RuleSetVersion, rank: int | None) -> SafeString | str:
    """A tier by its name under a published version."""
    if rank is None:
        return "–"
    tier = published(version).tiers.get(rank)
    return chip(tier or rank, "vip" if rank else "neutral")


def findings_table(findings: Any) -> SafeString:
    return SafeString(render_to_string("membership/admin/findings.html", {"findings": findings}))


def decision_findings(decision: TierDecision) -> tuple[TierFindings, ...]:
    return decision_text(decision, published(decision.version)).findings
