from membership.services.evaluation import evaluate_member
from membership.services.facts import record_activity
from membership.services.members import ensure_member
from membership.services.recalculation import recalculate
from membership.services.recording import record_order_lines, record_refund
from membership.services.rules import copy_rule_set, draft_rule_set, publish_rule_set, revise_draft

__all__ = [
    "copy_rule_set",
    "draft_rule_set",
    "ensure_member",
    "evaluate_member",
    "publish_rule_set",
    "recalculate",
    "record_activity",
    "record_order_lines",
    "record_refund",
    "revise_draft",
]
