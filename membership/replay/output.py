"""A decision as the line that a replay prints."""

from typing import Any

from common.clock import SHANGHAI
from membership.engine.decisions import Decision
from membership.rules.traces import dump_trace


def dump_decision(member: str, decision: Decision) -> dict[str, Any]:
    """Keys in the order in which they are printed; `ref` is null where time alone decided."""
    return {
        "member": member,
        "at": decision.at.astimezone(SHANGHAI).isoformat(),
        "from": decision.from_rank,
        "to": decision.to_rank,
        "stage": decision.stage,
        "cause": str(decision.cause),
        "ref": decision.ref or None,
        "gap": dict(decision.gap),
        "trace": [dump_trace(leaf) for leaf in decision.leaves],
    }
