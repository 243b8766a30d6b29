"""What the model knows, and the few rules of money that it goes by. Nothing here asks a database."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

CENT, ZERO = Decimal("0.01"), Decimal("0.00")
GUEST = 2


def yuan(cents: int) -> Decimal:
    return to_cents(Decimal(cents) / 100)


def to_cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


@dataclass
class Purse:
    """A member's wallet: `restricted` of the balance buys and is never withdrawn. `held` waits for withdrawals to end."""

    balance: Decimal
    restricted: Decimal = ZERO
    held: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        return self.balance - self.restricted

    def come(self, amount: Decimal, restricted: Decimal = ZERO) -> None:
        self.balance += amount
        self.restricted += restricted

    def go(self, amount: Decimal) -> Decimal:
        """The restricted part goes first; returns how much of it went."""
        taken = min(self.restricted, amount)
        self.balance -= amount
        self.restricted -= taken
        return taken


@dataclass
class Goods:
    row: object
    price: Decimal
    from_stock: bool
    available: int = 0
    reserved: int = 0
    sold: int = 0
    void: int = 0


@dataclass
class Bought:
    """An order. `buyer` is a member's place, or GUEST; `took` the restricted money in it that has not come back."""

    pk: int
    line: int
    buyer: int
    goods: Goods
    quantity: int
    total: Decimal
    coupon: bool
    deadline: datetime
    state: str = "unpaid"
    by_wallet: bool = False
    took: Decimal = ZERO
    refunded: Decimal = ZERO
    credit: Decimal = ZERO
    refs: set[str] = field(default_factory=set)

    @property
    def is_paid(self) -> bool:
        return self.state in ("paid", "delivered", "refunded")


@dataclass
class TopUp:
    """Always paid in time; `gift` is what came on top of it."""

    pk: int
    who: int
    amount: Decimal
    gift: Decimal
    at: datetime
    refunded: Decimal = ZERO
    taken_back: Decimal = ZERO
    refs: set[str] = field(default_factory=set)


@dataclass
class Try:
    """A payment attempt. `paid_by` is the gateway's transaction; `bought` that its money paid for the order."""

    pk: int
    of: Bought | TopUp
    paid_by: str = ""
    amount: Decimal = ZERO
    bought: bool = False

    @property
    def owner(self) -> int:
        return self.of.who if isinstance(self.of, TopUp) else self.of.buyer


@dataclass
class Wish:
    """A refund of an order by the original route. `heard`: the room of the gateways has shared it out."""

    pk: int
    of: Bought
    amount: Decimal
    heard: bool = False
    returned: Decimal = ZERO
    credited: Decimal = ZERO

    @property
    def state(self) -> str:
        if self.returned + self.credited < self.amount:
            return "pending"
        return "failed" if self.credited else "done"


@dataclass
class Back:
    """Money of one attempt on its way back through its gateway, for a wish or (None) for what paid for nothing."""

    pk: int
    of: Try
    amount: Decimal
    wish: Wish | None
    state: str = "created"

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "refused")


@dataclass
class Withdrawn:
    pk: int
    public_id: str
    who: int
    amount: Decimal
    at: datetime
    day: date
    state: str = "asked"
    approved_by: int = -1


@dataclass
class Line:
    """A credit line."""

    limit: Decimal
    used: Decimal = ZERO
    auto: bool = False
    state: str = "active"

    @property
    def free(self) -> Decimal:
        return max(self.limit - self.used, ZERO) if self.state == "active" else ZERO


@dataclass
class Card:
    pk: int
    number: int
    code: str
    state: str = "issued"
    who: int = -1
