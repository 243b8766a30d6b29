"""Channels and attempts, what top-ups bring on top, and withdrawals."""

from payments.models.bonuses import BonusGrant, BonusRule, TopUpRefund
from payments.models.changes import ChannelChange
from payments.models.notifies import GatewayTransaction, NotifyLog
from payments.models.paying import Channel, PaymentAttempt, PlatformCertificate, TopUp
from payments.models.refunds import Refund, RefundMove
from payments.models.withdrawals import PayoutAccount, Withdrawal, WithdrawalMove, WithdrawalRules
from payments.reconciling.models import CaseMove, Reconciliation, ReconciliationCase

__all__ = [
    "BonusGrant",
    "BonusRule",
    "CaseMove",
    "Channel",
    "ChannelChange",
    "GatewayTransaction",
    "NotifyLog",
    "PaymentAttempt",
    "PayoutAccount",
    "PlatformCertificate",
    "Reconciliation",
    "ReconciliationCase",
    "Refund",
    "RefundMove",
    "TopUp",
    "TopUpRefund",
    "Withdrawal",
    "WithdrawalMove",
    "WithdrawalRules",
]
