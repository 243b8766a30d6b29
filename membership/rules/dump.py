"""Rule set to JSON, in one canonical form: what is stored, hashed and shown."""

import hashlib
import json
from decimal import Decimal
from typing import Any

from membership.rules.catalogue import Kind
from membership.rules.nodes import Condition, Leaf, RuleSet, Scale, Tier, Value


def dump_rules(rules: RuleSet) -> dict[str, Any]:
    """The rule set as a JSON document; parsing it gives an equal rule set. Keys that say nothing are left out."""
    document: dict[str, Any] = {"schema": rules.schema, "timezone": rules.timezone, "counts": rules.counts}
    document["weights"] = {
        name: {category: _plain(factor) for category, factor in table.items()} for name, table in rules.weights.items()
    }
    document["exclude"] = [
        _present({"reason": rule.reason, "part": rule.part, "category": rule.category}) for rule in rules.exclude
    ]
    document["bundles"] = [
        {"id": bundle.id, "window": bundle.window, "needs": dict(bundle.needs), "grants": dict(bundle.grants)}
        for bundle in rules.bundles
    ]
    document["caps"] = [{"m": cap.m, "per": cap.per, "max": cap.max} for cap in rules.caps]
    document["multipliers"] = [
        {"m": item.m, "factor": _plain(item.factor), "from": item.first.isoformat(), "to": item.last.isoformat()}
        for item in rules.multipliers
    ]
    document["dynamic"] = {
        name: {"factor": _plain(formula.factor), "rising_days": formula.rising_days}
        for name, formula in rules.dynamic.items()
    }
    document["jumps"] = [{"id": jump.id, "up": jump.up, "when": dump_condition(jump.when)} for jump in rules.jumps]
    document["tiers"] = [_tier(tier) for tier in rules.tiers]
    return _present(document)


def dump_condition(condition: Condition) -> dict[str, Any]:
    if not isinstance(condition, Leaf):
        return {condition.kind: [dump_condition(child) for child in condition.children]}
    leaf = {"m": condition.m, "win": str(condition.win), "w": condition.w, "op": condition.op}
    return _present({**leaf, "v": dump_value(condition.v, condition.metric.kind), "dyn": condition.dyn})


def dump_value(value: Value | None, kind: Kind) -> Any:
    """Money and ratios as text, so that no float comes near them; counts as numbers; None stays None."""
    if value is None or isinstance(value, bool):
        return value
    if kind is Kind.MONEY:
        return f"{value:.2f}"
    if kind is Kind.RATIO:
        return _plain(value)
    return int(value)


def canonical(document: Any) -> bytes:
    """The bytes that are hashed: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def fingerprint(rules: RuleSet) -> str:
    """SHA-256 of the canonical form, in hex: equal for rule sets that say the same."""
    return hashlib.sha256(canonical(dump_rules(rules))).hexdigest()


def _tier(tier: Tier) -> dict[str, Any]:
    document: dict[str, Any] = {"rank": tier.rank, "name": tier.name, "name_en": tier.name_en or None}
    if tier.enter is not None:
        document["enter"] = dump_condition(tier.enter)
    if isinstance(tier.keep, Scale):
        document["keep"] = {"scale": _plain(tier.keep.factor)}
    elif tier.keep is not None:
        document["keep"] = dump_condition(tier.keep)
    document["gates"] = [dump_condition(gate) for gate in tier.gates]
    document |= {"min_stay_days": tier.min_stay_days, "grace_days": tier.grace_days, "down": tier.down}
    return _present(document)


def _present(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None and value != [] and value != {}}


def _plain(number: Decimal) -> str:
    """`1.50` and `1.5` are the same number and get the same text."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
