"""Traces as JSON, the way they are stored with decisions, and back."""

from datetime import date
from decimal import Decimal
from typing import Any

from membership.rules.catalogue import METRICS, Kind, Window
from membership.rules.dump import dump_value
from membership.rules.evaluate import GroupTrace, JumpTrace, LeafTrace, TierTrace, Trace
from membership.rules.nodes import Leaf, Value


def dump_tier_trace(trace: TierTrace) -> dict[str, Any]:
    document = {
        "rank": trace.rank,
        "pass": trace.passed,
        "enter": dump_trace(trace.enter) if trace.enter is not None else None,
        "gates": [dump_trace(gate) for gate in trace.gates],
    }
    return document | ({"keep": dump_trace(trace.keep)} if trace.keep is not None else {})


def dump_jump_trace(trace: JumpTrace) -> dict[str, Any]:
    return {"jump": trace.id, "up": trace.up, "used": trace.used, "when": dump_trace(trace.when)}


def dump_trace(trace: Trace) -> dict[str, Any]:
    if isinstance(trace, GroupTrace):
        return {trace.kind: [dump_trace(child) for child in trace.children], "pass": trace.passed}
    leaf, kind = trace.leaf, trace.leaf.metric.kind
    document: dict[str, Any] = {"m": leaf.m, "win": str(leaf.win), "w": leaf.w, "op": leaf.op, "dyn": leaf.dyn}
    document = {key: value for key, value in document.items() if value is not None}
    document |= {
        "v": dump_value(leaf.v, kind),
        "effective": dump_value(trace.effective, kind),
        "value": dump_value(trace.value, kind),
        "pass": trace.passed,
    }
    if trace.gap is not None:
        document["gap"] = dump_value(trace.gap, kind)
    if trace.since is not None and trace.until is not None:
        document |= {"since": trace.since.isoformat(), "until": trace.until.isoformat()}
    if trace.formula is not None:
        document["formula"] = dict(trace.formula)
    return document


def load_tier_trace(document: dict[str, Any]) -> TierTrace:
    """Raises KeyError or ValueError for a document that `dump_tier_trace` did not write."""
    enter = load_trace(document["enter"]) if document["enter"] is not None else None
    gates = tuple(load_trace(gate) for gate in document["gates"])
    keep = load_trace(document["keep"]) if "keep" in document else None
    return TierTrace(document["rank"], enter, gates, document["pass"], keep)


def load_tier_traces(documents: list[dict[str, Any]]) -> list[TierTrace]:
    """The tiers of a stored decision, in which jumps stand beside them."""
    return [load_tier_trace(document) for document in documents if "rank" in document]


def load_jump_traces(documents: list[dict[str, Any]]) -> list[JumpTrace]:
    return [
        JumpTrace(document["jump"], document["up"], load_trace(document["when"]), document["used"])
        for document in documents
        if "jump" in document
    ]


def load_trace(document: dict[str, Any]) -> Trace:
    for kind in ("all", "any"):
        if kind in document:
            return GroupTrace(kind, tuple(load_trace(child) for child in document[kind]), document["pass"])
    kind = METRICS[document["m"]].kind
    window = Window.parse(document["win"])
    threshold = _value(document["v"], kind)
    leaf = Leaf(document["m"], window, document["op"], threshold, document.get("w"), document.get("dyn"))
    return LeafTrace(
        leaf,
        value=None if document["value"] is None else _value(document["value"], kind),
        effective=_value(document["effective"], kind),
        passed=document["pass"],
        gap=Decimal(str(document["gap"])) if "gap" in document else None,
        since=date.fromisoformat(document["since"]) if "since" in document else None,
        until=date.fromisoformat(document["until"]) if "until" in document else None,
        formula=document.get("formula"),
    )


def _value(value: Any, kind: Kind) -> Value:
    return value if kind is Kind.FLAG else Decimal(str(value))
