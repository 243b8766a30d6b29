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


@dataclass(frozen=True)
class Came:
    """Gateway money of an order that reached a wallet: it paid for nothing there, or was given back."""

    at: datetime
    order: int
    amount: Decimal


@dataclass
class Purse:
    """A member's wallet: `restricted` of the balance buys and is never withdrawn. `held` waits for withdrawals to end.

    `came` is what gateways brought beside top-ups; `story`, in order, what came with gifts and what was spent since.
    """

    balance: Decimal
    restricted: Decimal = ZERO
    held: Decimal = ZERO
    came: list[Came] = field(default_factory=list)
    story: list["TopUp | Bought | Repaid"] = field(default_factory=list)

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
    """An order. `buyer` is a member's place, or GUEST; of what a wallet paid for it and did not get back, `took` was
    restricted and `spent` was not."""

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
    spent: Decimal = ZERO
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

    @property
    def keeps_gift(self) -> bool:
        return self.taken_back < self.gift

    def share(self, given_back: Decimal) -> Decimal:
        """What of the gift still has to go when so much of the top-up has gone back in all."""
        return max(to_cents(self.gift * given_back / self.amount) - self.taken_back, ZERO)


@dataclass(frozen=True)
class Repaid:
    """Free money that paid a debt."""

    spent: Decimal


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
    """Money of one attempt on its way back through its gateway, for a wish or (None) for what paid for nothing. `gift` went
    with it, of which `restricted` was so."""

    pk: int
    of: Try
    amount: Decimal
    wish: Wish | None
    state: str = "created"
    gift: Decimal = ZERO
    restricted: Decimal = ZERO

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
    """A credit line; `debts` are (due on, amount), the oldest first."""

    limit: Decimal
    due_day: int
    auto: bool = False
    state: str = "active"
    debts: list[tuple[date, Decimal]] = field(default_factory=list)

    @property
    def used(self) -> Decimal:
        return sum((amount for _, amount in self.debts), ZERO)

    def lends(self, today: date) -> bool:
        """Not from the first day on which something should have been paid back by the day before."""
        return self.state == "active" and all(due >= today for due, _ in self.debts)

    def free(self, today: date) -> Decimal:
        return max(self.limit - self.used, ZERO) if self.lends(today) else ZERO

    def lend(self, amount: Decimal, today: date) -> None:
        """Due in the month after."""
        year, month = divmod(today.year * 12 + today.month, 12)
        self.debts.append((date(year, month + 1, self.due_day), amount))

    def repay(self, amount: Decimal) -> None:
        while amount:
            due, left = self.debts.pop(0)
            part = min(left, amount)
            amount -= part
            if left > part:
                self.debts.insert(0, (due, left - part))


@dataclass
class Card:
    pk: int
    number: int
    code: str
    state: str = "issued"
    who: int = -1
