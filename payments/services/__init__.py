from payments.services.applying import apply_payment
from payments.services.asking import ask_attempt, ask_due_attempts, expect_news, recheck_attempt
from payments.services.channels import channel_problems, save_channel
from payments.services.closing import close_attempt, close_due_attempts
from payments.services.notifies import forget_old_notifies, process_notify, receive_notify, sweep_notifies
from payments.services.staff import assign_ref, assign_to_member, assign_to_order, confirm_payment
from payments.services.starting import form_fields, start_attempt
from payments.services.topping_up import close_due_top_ups, place_top_up

__all__ = [
    "apply_payment",
    "ask_attempt",
    "ask_due_attempts",
    "assign_ref",
    "assign_to_member",
    "assign_to_order",
    "channel_problems",
    "close_attempt",
    "close_due_attempts",
    "close_due_top_ups",
    "confirm_payment",
    "expect_news",
    "forget_old_notifies",
    "form_fields",
    "place_top_up",
    "process_notify",
    "receive_notify",
    "recheck_attempt",
    "save_channel",
    "start_attempt",
    "sweep_notifies",
]
