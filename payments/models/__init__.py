"""Channels and attempts, what top-ups bring on top, and withdrawals."""

from payments.models.bonuses import BonusGrant, BonusRule, TopUpRefund
from payments.models.paying import Channel, NotifyLog, PaymentAttempt, PlatformCertificate, Refund, RefundMove, TopUp
from payments.models.withdrawals import PayoutAccount, Withdrawal, WithdrawalMove, WithdrawalRules

__all__ = [
    "BonusGrant",
    "BonusRule",
    "Channel",
    "NotifyLog",
    "PaymentAttempt",
    "PayoutAccount",
    "PlatformCertificate",
    "Refund",
    "RefundMove",
    "TopUp",
    "TopUpRefund",
    "Withdrawal",
    "WithdrawalMove",
    "WithdrawalRules",
]
