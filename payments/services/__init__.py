from payments.services.applying import apply_payment, apply_second, booked_of
from payments.services.asking import ask_attempt, ask_due_attempts, ask_parked_again, expect_news, recheck_attempt
from payments.services.channel_changes import (
    approve_channel_change,
    cancel_channel_change,
    change_channel,
    refuse_channel_change,
)
from payments.services.channels import channel_problems, save_channel
from payments.services.closing import close_attempt, close_due_attempts
from payments.services.held import book_held, dismiss_notify, note_unpaid
from payments.services.keys import expect_keys, fetch_due_keys, fetch_keys
from payments.services.notifies import forget_old_notifies, process_notify, receive_notify, sweep_notifies
from payments.services.payout_accounts import (
    refuse_payout_account,
    reveal_payout_account,
    save_payout_account,
    verify_payout_account,
)
from payments.services.refunding import (
    begin_refund,
    push_due_refunds,
    push_refund,
    return_payment,
    return_unclaimed,
    settle_refund,
)
from payments.services.staff import assign_to_member, assign_to_order, confirm_payment
from payments.services.starting import form_fields, start_attempt, wants_payer
from payments.services.top_up_refunds import refund_top_up
from payments.services.topping_up import close_due_top_ups, place_top_up
from payments.services.unclaimed import assign_ref, is_free
from payments.services.withdrawing import (
    approve_withdrawal,
    ask_withdrawal,
    cancel_withdrawal,
    confirm_withdrawal,
    reject_withdrawal,
)

__all__ = [
    "apply_payment",
    "apply_second",
    "approve_channel_change",
    "approve_withdrawal",
    "ask_attempt",
    "ask_due_attempts",
    "ask_parked_again",
    "ask_withdrawal",
    "assign_ref",
    "assign_to_member",
    "assign_to_order",
    "begin_refund",
    "book_held",
    "booked_of",
    "cancel_channel_change",
    "cancel_withdrawal",
    "change_channel",
    "channel_problems",
    "close_attempt",
    "close_due_attempts",
    "close_due_top_ups",
    "confirm_payment",
    "confirm_withdrawal",
    "dismiss_notify",
    "expect_keys",
    "expect_news",
    "fetch_due_keys",
    "fetch_keys",
    "forget_old_notifies",
    "form_fields",
    "is_free",
    "note_unpaid",
    "place_top_up",
    "process_notify",
    "push_due_refunds",
    "push_refund",
    "receive_notify",
    "recheck_attempt",
    "refund_top_up",
    "refuse_channel_change",
    "refuse_payout_account",
    "reject_withdrawal",
    "return_payment",
    "return_unclaimed",
    "reveal_payout_account",
    "save_channel",
    "save_payout_account",
    "settle_refund",
    "start_attempt",
    "sweep_notifies",
    "verify_payout_account",
    "wants_payer",
]
