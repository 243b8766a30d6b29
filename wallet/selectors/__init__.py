from wallet.selectors.cards import (
    audit_cards,
    batches_counted,
    card_with_code,
    cards_with_codes,
    needs_review,
    wallet_rules,
)
from wallet.selectors.credit import Due, audit_credit, auto_credit_of, credit_line_of, draws_of, dues_of, owed_by
from wallet.selectors.ledger import audit_ledger, balance_of, credit_of_order, guard_of, restricted_of, statement

__all__ = [
    "Due",
    "audit_cards",
    "audit_credit",
    "audit_ledger",
    "auto_credit_of",
    "balance_of",
    "batches_counted",
    "card_with_code",
    "cards_with_codes",
    "credit_line_of",
    "credit_of_order",
    "draws_of",
    "dues_of",
    "guard_of",
    "needs_review",
    "owed_by",
    "restricted_of",
    "statement",
    "wallet_rules",
]
