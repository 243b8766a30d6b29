from payments.services.applying import apply_payment
from payments.services.asking import ask_attempt, ask_due_attempts, expect_news, recheck_attempt
from payments.services.channels import channel_problems, save_channel
from payments.services.closing import close_attempt, close_due_attempts
from payments.services.keys import expect_keys, fetch_due_keys, fetch_keys
from payments.services.notifies import forget_old_notifies, process_notify, receive_notify, sweep_notifies
from payments.services.refunding import begin_refund, push_due_refunds, push_refund, return_payment, settle_refund
from payments.services.staff import assign_ref, assign_to_member, assign_to_order, confirm_payment
from payments.services.starting import form_fields, start_attempt, wants_payer
from payments.services.topping_up import close_due_top_ups, place_top_up

__all__ = [
    "apply_payment",
    "ask_attempt",
    "ask_due_attempts",
    "assign_ref",
    "assign_to_member",
    "assign_to_order",
    "begin_refund",
    "channel_problems",
    "close_attempt",
    "close_due_attempts",
    "close_due_top_ups",
    "confirm_payment",
    "expect_keys",
    "expect_news",
    "fetch_due_keys",
    "fetch_keys",
    "forget_old_notifies",
    "form_fields",
    "place_top_up",
    "process_notify",
    "push_due_refunds",
    "push_refund",
    "receive_notify",
    "recheck_attempt",
    "return_payment",
    "save_channel",
    "settle_refund",
    "start_attempt",
    "sweep_notifies",
    "wants_payer",
]
