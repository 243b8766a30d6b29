from membership.services.acting import tell_inviter
from membership.services.check_ins import CheckedIn, check_in
from membership.services.differences import close_difference
from membership.services.evaluation import evaluate_member
from membership.services.facts import clear_activity, flag_activity, record_activity, reverse_activity
from membership.services.feedback import accept_feedback, decline_feedback, send_feedback
from membership.services.invites import (
    invite_code_for,
    mirror_order,
    note_inviter,
    note_own_address,
    open_invite,
    reward_referral,
)
from membership.services.members import ensure_member
from membership.services.nudges import (
    CART_WAIT,
    choose_nudges,
    forget_dwell,
    forget_dwells,
    forget_old_nudges,
    may_nudge,
    note_click,
    note_dwell,
    note_nudge,
    note_order_effect,
    show_nudge,
)
from membership.services.overrides import (
    approve_override,
    end_override,
    grant_floor,
    let_overrides_end,
    propose_override,
    refuse_override,
)
from membership.services.passes import buy_pass, give_pass, redeem_pass
from membership.services.perks import (
    correct_birthday,
    give_points_back,
    note_nothing_back,
    take_points_back,
    tell_birthday,
)
from membership.services.points import (
    adjust_points,
    expire_due_points,
    expire_points,
    grant_points,
    reverse_points,
    spend_points,
)
from membership.services.recalculation import recalculate
from membership.services.recording import record_order, record_order_lines, record_refund, record_settlement
from membership.services.reputation import record_dispute
from membership.services.reviews import record_review
from membership.services.rules import copy_rule_set, draft_rule_set, edit_benefits, publish_rule_set, revise_draft
from membership.services.tasks import (
    choose_task_order,
    count_order_tasks,
    count_step,
    note_shown,
    record_view,
    refresh_task_arms,
    take_back_order_tasks,
)
from membership.services.what_if import ask_what_if, fail_what_if, resume_what_ifs, run_what_if

__all__ = [
    "CART_WAIT",
    "choose_nudges",
    "forget_old_nudges",
    "forget_dwell",
    "forget_dwells",
    "may_nudge",
    "note_click",
    "note_dwell",
    "note_nudge",
    "note_nothing_back",
    "note_order_effect",
    "show_nudge",
    "CheckedIn",
    "accept_feedback",
    "adjust_points",
    "approve_override",
    "ask_what_if",
    "buy_pass",
    "check_in",
    "choose_task_order",
    "clear_activity",
    "close_difference",
    "copy_rule_set",
    "correct_birthday",
    "count_order_tasks",
    "count_step",
    "decline_feedback",
    "draft_rule_set",
    "end_override",
    "ensure_member",
    "evaluate_member",
    "expire_due_points",
    "expire_points",
    "fail_what_if",
    "flag_activity",
    "give_pass",
    "give_points_back",
    "grant_floor",
    "grant_points",
    "invite_code_for",
    "let_overrides_end",
    "mirror_order",
    "note_inviter",
    "note_own_address",
    "note_shown",
    "open_invite",
    "propose_override",
    "publish_rule_set",
    "recalculate",
    "record_activity",
    "record_dispute",
    "record_order",
    "record_order_lines",
    "record_refund",
    "record_review",
    "record_settlement",
    "record_view",
    "redeem_pass",
    "refresh_task_arms",
    "refuse_override",
    "resume_what_ifs",
    "reverse_activity",
    "reverse_points",
    "edit_benefits",
    "revise_draft",
    "reward_referral",
    "run_what_if",
    "send_feedback",
    "spend_points",
    "take_back_order_tasks",
    "take_points_back",
    "tell_birthday",
    "tell_inviter",
]
