"""The ledger to read, batches of cards to make and let go, credit lines, and what the operator sets about both."""

from wallet.admin import batches, by_hand, cards, credit, ledger, rules

__all__ = ["batches", "by_hand", "cards", "credit", "ledger", "rules"]
