"""Our side of a comparison with a gateway's statement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.money import ZERO, round_money
from payments.reconciling.rows import YUAN

# What tells money of ours from all other: the attempt whose first payment it is, else the gateway's transaction.
Mark = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A payment attempt, or further money under its number, or (without an attempt) money that nobody expected, which the
    transfer `transfer_id` booked. `amount` and `at` are what was booked and when; None while it is not paid.

    `foreign` of `currency` is what the gateway was to ask for in place of `asked` yuan, at `rate` yuan for one.
    """

    attempt_id: int | None
    number: str
    is_further: bool = False
    transfer_id: int | None = None
    txn: str = ""
    amount: Decimal | None = None
    asked: Decimal = ZERO
    state: str = ""
    at: datetime | None = None
    currency: str = ""
    foreign: Decimal | None = None
    rate: Decimal | None = None

    @property
    def mark(self) -> Mark:
        return self.txn if self.is_further or self.attempt_id is None else self.attempt_id

    @property
    def reference(self) -> str:
        """What a case is called when no statement shows it."""
        return self.txn if self.is_further else self.number

    @property
    def is_paid(self) -> bool:
        return self.amount is not None

    def booked_in(self, currency: str) -> Decimal | None:
        """What was booked, in the currency of a statement; None where nobody ever said what it is worth in it."""
        booked = self.amount or ZERO
        if currency == YUAN:
            return booked
        if currency != self.currency.upper() or self.foreign is None:
            return None
        return round_money(self.foreign * booked / self.asked)

    def in_yuan(self, amount: Decimal, currency: str) -> Decimal:
        """An amount of a statement by the rate of this payment."""
        if currency == YUAN or self.rate is None:
            return amount
        booked = self.booked_in(currency)
        return (self.amount or ZERO) if amount == booked else round_money(amount * self.rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class OurRefund:
    """Money that we had the gateway give back. `payment` is the number of the attempt that it was paid with."""

    number: str
    payment: str
    amount: Decimal
    at: datetime


@dataclass(frozen=True)
class Neighbour:
    """What the statement on the other side of a border showed: money of our days, and what it misses itself."""

    beyond: Collection[Mark]
    waiting: Collection[Mark]


@dataclass(frozen=True, kw_only=True)
class Books:
    """Our side of a comparison.

    `further` is money beside the first payments of attempts. `unclaimed` finds the transfer that booked a gateway's transaction
    as money that nobody expected. `beyond` is what other statements showed outside their own days. `before` and `after` are
    the neighbours, None where none was compared yet. `fee_rate` zero: nobody said what the gateway takes, so fees are not
    compared.
    """

    attempts: Sequence[Ours]
    further: Sequence[Ours] = ()
    refunds: Sequence[OurRefund] = ()
    unclaimed: Mapping[str, int] = field(default_factory=dict)
    beyond: Collection[Mark] = ()
    before: Neighbour | None = None
    after: Neighbour | None = None
    fee_rate: Decimal = ZERO
