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
    """Gateway money that reached a wallet. `by` is the attempt through which it can go back: the one whose first payment it
    is, or which paid for the order that it is a refund of."""

    at: datetime
    amount: Decimal
    by: "Try | None" = None


@dataclass
class Purse:
    """A member's wallet: `restricted` of the balance buys and is never withdrawn. `held` waits for withdrawals to end.

    `came` is, in order, what gateways brought beside top-ups and what was sent back of it; `story` what came with gifts and
    what was spent since.
    """

    balance: Decimal
    restricted: Decimal = ZERO
    held: Decimal = ZERO
    came: list["Came | Back"] = field(default_factory=list)
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
    """Always paid in time; `gift` came on top of its first payment. `log` is, in order, what came and what went back."""

    pk: int
    who: int
    gift: Decimal
    repays: bool
    log: list["Came | Back | ByHand"]
    refunded: Decimal = ZERO
    taken_back: Decimal = ZERO
    refs: set[str] = field(default_factory=set)

    @property
    def amount(self) -> Decimal:
        return sum((one.amount for one in self.log if isinstance(one, Came)), ZERO)

    def kept(self, *more: "Back | ByHand") -> list["Kept"]:
        """Its payments; with `more`, as they would be after that. By hand the newest that there is goes back."""
        found: list[Kept] = []
        for one in (*self.log, *more):
            if isinstance(one, Came):
                found.append(Kept(one, one.amount))
                continue
            if isinstance(one, Back) and one.state == "refused":
                continue
            left = one.amount
            for kept in reversed(found):
                if isinstance(one, ByHand) or kept.of.by is one.of:
                    part = min(kept.amount, left)
                    kept.amount -= part
                    left -= part
        return found

    @property
    def keeps_gift(self) -> bool:
        return self.taken_back < self.gift

    def share(self, one: "Back | ByHand") -> Decimal:
        """What of the gift goes along when this goes back."""
        first = self.kept(one)[0]
        return max(to_cents(self.gift * (first.of.amount - first.amount) / first.of.amount) - self.taken_back, ZERO)


@dataclass
class Kept:
    """What of a payment did not go back."""

    of: Came
    amount: Decimal


@dataclass(frozen=True)
class ByHand:
    """What staff gave back of a top-up outside the shop."""

    amount: Decimal


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
