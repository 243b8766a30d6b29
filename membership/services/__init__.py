from membership.services.evaluation import evaluate_member
from membership.services.facts import record_activity
from membership.services.members import ensure_member
from membership.services.points import (
    adjust_points,
    expire_due_points,
    expire_points,
    grant_points,
    reverse_points,
    spend_points,
)
from membership.services.recalculation import recalculate
from membership.services.recording import record_order_lines, record_refund
from membership.services.rules import copy_rule_set, draft_rule_set, publish_rule_set, revise_draft

__all__ = [
    "adjust_points",
    "copy_rule_set",
    "draft_rule_set",
    "ensure_member",
    "evaluate_member",
    "expire_due_points",
    "expire_points",
    "grant_points",
    "publish_rule_set",
    "recalculate",
    "record_activity",
    "record_order_lines",
    "record_refund",
    "reverse_points",
    "revise_draft",
    "spend_points",
]
