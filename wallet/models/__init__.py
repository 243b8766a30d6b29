"""The ledger, cards that turn into balance, credit lines, and what the operator sets about them."""

from wallet.models.allowances import TokenAllowance
from wallet.models.by_hand import ByHand, ByHandApproval
from wallet.models.cards import Card, CardBatch, CardMove, CardRelease
from wallet.models.credit import CreditDraw, CreditLine, CreditMove, CreditRepayment, CreditTerms
from wallet.models.ledger import Account, Entry, PayConfirmation, PayGuard, Transfer, TransferRef
from wallet.models.rules import WalletRules

__all__ = [
    "Account",
    "ByHand",
    "ByHandApproval",
    "Card",
    "CardBatch",
    "CardMove",
    "CardRelease",
    "CreditDraw",
    "CreditLine",
    "CreditMove",
    "CreditRepayment",
    "CreditTerms",
    "Entry",
    "PayConfirmation",
    "PayGuard",
    "TokenAllowance",
    "Transfer",
    "TransferRef",
    "WalletRules",
]
