"""Every kind of race."""

from torture.races.base import Race
from torture.races.money import CreditTwice, DoubleSpend, ParallelRefunds, PointsTwice, RewardTwice, SameRefund
from torture.races.paying import (
    CancelAgainstPay,
    CancelAgainstWallet,
    ExpireAgainstPay,
    OneTransactionTwoOrders,
    SameNotify,
    TopUpTwice,
    TwoConfirm,
    TwoTransactions,
    WalletAgainstGateway,
)
from torture.races.selling import (
    CouponInTwoOrders,
    CouponsOfOneMember,
    LastCoupon,
    LastKey,
    LastKeyReserved,
    SameClick,
    SecretWhileSelling,
    VoidWhileSelling,
)

KINDS: tuple[type[Race], ...] = (
    LastKey,
    LastKeyReserved,
    DoubleSpend,
    CouponInTwoOrders,
    LastCoupon,
    CouponsOfOneMember,
    CancelAgainstPay,
    ExpireAgainstPay,
    WalletAgainstGateway,
    CancelAgainstWallet,
    ParallelRefunds,
    SameRefund,
    SameClick,
    SameNotify,
    TwoTransactions,
    TwoConfirm,
    TopUpTwice,
    OneTransactionTwoOrders,
    VoidWhileSelling,
    PointsTwice,
    RewardTwice,
    SecretWhileSelling,
    CreditTwice,
)
