"""Every event that one room may tell others, as versioned frozen dataclasses. Payloads never hold keys or secrets.

A module for each room that tells; complaints, which orders tells of, have their own.
"""

from events.contracts.accounts import UserRegistered
from events.contracts.base import REGISTRY, Contract, contract
from events.contracts.catalog import (
    KeyExportMoved,
    ReviewPublished,
    ReviewRejected,
    ReviewWithdrawn,
    StockArrived,
    StockLow,
)
from events.contracts.disputes import (
    DisputeAppealed,
    DisputeAsked,
    DisputeClosed,
    DisputeDecided,
    DisputeOpened,
    DisputeOverdue,
)
from events.contracts.insights import ComebackOffered
from events.contracts.marketing import RebatePaid
from events.contracts.membership import (
    BirthdayGiftGiven,
    FeedbackDeclined,
    InviteeActive,
    InviteeSpent,
    RewardGranted,
    TierChanged,
)
from events.contracts.orders import (
    Line,
    OrderClosed,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrderSettled,
    RefundedLine,
    RefundRequested,
)
from events.contracts.payload import from_payload, to_payload
from events.contracts.payments import PayoutAccountDecided, RefundSettled, WalletToppedUp, WithdrawalMoved
from events.contracts.wallet import CardCodesTaken, CreditNoticed

__all__ = [
    "BirthdayGiftGiven",
    "CardCodesTaken",
    "ComebackOffered",
    "Contract",
    "CreditNoticed",
    "DisputeAppealed",
    "DisputeAsked",
    "DisputeClosed",
    "DisputeDecided",
    "DisputeOpened",
    "DisputeOverdue",
    "FeedbackDeclined",
    "InviteeActive",
    "InviteeSpent",
    "KeyExportMoved",
    "Line",
    "OrderClosed",
    "OrderDelivered",
    "OrderPaid",
    "OrderPlaced",
    "OrderRefunded",
    "OrderSettled",
    "PayoutAccountDecided",
    "REGISTRY",
    "RebatePaid",
    "RefundRequested",
    "RefundSettled",
    "RefundedLine",
    "ReviewPublished",
    "ReviewRejected",
    "ReviewWithdrawn",
    "RewardGranted",
    "StockArrived",
    "StockLow",
    "TierChanged",
    "UserRegistered",
    "WalletToppedUp",
    "WithdrawalMoved",
    "contract",
    "from_payload",
    "to_payload",
]
