"""The state machine of torture as the fast lane runs it: half of its steps in each of two files, which two workers share."""

from collections import Counter

from torture.faults import model
from torture.report import Budget, Report

STEPS = 5000
NO_CAPS = 1_000_000


def hoarding_allowed(settings) -> None:
    settings.UNPAID_CAPS = dict.fromkeys(settings.UNPAID_CAPS, NO_CAPS)


def run(*, seed: int, steps: int = STEPS) -> tuple[Report, Counter[str]]:
    told = Report("model", Budget(limit=steps))
    return told, model.run(None, seed=seed, budget=told.budget, report=told)


def do_as_the_model_says(*, seed: int) -> None:
    """Also what matters most was really done, so that a machine that found nothing to do proves nothing."""
    told, acts = run(seed=seed)
    assert told.wrong == [], told.wrong
    assert told.counts["steps"] >= STEPS
    missing = WANTED - acts.keys()
    assert missing == set(), missing


# What must have been done in so many steps.
WANTED = {
    *("buy", "buy: OutOfStock", "buy: CouponGone", "buy: InsufficientBalance", "pay_from_wallet", "cancel"),
    *("open", "book", "book: TransactionTaken", "claim_credit", "deliver_by_hand", "void_a_key"),
    *("refund", "refund: RefundTooLarge", "hear", "answer", "write_down", "write_down: RefundSettled"),
    *("send_back", "send_back: NotReturnable", "send_back with a gift", "a gift comes again"),
    *("top_up", "pay_top_up_again", "give_top_up_back", "redeem", "redeem: CardUnusable", "void_a_card"),
    *("ask", "ask for all there is", "ask: NotWithdrawable", "ask: WithdrawalLimit"),
    *("approve", "pay_out", "pay_out: SamePerson", "reject"),
    *("use_credit", "use_credit: CreditExhausted", "repay", "freeze"),
}
