from marketing.services.birthdays import give_birthday_gifts
from marketing.services.buying import buy_coupon
from marketing.services.issuing import claim_coupon, issue_coupon, issue_to_members
from marketing.services.rebates import correct_rebates, pay_due_rebates, pay_rebates, save_rebate_program
from marketing.services.templates import save_template
from marketing.services.using import give_back_coupon, retake_coupon, revoke_coupon, use_coupon

__all__ = [
    "buy_coupon",
    "claim_coupon",
    "correct_rebates",
    "give_back_coupon",
    "give_birthday_gifts",
    "issue_coupon",
    "issue_to_members",
    "pay_due_rebates",
    "pay_rebates",
    "retake_coupon",
    "revoke_coupon",
    "save_rebate_program",
    "save_template",
    "use_coupon",
]
